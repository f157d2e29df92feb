//! Which images a selection took: what is told of it for many rules is short, however many images there are.

use super::bits::Bits;
use std::ops::Range;

/// Images by their places in the list that was judged, neighbours together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(Vec<Range<usize>>);

impl Places {
    pub(super) fn of(images: &Bits) -> Self {
        Self(images.runs())
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// What stands at these places of `all`, which are as many as were judged.
    pub fn among<'a, T>(&'a self, all: &'a [T]) -> impl Iterator<Item = &'a T> {
        self.iter().map(|at| &all[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_together_and_each_one_is_found_again() {
        let fits = [true, true, false, false, true, false, true, true, true];
        let places = Places::of(&Bits::of(fits.into_iter()));
        assert_eq!(places.0, [0..2, 4..5, 6..9]);
        assert_eq!(places.iter().collect::<Vec<_>>(), [0, 1, 4, 6, 7, 8]);
        assert_eq!(places.len(), 6);
        assert_eq!(
            places.among(b"abcdefghi").collect::<Vec<_>>(),
            [b'a', b'b', b'e', b'g', b'h', b'i'].iter().collect::<Vec<_>>()
        );
        assert!(Places::of(&Bits::none(70)).is_empty());
    }
}
