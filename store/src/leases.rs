//! Work that a process had in hand when it ended: given back by the next one, which has the folder alone.

use crate::error::StoreError;
use crate::store::Store;
use gantry_terms::moment::Moment;

impl Store {
    /// Makes every running job and every waiting delivery due now. A store is open in one process
    /// at a time, so at the start of a node every lease belongs to a process that is gone; and a
    /// start is a good moment to try a peer again.
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
        sqlx::query("UPDATE outbox SET due_at = $1 WHERE state = 'queued' AND due_at > $1")
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.shared.progress.ring();
        Ok(())
    }
}
