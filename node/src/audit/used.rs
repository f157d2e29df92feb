//! Which patients' images models read and what was made of them, told when a job says so.

use super::Audit;
use super::code;
use super::events::{Instances, accessed};
use super::message::{Action, LifeCycle, Participant};
use super::transfers::patient;
use gantry_routing::uses::{Use, Uses, What};
use gantry_store::error::StoreError;
use gantry_store::reader::Reader;
use gantry_store::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Without an audit trail nothing is asked of the index.
pub fn told(audit: &Audit, store: &Store) -> Uses {
    if !audit.is_on() {
        return Arc::new(|_| {});
    }
    let (audit, reader) = (audit.clone(), store.reader().clone());
    Arc::new(move |it| {
        let (telling, reader) = (audit.clone(), reader.clone());
        audit.spawn(async move {
            if let Err(error) = tell(&telling, &reader, it).await {
                tracing::error!(station = "audit", %error, "what a model worked on is not told");
            }
        });
    })
}

async fn tell(audit: &Audit, reader: &Reader, it: Use) -> Result<(), StoreError> {
    let Use { study, image, model, what } = it;
    let patient = patient(reader, &image).await?;
    let (action, life_cycle, classes) = match what {
        What::Read(classes) => (Action::Read, LifeCycle::Use, classes),
        What::Made(made) => {
            let mut classes = BTreeMap::new();
            for uid in &made {
                if let Some(instance) = reader.instance(uid).await? {
                    *classes.entry(instance.identity.sop_class).or_default() += 1;
                }
            }
            (Action::Create, LifeCycle::Derivation, classes)
        }
    };
    let instances = Instances { study, patient, classes, anonymized: false };
    audit.tell(|this| {
        let process = this.participant(Some(code::APPLICATION));
        let by = Participant { name: Some(model), ..process };
        accessed(this, by, action, life_cycle, &instances)
    });
    Ok(())
}
