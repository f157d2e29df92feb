//! How long the node's stop waits for what is in hand.

use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// When the node stops, what is on its way to a peer has so long to arrive ...
pub(super) const LAST_ITEM: Duration = Duration::from_secs(30);
/// ... and a peer so long to release the association.
pub(super) const LAST_WORD: Duration = Duration::from_secs(1);

/// What comes of `work`, which the node's stop cuts off after `patience`.
pub(super) async fn unless_stopped<T>(
    stop: &CancellationToken,
    patience: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async {
        stop.cancelled().await;
        sleep(patience).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = stopped => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_end_is_cut_off_a_while_after_the_stop_and_what_ends_meanwhile_counts() {
        let stop = CancellationToken::new();
        let while_after = Duration::from_millis(200);
        let short = unless_stopped(&stop, while_after, sleep(Duration::from_millis(1)));
        assert!(short.await.is_some());
        stop.cancel();
        let short = unless_stopped(&stop, while_after, sleep(Duration::from_millis(1)));
        assert!(short.await.is_some());
        let endless = unless_stopped(&stop, while_after, std::future::pending::<()>());
        assert!(endless.await.is_none());
    }
}
