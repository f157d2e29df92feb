//! Associations in both roles: against DCMTK, against each other, and against peers that break the rules.

mod abuse;
mod dcmtk;
mod kit;
mod limits;
mod messages;
mod rude_acceptors;
mod wire;
