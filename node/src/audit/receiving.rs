//! What callers do, for the audit trail: who was let in, who was not, and what each association carries.

use super::Audit;
use super::events::{self, Somebody};
use super::message::Outcome;
use super::transfers::{How, Instance, Transfers};
use crate::dimse::record::{End, Record};
use crate::dimse::service::{Caller, Refusal, Security, Terms, UserIdentity};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Of all associations that callers have open.
pub struct Receiving {
    audit: Audit,
    open: Mutex<HashMap<u64, Transfers>>,
}

impl Receiving {
    pub fn new(audit: Audit) -> Self {
        Self { audit, open: Mutex::default() }
    }

    pub fn opened(&self, caller: &Caller) {
        if self.audit.is_on() {
            let encrypted = matches!(caller.security, Security::Tls { .. });
            let transfers = Transfers::received(&self.audit, &somebody(caller), encrypted);
            self.with(|open| open.insert(caller.association, transfers));
        }
    }

    pub fn ended(&self, caller: &Caller) {
        let ended = self.with(|open| open.remove(&caller.association));
        drop(ended);
    }

    pub fn begins(&self, association: u64, instance: &Instance) {
        if self.audit.is_on() {
            self.with(|open| open.get_mut(&association).map(|all| all.begins(instance)));
        }
    }

    pub fn moved(&self, association: u64, instance: &Instance, how: How) {
        if self.audit.is_on() {
            self.with(|open| open.get_mut(&association).map(|all| all.moved(instance, how)));
        }
    }

    /// A user identity that was checked.
    pub fn admitted(
        &self,
        caller: &Caller,
        identity: Option<&UserIdentity>,
        admitted: &Result<Terms, Refusal>,
    ) {
        let outcome = match admitted {
            Ok(terms) if terms.is_identified => Outcome::Success,
            Err(Refusal::UserIdentity) => Outcome::Minor,
            _ => return,
        };
        let name = identity.map(|identity| String::from_utf8_lossy(&identity.primary));
        let name = name.unwrap_or_default();
        self.audit.tell(|this| events::login(this, &somebody(caller), &name, outcome));
    }

    /// Whoever wanted to be let in and may not be; `why` in words.
    pub fn recorded(&self, record: &Record, why: &str) {
        if is_an_alert(&record.end) {
            let (title, address) = (record.calling.clone(), Some(record.address.ip()));
            let who = Somebody { title, address };
            self.audit.tell(|this| events::not_authenticated(this, &who, why));
        }
    }

    fn with<T>(&self, of: impl FnOnce(&mut HashMap<u64, Transfers>) -> T) -> T {
        of(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_an_alert(end: &End) -> bool {
    match end {
        End::NotSecured(_) => true,
        End::Refused(refusal) => matches!(
            refusal,
            Refusal::CalledAeTitleUnknown
                | Refusal::CallingAeTitleUnknown
                | Refusal::AddressUnknown
                | Refusal::CertificateUnknown
                | Refusal::Stranger
        ),
        End::Released | End::BrokenOff { .. } | End::NotAsked(_) => false,
    }
}

fn somebody(caller: &Caller) -> Somebody {
    Somebody { title: caller.calling.to_string(), address: Some(caller.address.ip()) }
}
