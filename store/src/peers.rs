//! Where the node found its peers and what went wrong, kept for who looks at it from beside.

use crate::error::StoreError;
use crate::reader::Reader;
use crate::rows;
use crate::store::Store;
use gantry_terms::ae_title::AeTitle;
use gantry_terms::moment::Moment;
use sqlx::sqlite::SqliteRow;

/// What is known of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    pub peer: AeTitle,
    /// Hosts with their addresses, as JSON of the node.
    pub servers: String,
    /// What was asked, and of whom.
    pub source: String,
    pub answered: Option<Moment>,
    /// Until when the name servers vouch for it.
    pub until: Option<Moment>,
    /// The last one, though it may be over.
    pub fault: Option<String>,
    pub fault_at: Option<Moment>,
}

impl Store {
    /// In the place of all that was told before.
    pub async fn tell_peer_addresses(&self, peers: &[PeerAddress]) -> Result<(), StoreError> {
        let mut transaction = self.shared.write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM peer_addresses").execute(&mut *transaction).await?;
        for peer in peers {
            sqlx::query("INSERT INTO peer_addresses VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind(peer.peer.as_str())
                .bind(&peer.servers)
                .bind(&peer.source)
                .bind(peer.answered.map(|at| at.0))
                .bind(peer.until.map(|at| at.0))
                .bind(&peer.fault)
                .bind(peer.fault_at.map(|at| at.0))
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }
}

impl Reader {
    /// By name.
    pub async fn peer_addresses(&self) -> Result<Vec<PeerAddress>, StoreError> {
        let found = sqlx::query("SELECT * FROM peer_addresses ORDER BY peer");
        found.fetch_all(&self.pool).await?.iter().map(peer_address).collect()
    }
}

fn peer_address(row: &SqliteRow) -> Result<PeerAddress, StoreError> {
    Ok(PeerAddress {
        peer: rows::title(row, "peer")?,
        servers: rows::column(row, "servers")?,
        source: rows::column(row, "source")?,
        answered: rows::maybe_moment(row, "answered")?,
        until: rows::maybe_moment(row, "until")?,
        fault: rows::column(row, "fault")?,
        fault_at: rows::maybe_moment(row, "fault_at")?,
    })
}
