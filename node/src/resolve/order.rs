//! In which order the servers of an AE title are tried (RFC 2782): by priority, and by weighted chance within one.

use rand::Rng;

/// What an SRV record says of a server's place.
pub trait Ranked {
    /// The lowest first.
    fn priority(&self) -> u16;
    /// Among those of one priority: how often it comes first.
    fn weight(&self) -> u16;
}

/// Drawn anew for each association, so that their servers share the load.
pub fn ordered<T: Ranked>(mut records: Vec<T>, random: &mut impl Rng) -> Vec<T> {
    // Those without a weight first, as RFC 2782 wants it: a small chance is left to them.
    records.sort_by_key(|record| (record.priority(), record.weight() > 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority();
        let same = records.iter().take_while(|record| record.priority() == priority).count();
        let sum: u64 = records[..same].iter().map(|record| u64::from(record.weight())).sum();
        let drawn = random.random_range(0..=sum);
        let mut running = 0;
        let chosen = records[..same].iter().position(|record| {
            running += u64::from(record.weight());
            running >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[derive(Debug, Clone, PartialEq)]
    struct Record(u16, u16, &'static str);

    impl Ranked for Record {
        fn priority(&self) -> u16 {
            self.0
        }
        fn weight(&self) -> u16 {
            self.1
        }
    }

    #[test]
    fn a_lower_priority_always_comes_first_and_every_server_comes_once() {
        let mut random = StdRng::seed_from_u64(7);
        let records = vec![
            Record(20, 0, "dr"),
            Record(10, 60, "a"),
            Record(10, 40, "b"),
            Record(0, 0, "first"),
        ];
        for _ in 0..200 {
            let ordered = ordered(records.clone(), &mut random);
            assert_eq!((ordered[0].2, ordered[3].2), ("first", "dr"));
            assert_eq!(ordered.len(), 4);
            assert!(ordered[1] != ordered[2]);
        }
        assert!(ordered(Vec::<Record>::new(), &mut random).is_empty());
    }

    #[test]
    fn within_a_priority_servers_come_first_as_often_as_their_weights_say() {
        let mut random = StdRng::seed_from_u64(11);
        let records =
            vec![Record(1, 60, "a"), Record(1, 30, "b"), Record(1, 10, "c"), Record(1, 0, "d")];
        let draws = 10_000;
        let mut first = [0_f64; 4];
        for _ in 0..draws {
            let ordered = ordered(records.clone(), &mut random);
            let at = records.iter().position(|record| *record == ordered[0]);
            first[at.expect("one of them")] += 1.0;
        }
        // Of 101 equally likely numbers 0 falls to the server without a weight.
        let expected = [60.0, 30.0, 10.0, 1.0].map(|share| share / 101.0 * f64::from(draws));
        let chi: f64 = first.iter().zip(expected).map(|(a, b)| (a - b) * (a - b) / b).sum();
        // 99.9 % of fair draws are below (3 degrees of freedom).
        assert!(chi < 16.3, "{first:?} instead of {expected:?}");
    }
}
