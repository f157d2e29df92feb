//! Several films through a graph at once: their tensors become one, and of each answer every film gets its own row.

use crate::prepare::{Prepared, PreparedInput};
use crate::tensors::Tensors;
use serde::{Deserialize, Serialize};

/// Which of how many that went through the graph together: the same kernels of a library may add up in
/// another order for another number of rows, and then the last digits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// From 0.
    pub at: usize,
    pub of: usize,
}

impl Seat {
    pub const ALONE: Self = Self { at: 0, of: 1 };
}

/// The places of those whose tensors have one shape, in their order. What has other inputs than one film
/// stays alone.
pub fn alike<'a>(prepared: impl Iterator<Item = (usize, &'a Prepared)>) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Option<&[i64]>, Vec<usize>)> = Vec::new();
    for (at, prepared) in prepared {
        let shape = shape_of_film(prepared);
        let known = groups.iter_mut().find(|(known, _)| shape.is_some() && *known == shape);
        match known {
            Some((_, group)) => group.push(at),
            None => groups.push((shape, vec![at])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn shape_of_film(prepared: &Prepared) -> Option<&[i64]> {
    match (&prepared.place, prepared.inputs.as_slice()) {
        (None, [film]) => Some(&film.shape),
        _ => None,
    }
}

/// Films whose tensors have one shape, one behind the other along the first axis.
pub fn stacked<'a>(films: impl ExactSizeIterator<Item = &'a Prepared>) -> Prepared {
    let count = films.len() as i64;
    let mut shape = Vec::new();
    let mut pixels = Vec::new();
    for film in films.flat_map(|prepared| prepared.inputs.first()) {
        if shape.is_empty() {
            shape.clone_from(&film.shape);
            pixels.reserve_exact(film.voxels().len() * count as usize);
        }
        pixels.extend_from_slice(film.voxels());
    }
    if let Some(batch) = shape.first_mut() {
        *batch = count;
    }
    Prepared { place: None, inputs: vec![PreparedInput::made(shape, pixels)] }
}

/// The rows of each of `count` films. An error is a graph that does not keep its manifest.
pub fn apart(tensors: Tensors, count: usize) -> Result<Vec<Tensors>, String> {
    let mut each: Vec<Tensors> = (0..count).map(|_| Tensors::default()).collect();
    for (name, tensor) in tensors.0 {
        let [batch, _, ..] = tensor.shape.as_slice() else {
            return Err(no_batch(&name, &tensor.shape, count));
        };
        if *batch != count as i64 {
            return Err(no_batch(&name, &tensor.shape, count));
        }
        for (at, own) in each.iter_mut().enumerate() {
            own.0.insert(name.clone(), tensor.of_one(at, count));
        }
    }
    Ok(each)
}

fn no_batch(name: &str, shape: &[i64], count: usize) -> String {
    format!("the output `{name}` of {count} films has the shape {shape:?}, not a row for each")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::{Elements, Tensor};

    fn film(shape: [i64; 4], first: f32) -> Prepared {
        let pixels = (0..shape.iter().product()).map(|at| first + at as f32).collect();
        Prepared { place: None, inputs: vec![PreparedInput::made(shape.to_vec(), pixels)] }
    }

    #[test]
    fn films_of_one_shape_go_together_and_others_by_themselves() {
        let shapes = [[1, 1, 2, 2], [1, 1, 2, 3], [1, 1, 2, 2], [1, 3, 2, 2]];
        let films: Vec<Prepared> = shapes.iter().map(|shape| film(*shape, 0.0)).collect();
        assert_eq!(alike(films.iter().enumerate()), [vec![0, 2], vec![1], vec![3]]);
    }

    #[test]
    fn rows_are_laid_one_behind_the_other_and_taken_apart_again() {
        let films = [film([1, 1, 1, 2], 0.0), film([1, 1, 1, 2], 10.0)];
        let stacked = stacked(films.iter());
        assert_eq!(stacked.inputs[0].shape, [2, 1, 1, 2]);
        assert_eq!(stacked.inputs[0].voxels(), [0.0, 1.0, 10.0, 11.0]);
        let tensor = |shape: &[i64]| {
            let elements = Elements::Numbers(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let mut tensors = Tensors::default();
            tensors.0.insert("p".into(), Tensor { shape: shape.to_vec(), elements });
            tensors
        };
        let each = apart(tensor(&[2, 3]), 2).unwrap();
        assert_eq!(each[0].row("p", 2).unwrap(), [1.0, 2.0, 3.0]);
        assert_eq!(each[1].row("p", 2).unwrap(), [4.0, 5.0, 6.0]);
        for shape in [&[6][..], &[3, 2], &[]] {
            let error = apart(tensor(shape), 2).unwrap_err();
            assert!(error.contains("not a row for each"), "{error}");
        }
    }
}
