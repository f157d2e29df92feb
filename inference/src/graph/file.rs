//! What the file of a graph says of itself before ONNX Runtime reads it: which tensors have their numbers elsewhere.

/// So deep messages may lie in each other: no deeper Protocol Buffers read them.
const DEEPEST: usize = 100;

/// A tensor whose numbers lie in another file (`data_location = EXTERNAL`).
#[derive(Debug, PartialEq, Eq)]
pub struct Outside {
    /// Empty for one without a name.
    pub tensor: String,
    /// As the graph names it.
    pub file: String,
}

/// Why a file can be no ONNX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAGraph {
    #[error("it is cut, or no ONNX file at all")]
    Malformed,
    #[error("its parts lie in each other more than {DEEPEST} deep")]
    TooDeep,
}

/// The messages of onnx.proto in which a tensor may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
}

impl Kind {
    /// What lies in a field of this one, if it may hold a tensor.
    fn inside(self, field: u32) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Function, 11) | (Self::Node, 5) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Self::Tensor
            }
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            _ => return None,
        })
    }
}

/// Fields of a TensorProto, and of the pairs of words in it.
const TENSOR_NAME: u32 = 8;
const EXTERNAL_DATA: u32 = 13;
const DATA_LOCATION: u32 = 14;
const KEY: u32 = 1;
const VALUE: u32 = 2;
const EXTERNAL: u32 = 1;

/// All of them: initializers, constants of nodes, those of graphs in attributes and of functions.
pub fn outside(model: &[u8]) -> Result<Vec<Outside>, NotAGraph> {
    let mut found = Vec::new();
    let mut left = vec![(Kind::Model, model, 1)];
    while let Some((kind, message, depth)) = left.pop() {
        if depth > DEEPEST {
            return Err(NotAGraph::TooDeep);
        }
        if kind == Kind::Tensor {
            found.extend(outside_of(message)?);
            continue;
        }
        for field in Fields(message) {
            if let (field, Content::Bytes(bytes)) = field?
                && let Some(kind) = kind.inside(field)
            {
                left.push((kind, bytes, depth + 1));
            }
        }
    }
    found.reverse();
    Ok(found)
}

fn outside_of(tensor: &[u8]) -> Result<Option<Outside>, NotAGraph> {
    let mut is_outside = false;
    let mut outside = Outside { tensor: String::new(), file: String::new() };
    for field in Fields(tensor) {
        match field? {
            (TENSOR_NAME, Content::Bytes(name)) => outside.tensor = text(name),
            (EXTERNAL_DATA, Content::Bytes(pair)) => {
                let (mut key, mut value) = (&[][..], &[][..]);
                for field in Fields(pair) {
                    match field? {
                        (KEY, Content::Bytes(bytes)) => key = bytes,
                        (VALUE, Content::Bytes(bytes)) => value = bytes,
                        _ => {}
                    }
                }
                if key == b"location" {
                    outside.file = text(value);
                }
            }
            // An enum is read as 32 bits.
            (DATA_LOCATION, Content::Number(number)) => is_outside |= number as u32 == EXTERNAL,
            _ => {}
        }
    }
    Ok(is_outside.then_some(outside))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The fields of a message, by their numbers, in the wire format of Protocol Buffers.
struct Fields<'a>(&'a [u8]);

enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// 32 or 64 bits.
    Fixed,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Content<'a>), NotAGraph>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(NotAGraph::Malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Content<'a>)> {
        let tag = self.number()? as u32;
        let content = match tag & 7 {
            0 => Content::Number(self.number()?),
            1 => self.take(8).map(|_| Content::Fixed)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Content::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Content::Fixed)?,
            // Groups, of which ONNX has none.
            _ => return None,
        };
        (tag >> 3 != 0).then_some((tag >> 3, content))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for at in 0..10 {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut length = bytes.len();
        let mut written = vec![number << 3 | 2];
        if number > 15 {
            written = vec![number << 3 & 0x7f | 0x82, number >> 4];
        }
        while length >= 0x80 {
            written.push(length as u8 | 0x80);
            length >>= 7;
        }
        written.push(length as u8);
        [written, bytes.to_vec()].concat()
    }

    fn path(fields: &[u8], innermost: &[u8]) -> Vec<u8> {
        fields.iter().rev().fold(innermost.to_vec(), |inside, number| field(*number, &inside))
    }

    fn tensor() -> Vec<u8> {
        let pair = [field(1, b"location"), field(2, b"w.bin")].concat();
        [field(8, b"w"), field(13, &pair), vec![14 << 3, 1]].concat()
    }

    #[test]
    fn a_tensor_outside_is_found_wherever_a_graph_may_have_one() {
        for fields in [
            &[7, 5][..],             // initializer
            &[7, 15, 1],             // values of a sparse one
            &[7, 15, 2],             // its indices
            &[7, 1, 5, 5],           // attribute of a node
            &[7, 1, 5, 10],          // one of several
            &[7, 1, 5, 22, 1],       // sparse
            &[7, 1, 5, 6, 5],        // initializer of a graph in an attribute
            &[7, 1, 5, 11, 1, 5, 5], // node of one of several graphs
            &[25, 7, 5, 5],          // node of a function
            &[25, 11, 5],            // default of a function's attribute
            &[20, 1, 5],             // training
        ] {
            let found = outside(&path(fields, &tensor())).unwrap();
            assert_eq!(found, [Outside { tensor: "w".into(), file: "w.bin".into() }], "{fields:?}");
            let inside = path(fields, &[field(8, b"w"), vec![14 << 3, 0]].concat());
            assert_eq!(outside(&inside).unwrap(), [], "{fields:?}");
        }
    }

    #[test]
    fn what_is_cut_or_endless_is_refused_and_nothing_panics() {
        let whole = path(&[7, 1, 5, 6, 5], &tensor());
        for end in 1..whole.len() {
            assert_eq!(outside(&whole[..end]), Err(NotAGraph::Malformed), "{end}");
        }
        assert_eq!(outside(b"PK not a graph"), Err(NotAGraph::Malformed));
        assert_eq!(outside(&[0xff; 64]), Err(NotAGraph::Malformed));
        let deep = (0..40).fold(Vec::new(), |inside, _| path(&[1, 5, 6], &inside));
        assert_eq!(outside(&field(7, &deep)), Err(NotAGraph::TooDeep));
    }
}
