//! A data set that is written element by element: what comes in between goes by its tag, and a private creator stays with what it names.

use gantry_terms::header::Tag;
use std::collections::BTreeSet;

#[derive(Default)]
pub(crate) struct Out {
    bytes: Vec<u8>,
    /// What is to come in, the last first.
    own: Vec<(Tag, Vec<u8>)>,
    private: Option<Group>,
}

/// The private group at hand: its creators stand in front of its elements.
struct Group {
    group: u16,
    creators: Vec<u8>,
    blocks: BTreeSet<u16>,
    elements: Vec<u8>,
}

impl Out {
    /// `own` in the order of the tags; each replaces what has its tag.
    pub(crate) fn new(mut own: Vec<(Tag, Vec<u8>)>) -> Self {
        own.reverse();
        Self { own, ..Self::default() }
    }

    /// Before an element with this tag: what has a lower one goes first. False when the element itself is
    /// replaced by what was written.
    pub(crate) fn reaches(&mut self, tag: Tag) -> bool {
        if self.private.as_ref().is_some_and(|private| u32::from(private.group) != tag >> 16) {
            self.end_group();
        }
        let mut replaced = false;
        while let Some((own, element)) = self.own.pop_if(|(own, _)| *own <= tag) {
            replaced |= own == tag;
            self.bytes.extend(element);
        }
        !replaced
    }

    /// What was to come in under this tag does not.
    pub(crate) fn withdraw(&mut self, tag: Tag) {
        self.own.retain(|(own, _)| *own != tag);
    }

    pub(crate) fn push(&mut self, element: &[u8]) {
        self.bytes.extend_from_slice(element);
    }

    /// An element of a private block, with the creator of the block in front of all of its group.
    pub(crate) fn push_private(&mut self, group: u16, block: u16, creator: &[u8], element: &[u8]) {
        let private = self.private.get_or_insert_with(|| Group {
            group,
            creators: Vec::new(),
            blocks: BTreeSet::new(),
            elements: Vec::new(),
        });
        if private.blocks.insert(block) {
            private.creators.extend_from_slice(creator);
        }
        private.elements.extend_from_slice(element);
    }

    fn end_group(&mut self) {
        if let Some(private) = self.private.take() {
            self.bytes.extend(private.creators);
            self.bytes.extend(private.elements);
        }
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.reaches(Tag::MAX);
        self.end_group();
        self.bytes
    }
}
