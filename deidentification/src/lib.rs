//! Data sets without the patient (PS3.15 annex E): a data set in, a data set out, by the table of the standard, a profile and a secret. Knows no disk, no network and no clock.

pub mod burned_in;
mod dates;
pub mod deidentify;
mod dummy;
pub mod elements;
mod here;
pub mod home;
pub mod key;
mod method;
mod out;
pub mod pixels;
pub mod profile;
pub mod reidentify;
mod safe_private;
pub mod seen;
pub mod table;
mod words;
