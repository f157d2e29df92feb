//! The words that every crate speaks: identifiers, codes, headers, geometry, volumes, films and findings, as types that cannot hold nonsense.

pub mod ae_title;
pub mod changes;
pub mod character_sets;
pub mod code;
pub mod earlier;
pub mod film;
pub mod findings;
pub mod geometry;
pub mod header;
pub mod images;
pub mod moment;
pub mod region;
pub mod storage_classes;
pub mod transfer_syntaxes;
pub mod uid;
pub mod volume;
