//! A set of images by their places in the list that is judged.

use std::ops::Range;
use std::rc::Rc;

/// All sets of one judgement are of one length, so that they can be laid over each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bits(Rc<[u64]>);

/// How many images are looked at together.
pub(super) const WORD: usize = u64::BITS as usize;

impl Bits {
    /// An empty set with room for so many images.
    pub(super) fn none(length: usize) -> Self {
        Self(vec![0; length.div_ceil(WORD)].into())
    }

    pub(super) fn all(length: usize) -> Self {
        let mut bits = Self(vec![u64::MAX; length.div_ceil(WORD)].into());
        let last = Rc::make_mut(&mut bits.0).last_mut();
        if let Some(last) = last.filter(|_| !length.is_multiple_of(WORD)) {
            *last = (1 << (length % WORD)) - 1;
        }
        bits
    }

    pub(super) fn of(fits: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut words = vec![0; fits.len().div_ceil(WORD)];
        for (at, fits) in fits.enumerate() {
            words[at / WORD] |= u64::from(fits) << (at % WORD);
        }
        Self(words.into())
    }

    pub(super) fn insert(&mut self, at: usize) {
        Rc::make_mut(&mut self.0)[at / WORD] |= 1 << (at % WORD);
    }

    pub(super) fn contains(&self, at: usize) -> bool {
        self.0[at / WORD] >> (at % WORD) & 1 == 1
    }

    /// Of the images of this range, which all lie in one word: whether the set holds some of them,
    /// and whether it holds all.
    pub(super) fn some_and_all(&self, range: &Range<usize>) -> (bool, bool) {
        let all = (u64::MAX >> (WORD - range.len())) << (range.start % WORD);
        let held = self.0[range.start / WORD] & all;
        (held != 0, held == all)
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Those that are in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & other)
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        self.with(other, |one, other| one | other)
    }

    /// Those that the other set does not hold.
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & !other)
    }

    /// Most sets are left as they are: then nothing is written.
    fn with(&self, other: &Self, each: fn(u64, u64) -> u64) -> Self {
        let words = || self.0.iter().zip(&*other.0).map(|(one, other)| (*one, each(*one, *other)));
        match words().all(|(before, after)| before == after) {
            true => self.clone(),
            false => Self(words().map(|(_, after)| after).collect()),
        }
    }

    /// The places of neighbours, each run once, in ascending order.
    pub(super) fn runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (start, word) in self.0.iter().enumerate().map(|(at, word)| (at * WORD, *word)) {
            let mut at = 0;
            while at < WORD && word >> at != 0 {
                let from = at + (word >> at).trailing_zeros() as usize;
                at = from + (word >> from).trailing_ones() as usize;
                match runs.last_mut().filter(|last| last.end == start + from) {
                    Some(last) => last.end = start + at,
                    None => runs.push(start + from..start + at),
                }
            }
        }
        runs
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.wrapping_sub(1);
                (bit < WORD).then_some(at * WORD + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_beyond_its_length() {
        for length in [0, 1, 63, 64, 65, 130] {
            let all = Bits::all(length);
            assert_eq!(all.count(), length);
            assert_eq!(all.iter().collect::<Vec<_>>(), (0..length).collect::<Vec<_>>());
            let odd = Bits::of((0..length).map(|at| at % 2 == 1));
            assert!(odd.iter().all(|at| at % 2 == 1 && odd.contains(at)));
            let even = all.minus(&odd);
            assert!(even.and(&odd).is_empty());
            assert_eq!(even.or(&odd), all);
            assert_eq!(Bits::none(length).count(), 0);
            let runs = |bits: &Bits| bits.runs().into_iter().flatten().collect::<Vec<_>>();
            assert_eq!(
                all.runs(),
                (length > 0).then_some(0..length).into_iter().collect::<Vec<_>>()
            );
            assert_eq!(runs(&odd), odd.iter().collect::<Vec<_>>());
            let late = Bits::of((0..length).map(|at| at > 60));
            assert_eq!(runs(&late), late.iter().collect::<Vec<_>>());
            assert!(late.runs().len() <= 1);
        }
    }
}
