//! The edge of the node: DIMSE over TCP, the command line, and the only place where the stations are wired together.

pub mod admission;
mod arriving;
pub mod associations;
pub mod backtest;
pub mod check;
pub mod cli;
pub mod coerce;
pub mod config;
mod data_set;
pub mod deliver;
pub mod demo;
pub mod dimse;
pub mod doctor;
pub mod echo;
pub mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod ledger;
pub mod maintenance;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod names;
mod output;
pub mod peers;
pub mod phantom;
pub mod receive;
pub mod reproduce;
pub mod resolve;
pub mod retain;
pub mod rules;
pub mod serve;
pub mod show;
pub mod status;
pub mod tls;
mod transcode;
