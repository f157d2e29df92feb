//! Memory for the images of jobs that go through a graph together: many of them are in hand at once, but not more than fit.

use gantry_store::jobs::Priority;
use gantry_terms::images::Images;
use tokio::sync::{Semaphore, SemaphorePermit};

/// For all routine ones. What is larger by itself goes alone.
const ROUTINE_MIB: u32 = 384;
/// For all of priority stat.
const STAT_MIB: u32 = 128;

/// Who holds a place has its images in memory. What is urgent has a part of its own: the routine ones that hold
/// theirs may all wait for a turn behind others.
pub struct Room {
    stat: Part,
    routine: Part,
}

struct Part {
    /// A permit for each image that may be read at a time: while it is, nobody knows how large it gets.
    reading: Semaphore,
    mib: Semaphore,
    most: u32,
}

/// Given back when it is dropped.
pub type Place<'a> = SemaphorePermit<'a>;

impl Room {
    pub fn new() -> Self {
        Self { stat: Part::new(STAT_MIB), routine: Part::new(ROUTINE_MIB) }
    }

    /// Reads, and waits until there is room for what was read. Nothing that has a place waits for another
    /// one, so that all of them come to an end.
    pub async fn read<E>(
        &self,
        priority: Priority,
        images: impl Future<Output = Result<Vec<Images>, E>>,
    ) -> Result<(Vec<Images>, Option<Place<'_>>), E> {
        let part = match priority {
            Priority::Stat => &self.stat,
            Priority::Routine => &self.routine,
        };
        // No one closes them.
        let _reads = part.reading.acquire().await.ok();
        let images = images.await?;
        let place = part.mib.acquire_many(part.mib_of(&images)).await.ok();
        Ok((images, place))
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Part {
    fn new(most: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { reading: Semaphore::new(cores), mib: Semaphore::new(most as usize), most }
    }

    fn mib_of(&self, images: &[Images]) -> u32 {
        let bytes: usize = images.iter().map(|images| size_of_val(images.numbers())).sum();
        u32::try_from(bytes >> 20).unwrap_or(self.most).saturating_add(1).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::Priority::{Routine, Stat};
    use super::*;
    use gantry_terms::film::Film;
    use gantry_terms::uid::Uid;
    use std::convert::Infallible;
    use std::future::{pending, ready};

    fn film(mib: usize) -> Vec<Images> {
        let pixels = vec![0.0; (mib << 20) / 4];
        let uid = Uid::parse("1.2.3").unwrap();
        let (rows, columns) = (1, pixels.len());
        let sop_class = uid.clone();
        let film = Film {
            frames: 1,
            channels: 1,
            rows,
            columns,
            pixels,
            sop_class,
            sop_instance: uid,
            pixel_spacing: None,
            patient_spacing: None,
        };
        vec![film.into()]
    }

    /// Whether it has to wait, after it was tried.
    async fn waits(trying: &mut (impl Future + Unpin)) -> bool {
        tokio::select! {
            biased;
            _ = trying => false,
            () = ready(()) => true,
        }
    }

    #[tokio::test]
    async fn films_that_do_not_fit_beside_others_wait_until_these_are_done() {
        let room = Room::new();
        let read = |mib| room.read(Routine, async move { Ok::<_, Infallible>(film(mib)) });
        let Ok(first) = read(200).await;
        let Ok(second) = read(170).await;
        let mut third = Box::pin(read(20));
        assert!(waits(&mut third).await, "372 of 384 MiB are taken");
        drop(first);
        let Ok((images, place)) = third.await;
        assert_eq!((images.len(), place.is_some()), (1, true));
        drop((second, place));
        let Ok((_, place)) = read(700).await;
        assert!(place.is_some(), "more than all of it goes alone");
    }

    #[tokio::test]
    async fn a_stat_film_waits_neither_for_the_room_of_routine_ones_nor_until_they_are_read() {
        let room = Room::new();
        let read =
            |priority, mib| room.read(priority, async move { Ok::<_, Infallible>(film(mib)) });
        let Ok(_all) = read(Routine, 383).await;
        // As many as may be read at a time wait for room, and one more to be read.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut routine: Vec<_> = (0..=cores).map(|_| Box::pin(read(Routine, 1))).collect();
        for film in &mut routine {
            assert!(waits(film).await);
        }
        let mut stat = Box::pin(read(Stat, 20));
        assert!(!waits(&mut stat).await);

        // Those that are urgent wait for each other, so that they take no more than their part.
        let Ok(_urgent) = read(Stat, 127).await;
        assert!(waits(&mut Box::pin(read(Stat, 1))).await);
    }

    #[tokio::test]
    async fn who_gives_up_while_it_reads_or_waits_keeps_nobody_waiting() {
        let room = Room::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut reading: Vec<_> = (0..cores)
            .map(|_| Box::pin(room.read(Stat, pending::<Result<Vec<Images>, Infallible>>())))
            .collect();
        for film in &mut reading {
            assert!(waits(film).await);
        }
        let mut next = Box::pin(room.read(Stat, async { Ok::<_, Infallible>(film(1)) }));
        assert!(waits(&mut next).await);
        drop(reading);
        let Ok((_, place)) = next.await;
        assert!(place.is_some());
    }
}
