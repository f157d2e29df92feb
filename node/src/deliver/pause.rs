//! How long is waited between two tries.

use crate::config::DeliverConfig;
use rand::Rng;
use std::time::Duration;

/// Doubles from the first pause to the longest; half of it is chance, so that a thousand
/// deliveries do not come back in the same second.
pub(crate) fn pause(config: &DeliverConfig, attempts: u32) -> Duration {
    let grown = config.first_pause.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    grown.min(config.longest_pause).mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn pauses_grow_to_the_longest_and_never_all_end_at_once() {
        let text = "[node]\nae-title = \"G\"\n[deliver]\nfirst-pause-seconds = 1\nlongest-pause-seconds = 60\n";
        let config = Config::parse(text, std::path::Path::new("node.toml")).expect("good");
        let pauses = |attempts: u32| -> Vec<f64> {
            (0..50).map(|_| pause(&config.deliver, attempts).as_secs_f64()).collect()
        };
        let check = |attempts, low: f64, high: f64| {
            let pauses = pauses(attempts);
            assert!(pauses.iter().all(|p| (low..=high).contains(p)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|p| (p - pauses[0]).abs() > 1e-6), "no jitter");
        };
        check(1, 0.5, 1.0);
        check(4, 4.0, 8.0);
        check(40, 30.0, 60.0);
    }
}
