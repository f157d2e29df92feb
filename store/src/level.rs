//! What a decision or a job looks at as one.

use crate::error::StoreError;
use crate::rows;
use sqlx::sqlite::SqliteRow;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Each image of a series by itself.
    Instance,
    Series,
    Study,
}

impl Level {
    /// As a rule writes it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Series => "series",
            Self::Study => "study",
        }
    }

    pub(crate) fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        Self::read(rows::column(row, "level")?)
    }

    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        Ok(match text {
            "instance" => Self::Instance,
            "series" => Self::Series,
            "study" => Self::Study,
            _ => return Err(StoreError::Unreadable("level")),
        })
    }
}
