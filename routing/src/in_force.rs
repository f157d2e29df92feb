//! The rules that are in force: what begins to decide takes them as they are then, and others may take their place meanwhile.

use crate::rules::RuleSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Cheap to clone; every clone sees the same rules.
#[derive(Debug, Clone)]
pub struct InForce(watch::Sender<Arc<RuleSet>>);

impl InForce {
    pub fn new(rules: RuleSet) -> Self {
        Self(watch::Sender::new(Arc::new(rules)))
    }

    /// One whole set. A decision asks once, so that all of it is made by the same rules.
    pub fn now(&self) -> Arc<RuleSet> {
        self.0.borrow().clone()
    }

    /// For every decision that begins afterwards.
    pub fn replace(&self, rules: Arc<RuleSet>) {
        self.0.send_replace(rules);
    }
}
