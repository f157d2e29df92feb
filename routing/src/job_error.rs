//! Why a job did not end well: whether it may go well later, or someone must act.

use gantry_store::error::StoreError;

/// Why a job did not end well.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The same job may go well later.
    #[error("{0}")]
    Transient(String),
    /// It will fail again as it is: an admin, the scanner or the model's author must act.
    #[error("{0}")]
    Permanent(String),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Evicted(_) => Self::Permanent(format!(
                "an image that it needs was {error}: whoever has the series sends it again"
            )),
            error => Self::Transient(error.to_string()),
        }
    }
}
