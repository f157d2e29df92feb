//! Memory for the images of jobs that go through a graph together: many of them are in hand at once, but not more than fit.

use gantry_terms::images::Images;
use tokio::sync::{Semaphore, SemaphorePermit};

/// For all of them. What is larger by itself goes alone.
const MIB: u32 = 512;

/// Who holds a place has its images in memory.
pub struct Room {
    /// A permit for each image that may be read at a time: while it is, nobody knows how large it gets.
    reading: Semaphore,
    mib: Semaphore,
}

/// Given back when it is dropped.
pub type Place<'a> = SemaphorePermit<'a>;

impl Room {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { reading: Semaphore::new(cores), mib: Semaphore::new(MIB as usize) }
    }

    /// Reads, and waits until there is room for what was read. Nothing that has a place waits for another
    /// one, so that all of them come to an end.
    pub async fn read<E>(
        &self,
        images: impl Future<Output = Result<Vec<Images>, E>>,
    ) -> Result<(Vec<Images>, Option<Place<'_>>), E> {
        // No one closes them.
        let _reads = self.reading.acquire().await.ok();
        let images = images.await?;
        let place = self.mib.acquire_many(mib(&images)).await.ok();
        Ok((images, place))
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

fn mib(images: &[Images]) -> u32 {
    let bytes: usize = images.iter().map(|images| size_of_val(images.numbers())).sum();
    u32::try_from(bytes >> 20).unwrap_or(MIB).saturating_add(1).min(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::film::Film;
    use gantry_terms::uid::Uid;
    use std::convert::Infallible;

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
        };
        vec![film.into()]
    }

    #[tokio::test]
    async fn films_that_do_not_fit_beside_others_wait_until_these_are_done() {
        let room = Room::new();
        let read = |mib| room.read(async move { Ok::<_, Infallible>(film(mib)) });
        let Ok(first) = read(300).await;
        let Ok(second) = read(200).await;
        let mut third = Box::pin(read(20));
        tokio::select! {
            biased;
            _ = &mut third => panic!("502 of 512 MiB are taken"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        let Ok((images, place)) = third.await;
        assert_eq!((images.len(), place.is_some()), (1, true));
        drop((second, place));
        let Ok((_, place)) = read(700).await;
        assert!(place.is_some(), "more than all of it goes alone");
    }
}
