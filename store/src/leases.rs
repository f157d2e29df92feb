//! Work that a process had in hand when it ended: given back by the next one, which has the folder alone.

use crate::error::StoreError;
use crate::shadows;
use crate::store::Store;
use gantry_terms::moment::Moment;
use std::time::Duration;

/// No job is put off for as long as this: one that seems to be was put off before the clock was set
/// back.
const LONGER_THAN_ANY_PAUSE: Duration = Duration::from_secs(3600);

impl Store {
    /// Makes every running job and every waiting delivery due now. A store is open in one process
    /// at a time, so at the start of a node every lease belongs to a process that is gone; and a
    /// start is a good moment to try a peer again. Jobs that wait until they are tried again go on
    /// waiting.
    pub async fn release_leases(&self) -> Result<(), StoreError> {
        let now = Moment::now().0;
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "UPDATE jobs SET state = 'queued', due_at = $1, lease_owner = NULL, station = NULL
             WHERE state = 'running'",
        )
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE jobs SET due_at = $1 WHERE state = 'queued' AND due_at > $2")
            .bind(now)
            .bind(Moment(now).plus(LONGER_THAN_ANY_PAUSE).0)
            .execute(&mut *transaction)
            .await?;
        shadows::end_without_trial(&mut transaction).await?;
        for of_outbox in [
            "UPDATE outbox SET due_at = $1, leased_at = NULL WHERE state = 'queued' AND due_at > $1",
            "UPDATE outbox_peers SET retry_at = $1 WHERE retry_at > $1",
        ] {
            sqlx::query(of_outbox).bind(now).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }
}
