//! What a peer sends that has `returns`: results, brought home before they are kept, and sent on before they are answered.

use super::{Known, Receive, Unkept, header_error, known};
use crate::audit::Instance;
use crate::config::Returns;
use crate::dimse::acceptor::{DataSet, StoreRequest};
use crate::returning::{self, Astray};
use gantry_store::header;
use gantry_store::incoming::{Identity, Incoming, Kept, Origin};
use gantry_terms::header::Header;
use gantry_terms::uid::Uid;

/// Its bytes, those that come home, and its record are in memory at a time, and what they grew out of.
const COPIES: usize = 4;
/// Memory is asked for in pieces of so many bytes of the object.
const PIECE: usize = 4 << 20;

impl Receive {
    pub(super) async fn keep_returned(
        &self,
        request: &StoreRequest,
        data: &mut DataSet<'_>,
        instance: &mut Option<Instance>,
        returns: &Returns,
    ) -> Result<Kept, Unkept> {
        let _share = self.memory.share().await?;
        let most = self.memory.bytes() / COPIES;
        let (mut bytes, mut room, mut further) = (Vec::new(), 0, Vec::new());
        while let Some(chunk) = data.chunk().await.map_err(|_| Unkept::PeerGone)? {
            if bytes.len() + chunk.len() > most {
                return Err(Astray::TooLarge(most).into());
            }
            if bytes.len() + chunk.len() > room {
                further.push(self.memory.further(COPIES * PIECE).await?);
                room += PIECE;
            }
            bytes.extend_from_slice(&chunk);
        }
        let syntax = &request.transfer_syntax;
        let outside = header::read_whole_data_set(&bytes, syntax).map_err(header_error)?;
        let Known { identity, .. } = known(request, &outside)?;
        drop(outside);
        let data_set = returning::home(&self.store, &returns.profile, bytes, syntax).await?;
        let header = header::read_whole_data_set(&data_set, syntax).map_err(header_error)?;
        let identity = at_home(identity, &header)?;
        let about = Instance::new(&identity.study, &identity.sop_class, &header);
        self.audit.begins(request.caller.association, &about);
        *instance = Some(about);
        self.keep_and_forward(identity, data_set, returns).await
    }

    /// Who sent it hears that it was taken when it is safe, and on its way.
    async fn keep_and_forward(
        &self,
        identity: Identity,
        data_set: Vec<u8>,
        returns: &Returns,
    ) -> Result<Kept, Unkept> {
        // What is kept as made here may use the reserve of the disk: that is for what is made here.
        if let Some(fault) = self.store.fault() {
            return Err(fault.into());
        }
        let sop_instance = identity.sop_instance.clone();
        let known = self.store.instance(&sop_instance).await.map_err(Astray::from)?;
        if known.is_some_and(|known| !known.identity.came_home()) {
            return Err(Astray::Known.into());
        }
        let part10 = header::part10(&identity, &data_set).into();
        drop(data_set);
        let kept = self.store.keep(Incoming { identity, part10 }).await?;
        let peers: Vec<String> = returns.to.iter().map(ToString::to_string).collect();
        let forwarded = self.store.forward_home(&sop_instance, &peers).await;
        forwarded.map_err(Astray::from)?;
        tracing::info!(instance = %sop_instance, "a result came home");
        Ok(kept.outcome)
    }
}

/// As it is called here. Never decided, as if it were made here: it would go round in a circle.
fn at_home(outside: Identity, header: &Header) -> Result<Identity, Unkept> {
    let uid = |tag, name| {
        let text = header.text(tag).ok_or(Unkept::Missing(name))?;
        Uid::parse(text).map_err(|why| Unkept::NotAUid(name, why))
    };
    Ok(Identity {
        study: uid(super::STUDY_INSTANCE_UID, "Study Instance UID")?,
        series: uid(super::SERIES_INSTANCE_UID, "Series Instance UID")?,
        origin: Origin::Made,
        ..outside
    })
}
