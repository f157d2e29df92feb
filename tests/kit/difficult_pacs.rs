//! The PACS of `gantry lab pacs`, which misbehaves on purpose, as an actor.

use crate::ports;
use gantry::dimse::lab::LabPacs;
pub use gantry::dimse::lab::{Finds, Manner, Seen};
use std::ops::Deref;
use std::time::Duration;

pub struct DifficultPacs {
    pub ae_title: String,
    pub port: u16,
    pacs: LabPacs,
}

impl DifficultPacs {
    /// One that does with each SOP instance what it is told, and refuses these SOP classes.
    pub fn up(
        ae_title: &str,
        refuses: &[&str],
        manner: impl Fn(&str) -> Manner + Send + Sync + 'static,
    ) -> Self {
        let pacs = LabPacs::up("127.0.0.1:0", refuses, true, manner, Box::new(|_| {}));
        let pacs = pacs.expect("a loopback port is free");
        Self { ae_title: ae_title.into(), port: pacs.address.port(), pacs }
    }

    /// It has taken so many objects by then.
    pub fn wait_until_taken(&self, at_least: usize, patience: Duration) {
        let enough = || (self.seen().taken.len() >= at_least).then_some(());
        let waited = ports::wait_for(patience, enough);
        assert!(waited.is_some(), "{} of {at_least} taken", self.seen().taken.len());
    }
}

impl Deref for DifficultPacs {
    type Target = LabPacs;

    fn deref(&self) -> &LabPacs {
        &self.pacs
    }
}
