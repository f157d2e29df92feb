//! Associations in both roles: against DCMTK, against each other, and against peers that break the rules.

mod abuse;
mod dcmtk;
mod endings;
mod kit;
mod limits;
mod messages;
mod negotiation;
mod rude_acceptors;
mod wire;
