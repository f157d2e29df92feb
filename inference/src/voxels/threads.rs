//! Work on the parts of a result, over the cores of the machine.

use std::sync::{Mutex, PoisonError};

/// A part below this many elements is not worth a thread.
const PART: usize = 1 << 16;

/// The least multiple of `unit` elements that is worth a thread.
pub(super) fn worth(unit: usize) -> usize {
    let unit = unit.max(1);
    unit * PART.div_ceil(unit)
}

/// Calls `work` for each part of `out`, with the number of its first element. Each thread makes its
/// `scratch` once. What is written may not depend on which thread takes a part.
pub(super) fn in_parts<T: Send, S>(
    out: &mut [T],
    part: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &mut [T]) + Sync,
) {
    let part = part.max(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(out.len().div_ceil(part));
    let parts = Mutex::new(out.chunks_mut(part).enumerate());
    let take = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        let mut scratch = scratch();
        while let Some((number, part_of_it)) = take() {
            work(&mut scratch, number * part, part_of_it);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without another thread this one does all of it.
            if std::thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
}

/// Changes each number by itself.
pub(super) fn each(values: &mut [f32], change: impl Fn(f32) -> f32 + Sync) {
    in_parts(values, PART, || (), |(), _, part| part.iter_mut().for_each(|v| *v = change(*v)));
}

/// What `of` says of each part of `values`, in their order. The parts are the same for any number of cores.
pub(super) fn of_parts<T: Sync, R: Send>(values: &[T], of: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let mut said: Vec<Option<R>> = values.chunks(PART).map(|_| None).collect();
    in_parts(
        &mut said,
        1,
        || (),
        |(), number, said| {
            let begin = number * PART;
            let end = values.len().min(begin + PART);
            said.iter_mut().for_each(|said| *said = Some(of(&values[begin..end])));
        },
    );
    said.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_by_their_numbers_alone_whoever_takes_them() {
        for count in [0, 1, 9, 10, 95] {
            let mut out = vec![(0, 0); count];
            in_parts(
                &mut out,
                10,
                || (),
                |(), first, part| {
                    let length = part.len();
                    part.iter_mut().zip(first..).for_each(|(out, at)| *out = (at, length));
                },
            );
            for (at, found) in out.into_iter().enumerate() {
                assert_eq!(found, (at, 10.min(count - at / 10 * 10)));
            }
        }
        let values: Vec<usize> = (0..3 * PART + 5).collect();
        let firsts = of_parts(&values, |part| part[0]);
        assert_eq!(firsts, [0, PART, 2 * PART, 3 * PART]);
        assert!(of_parts(&[0; 0], |part| part.len()).is_empty());
        assert_eq!([worth(1), worth(PART - 1), worth(PART + 1)], [PART, 2 * PART - 2, PART + 1]);
    }
}
