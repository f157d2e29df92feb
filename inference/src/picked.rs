//! Of the scores of many classes what masks read of them: the numbers of some classes, and which class has the highest one.

use crate::manifest::{Activation, AtLeast, Reading};
use crate::voxels::activation::softmax;
use crate::voxels::argmax::argmax;
use crate::voxels::error::VoxelError;

/// What is read of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    class: u16,
    /// Its probability among all classes, and not its score.
    softmax: bool,
}

impl Pick {
    /// None where the numbers are not those of a class.
    pub fn of(limit: AtLeast) -> Option<Self> {
        let softmax = limit.activation == Some(Activation::Softmax);
        limit.class.map(|class| Self { class, softmax })
    }
}

/// As much for each place as masks read of it, however many classes have scores.
#[derive(Debug, Clone, Default)]
pub struct Picked {
    picks: Vec<Pick>,
    /// `[part][pick][place]`, where a part is one piece of the tensor that was added.
    numbers: Vec<f32>,
    /// `[part][place]`; none where nobody asks.
    highest: Option<Vec<u16>>,
}

impl Picked {
    /// For what these masks read; none where one of them reads something else than classes.
    pub fn of(readings: &[Reading]) -> Option<Self> {
        let mut picked = Self::default();
        for reading in readings {
            match reading {
                Reading::HighestScore(_) => picked.highest = Some(Vec::new()),
                Reading::AtLeast(limit) => {
                    let pick = Pick::of(*limit)?;
                    if !picked.picks.contains(&pick) {
                        picked.picks.push(pick);
                    }
                }
                Reading::Label(_) => return None,
            }
        }
        (!readings.is_empty()).then_some(picked)
    }

    /// `scores` is `[class][place]`, of finite numbers.
    pub fn add(&mut self, scores: &[f32], places: usize) -> Result<(), VoxelError> {
        for Pick { class, softmax: probability } in &self.picks {
            if *probability {
                self.numbers.extend(softmax(scores, places, *class)?);
                continue;
            }
            let own = scores.chunks_exact(places.max(1)).nth((*class).into());
            let must = "one of those that are scored";
            let own = own.ok_or_else(|| VoxelError::asked("a class", class, must))?;
            self.numbers.extend_from_slice(own);
        }
        if let Some(highest) = &mut self.highest {
            highest.extend(argmax(scores, places)?);
        }
        Ok(())
    }

    /// Of `count` parts one.
    pub fn part(&self, at: usize, count: usize) -> Self {
        fn part<T: Copy>(all: &[T], at: usize, count: usize) -> Vec<T> {
            let length = all.len() / count.max(1);
            all[at * length..(at + 1) * length].to_vec()
        }
        Self {
            picks: self.picks.clone(),
            numbers: part(&self.numbers, at, count),
            highest: self.highest.as_ref().map(|highest| part(highest, at, count)),
        }
    }

    /// Where there is one part: what was picked so of each place.
    pub fn numbers(&self, pick: Pick, places: usize) -> Option<&[f32]> {
        let at = self.picks.iter().position(|other| *other == pick)?;
        self.numbers.get(at * places..(at + 1) * places)
    }

    /// The class with the highest score of each place.
    pub fn highest(&self) -> Option<&[u16]> {
        self.highest.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_is_read_however_many_classes_there_are() {
        let at_least = |class, activation| {
            Reading::AtLeast(AtLeast { least: 0.5, class: Some(class), activation })
        };
        let readings = [
            at_least(3, None),
            at_least(3, Some(Activation::Sigmoid)),
            at_least(1, Some(Activation::Softmax)),
            Reading::HighestScore(2),
        ];
        let mut picked = Picked::of(&readings).unwrap();
        let (classes, places) = (20, 5);
        let frame = |at: usize| -> Vec<f32> {
            (0..classes * places).map(|n| ((n * 7 + at * 3) % 11) as f32 / 4.0).collect()
        };
        (0..2).for_each(|at| picked.add(&frame(at), places).unwrap());
        assert_eq!(picked.numbers.len(), 2 * 2 * places, "one of class 3 and one of class 1");
        for at in 0..2 {
            let (own, scores) = (picked.part(at, 2), frame(at));
            let of = |limit: Reading| match limit {
                Reading::AtLeast(limit) => own.numbers(Pick::of(limit).unwrap(), places).unwrap(),
                _ => unreachable!("none of these"),
            };
            assert_eq!(of(readings[0]), &scores[3 * places..4 * places]);
            assert_eq!(of(readings[1]), of(readings[0]), "the sigmoid comes later");
            assert_eq!(of(readings[2]), softmax(&scores, places, 1).unwrap());
            assert_eq!(own.highest().unwrap(), argmax(&scores, places).unwrap());
        }
        let mut beyond = Picked::of(&[at_least(20, None)]).unwrap();
        assert!(beyond.add(&frame(0), places).is_err());
        let whole = Reading::AtLeast(AtLeast { least: 0.5, class: None, activation: None });
        assert!(Picked::of(&[at_least(1, None), whole]).is_none() && Picked::of(&[]).is_none());
    }
}
