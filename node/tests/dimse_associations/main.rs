//! Associations in both roles: against DCMTK, against each other, and against peers that break the rules.

mod abuse;
mod admission;
mod dcmtk;
mod delivering;
mod endings;
mod gantry;
mod kit;
mod limits;
mod messages;
mod negotiation;
mod old_scanners;
mod pynetdicom;
mod rude_acceptors;
mod wire;
