//! DIMSE over TCP (PS3.7, PS3.8): associations in both roles, one file a verb, tables for statuses and refusals.

pub mod acceptor;
pub mod association;
mod command;
pub mod commitment;
pub mod connect;
mod connection;
mod conversation;
mod echo;
pub mod find;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod lab;
pub(crate) mod negotiation;
pub mod pace;
mod pdu;
mod places;
pub mod record;
pub mod refusal;
pub mod requestor;
pub mod service;
pub mod status;
mod store;
pub mod stream;
mod threads;
