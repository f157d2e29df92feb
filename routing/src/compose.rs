//! Station compose: findings become DICOM objects, which are kept like any other object before anything is sent.

mod label_map;
mod report;

use crate::job_error::JobError;
use bytes::Bytes;
use gantry_inference::film;
use gantry_results::derived_image::derived_images;
use gantry_results::encapsulated_pdf::encapsulated_pdf;
use gantry_results::key_objects::key_objects;
use gantry_results::object::{ComposeError, ResultObject};
use gantry_results::parametric_map::parametric_maps;
use gantry_results::presentation_state::{Shown, presentation_states};
use gantry_results::provenance::{Provenance, Station};
use gantry_results::secondary_capture::{secondary_capture, secondary_capture_images};
use gantry_results::segmentation::{Form, segmentation};
use gantry_results::source::{OtherSeries, Reference, Source};
use gantry_results::structured_report::{Telling, WITH_PREDECESSORS, alternates, failure_report};
use gantry_results::text_report::text_report;
use gantry_store::header::part10;
use gantry_store::incoming::{Identity, Incoming, Origin};
use gantry_store::jobs::Job;
use gantry_store::outbox::NewDelivery;
use gantry_store::reader::Reader;
use gantry_store::store::Store;
use gantry_terms::film::Film;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;
use std::sync::Arc;

/// The kinds of result that a rule may ask for, as written in `send.as`.
pub const STRUCTURED_REPORT: &str = "structured-report";
pub const SECONDARY_CAPTURE: &str = "secondary-capture";
/// The same pictures, an object each.
pub const SECONDARY_CAPTURE_IMAGES: &str = "secondary-capture-images";
pub const DERIVED_IMAGES: &str = "derived-images";
pub const SEGMENTATION: &str = "segmentation";
pub const FRACTIONAL_SEGMENTATION: &str = "fractional-segmentation";
pub const LABEL_MAP: &str = "label-map";
pub const PARAMETRIC_MAP: &str = "parametric-map";
pub const KEY_OBJECTS: &str = "key-objects";
pub const TEXT_REPORT: &str = "text-report";
pub const ENCAPSULATED_PDF: &str = "encapsulated-pdf";
pub const PRESENTATION_STATE: &str = "presentation-state";
pub use crate::rules::FAILURE_REPORT;

/// Of the series of failure reports.
const FAILURE_SLOT: u16 = 88;

/// Of the series of single pictures.
const PICTURES_SLOT: u16 = 89;

/// What is drawn over a film as a display shows it.
const PICTURES: [&str; 2] = [SECONDARY_CAPTURE, SECONDARY_CAPTURE_IMAGES];

/// Of the series of a segmentation, behind those of the derived images, which take a number for each kind.
const BITS_SLOT: u16 = 80;

/// Composes results in the name of this node.
#[derive(Clone)]
pub struct Composer {
    pub station: Station,
}

/// What results are about.
struct Of {
    source: Arc<Source>,
    /// Part 10 files, where some result is made of them.
    originals: Arc<Vec<Bytes>>,
    /// How the source's images are displayed, where some result repeats it.
    shown: Arc<Vec<Shown>>,
    /// A film as a display shows it, where a picture is made of one.
    displayed: Option<Arc<Film>>,
    /// Where one was made: the report refers to its segments.
    segmentation: Option<Arc<ResultObject>>,
}

/// A result, and what says the same in other SOP classes, in the order in which a peer is offered them.
pub struct Made {
    pub object: ResultObject,
    pub alternates: Vec<ResultObject>,
}

/// What was composed and kept, and where it is to go.
#[derive(Default)]
pub struct Composed {
    /// What the rule asks for.
    pub instances: Vec<Uid>,
    /// What may go in the place of one of them, where a peer does not take its SOP class.
    pub alternates: Vec<Uid>,
    pub deliveries: Vec<NewDelivery>,
}

impl Composer {
    /// Makes the objects that the rule asks for and keeps them. The objects depend only on the
    /// job and its inputs: a second run makes the same UIDs, and the first object stays.
    #[tracing::instrument(name = "compose", skip_all, fields(job = job.id))]
    pub async fn compose(
        &self,
        store: &Store,
        job: &Job,
        images: &[Images],
        findings: &Findings,
    ) -> Result<Composed, JobError> {
        let earlier = store.note_earlier(job, &WITH_PREDECESSORS).await?;
        let job = &Job { earlier, ..job.clone() };
        let made = self.objects(store, job, images, findings).await?;
        let composed = self.keep_all(store, job, made).await?;
        store.settled().await;
        Ok(composed)
    }

    async fn keep_all(
        &self,
        store: &Store,
        job: &Job,
        made: Vec<Made>,
    ) -> Result<Composed, JobError> {
        let mut composed = Composed::default();
        let is_sent = !job.shadow && !job.send_to.is_empty();
        for Made { object, alternates } in made {
            let sop_instance = object.sop_instance.clone();
            self.keep(store, object).await?;
            if is_sent && !alternates.is_empty() {
                let uids: Vec<Uid> =
                    alternates.iter().map(|one| one.sop_instance.clone()).collect();
                for alternate in alternates {
                    self.keep(store, alternate).await?;
                }
                store.keep_alternates(&sop_instance, &uids).await?;
                composed.alternates.extend(uids);
            }
            let peers = job.send_to.iter().filter(|_| is_sent);
            composed.deliveries.extend(peers.map(|peer| NewDelivery {
                peer: peer.clone(),
                sop_instance: sop_instance.clone(),
                priority: job.priority,
            }));
            composed.instances.push(sop_instance);
        }
        Ok(composed)
    }

    /// Makes the report that the analysis failed, and keeps it.
    pub async fn compose_failure(
        &self,
        store: &Store,
        job: &Job,
        findings: Findings,
        why: String,
    ) -> Result<Composed, JobError> {
        // It takes the place of nothing: what an earlier revision found stands.
        let job = &Job { earlier: None, ..job.clone() };
        let source = source_of_selected(store, job).await?;
        let provenance = self.provenance(job, FAILURE_SLOT);
        let made = move || -> Result<Vec<Made>, ComposeError> {
            let object = failure_report(&source, &findings, &why, &provenance)?;
            Ok(vec![Made { alternates: alternates(&object, None)?, object }])
        };
        let made = self::composed(made).await?;
        let composed = self.keep_all(store, job, made).await?;
        store.settled().await;
        Ok(composed)
    }

    /// The objects that the rule asks for, in its order. Nothing is kept.
    pub(crate) async fn objects(
        &self,
        reader: &Reader,
        job: &Job,
        images: &[Images],
        findings: &Findings,
    ) -> Result<Vec<Made>, JobError> {
        let [lead, others @ ..] = images else {
            return Err(JobError::Permanent("no images".into()));
        };
        let mut source = source(reader, lead).await?;
        let asks_for = |wanted: &str| job.send_as.iter().any(|kind| kind == wanted);
        let originals = match asks_for(DERIVED_IMAGES) {
            true => originals(reader, lead).await?,
            false => Vec::new(),
        };
        let shown = match asks_for(PRESENTATION_STATE) {
            true => shown(reader, lead).await?,
            false => Vec::new(),
        };
        let displayed = match lead {
            Images::Film(film) if PICTURES.into_iter().any(asks_for) => {
                Some(Arc::new(displayed(reader, &film.sop_instance).await?))
            }
            _ => None,
        };
        let (originals, shown) = (Arc::new(originals), Arc::new(shown));
        for other in others {
            source.others.push(other_series(self::source(reader, other).await?));
        }
        let source = Arc::new(source);
        let mut objects = Vec::with_capacity(job.send_as.len());
        let mut segmentation = None;
        for kind in in_order(&job.send_as).filter(|kind| *kind != FAILURE_REPORT) {
            let of = Of {
                source: source.clone(),
                originals: originals.clone(),
                shown: shown.clone(),
                displayed: displayed.clone(),
                segmentation: segmentation.clone(),
            };
            let made = self.make(kind, job, of, lead.clone(), findings.clone()).await?;
            if kind == SEGMENTATION {
                segmentation = made.first().map(|made| Arc::new(made.object.clone()));
            }
            objects.extend(made);
        }
        Ok(objects)
    }

    async fn make(
        &self,
        kind: &str,
        job: &Job,
        of: Of,
        images: Images,
        findings: Findings,
    ) -> Result<Vec<Made>, JobError> {
        let Of { source, originals, shown, displayed, segmentation: segments } = of;
        let slot = match kind {
            STRUCTURED_REPORT => 0,
            SECONDARY_CAPTURE => 1,
            SEGMENTATION => BITS_SLOT,
            FRACTIONAL_SEGMENTATION => 81,
            KEY_OBJECTS => 82,
            PRESENTATION_STATE => 83,
            TEXT_REPORT => 84,
            ENCAPSULATED_PDF => 85,
            LABEL_MAP => 86,
            PARAMETRIC_MAP => 87,
            SECONDARY_CAPTURE_IMAGES => PICTURES_SLOT,
            _ => 2,
        };
        let provenance = self.provenance(job, slot);
        let no_builder = JobError::Permanent(format!("no builder for result {kind:?}"));
        type Objects = Result<Vec<ResultObject>, ComposeError>;
        let one = |object: Result<ResultObject, ComposeError>| object.map(|object| vec![object]);
        let beside_bits = job.send_as.iter().any(|kind| kind == SEGMENTATION);
        let work: Box<dyn FnOnce() -> Objects + Send> = match (kind, images) {
            (LABEL_MAP, images) => {
                let made = move || {
                    label_map::label_map(&source, &images, &findings, provenance, beside_bits)
                };
                return composed(made).await;
            }
            (STRUCTURED_REPORT, images) => {
                let (regions, segments) = (job.regions, segments);
                let made = move || {
                    let telling = Telling { segmentation: segments.as_deref(), regions };
                    report::report(&source, &images, &findings, telling, &provenance)
                };
                return composed(made).await;
            }
            (PARAMETRIC_MAP, Images::Volume(volume)) => {
                Box::new(move || parametric_maps(&source, &volume, &findings, &provenance))
            }
            (SEGMENTATION, images) => Box::new(move || {
                one(segmentation(&source, &images, &findings, Form::Binary, &provenance))
            }),
            (FRACTIONAL_SEGMENTATION, images) => Box::new(move || {
                one(segmentation(&source, &images, &findings, Form::Fractional, &provenance))
            }),
            (SECONDARY_CAPTURE, images) => {
                let images = displayed.map_or(images, Images::Film);
                Box::new(move || one(secondary_capture(&source, &images, &findings, &provenance)))
            }
            (SECONDARY_CAPTURE_IMAGES, images) => {
                let images = displayed.map_or(images, Images::Film);
                Box::new(move || secondary_capture_images(&source, &images, &findings, &provenance))
            }
            (KEY_OBJECTS, images) => Box::new(move || {
                let selection = key_objects(&source, &images, &findings, &provenance)?;
                Ok(selection.into_iter().collect())
            }),
            (ENCAPSULATED_PDF, images) => {
                Box::new(move || one(encapsulated_pdf(&source, &images, &findings, &provenance)))
            }
            (TEXT_REPORT, images) => {
                Box::new(move || one(text_report(&source, &images, &findings, &provenance)))
            }
            (PRESENTATION_STATE, images) => Box::new(move || {
                presentation_states(&source, &shown, &images, &findings, &provenance)
            }),
            (DERIVED_IMAGES, images) => Box::new(move || {
                derived_images(&source, originals.as_slice(), &images, &findings, &provenance)
            }),
            _ => return Err(no_builder),
        };
        let alone = |object| Made { object, alternates: Vec::new() };
        composed(move || Ok(work()?.into_iter().map(alone).collect())).await
    }

    fn provenance(&self, job: &Job, slot: u16) -> Provenance {
        Provenance {
            station: self.station.clone(),
            rule: job.rule.clone(),
            rules_digest: job.rules_digest.clone(),
            revision: job.revision,
            earlier: job.earlier.clone(),
            at: job.decided_at,
            slot,
        }
    }

    async fn keep(&self, store: &Store, object: ResultObject) -> Result<(), JobError> {
        let identity = Identity {
            sop_class: object.sop_class,
            sop_instance: object.sop_instance,
            series: object.series,
            study: object.study,
            transfer_syntax: object.transfer_syntax,
            calling_ae: self.station.ae_title.clone(),
            called_ae: self.station.ae_title.clone(),
            arrival: Moment::now(),
            origin: Origin::Made,
        };
        let part10 = part10(&identity, &object.data_set).into();
        let kept = store.keep(Incoming { identity, part10 }).await;
        kept.map(|_| ()).map_err(|error| JobError::Transient(error.to_string()))
    }
}

/// Away from the threads that wait for the network.
async fn composed(
    work: impl FnOnce() -> Result<Vec<Made>, ComposeError> + Send + 'static,
) -> Result<Vec<Made>, JobError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| JobError::Permanent(format!("composing panicked: {error}")))?
        .map_err(|error| JobError::Permanent(error.to_string()))
}

/// What others refer to is made, and goes out, before them; else the order of the rule.
fn in_order(kinds: &[String]) -> impl Iterator<Item = &str> {
    let first = |kind: &&str| [SEGMENTATION, FRACTIONAL_SEGMENTATION, LABEL_MAP].contains(kind);
    let kinds = kinds.iter().map(String::as_str);
    kinds.clone().filter(first).chain(kinds.filter(move |kind| !first(kind)))
}

/// Of the leading input, in its order.
async fn originals(reader: &Reader, images: &Images) -> Result<Vec<Bytes>, JobError> {
    let mut originals = Vec::new();
    for (_, sop_instance) in images.sources() {
        originals.push(original(reader, sop_instance).await?);
    }
    Ok(originals)
}

/// The same, one after the other: none of them stays in memory.
async fn shown(reader: &Reader, images: &Images) -> Result<Vec<Shown>, JobError> {
    let mut shown = Vec::new();
    for (_, sop_instance) in images.sources() {
        let part10 = original(reader, sop_instance).await?;
        let read = tokio::task::spawn_blocking(move || Shown::read(&part10)).await;
        let read =
            read.map_err(|error| JobError::Permanent(format!("reading panicked: {error}")))?;
        shown.push(read.map_err(|error| JobError::Permanent(error.to_string()))?);
    }
    Ok(shown)
}

/// What `gantry show` draws of it, too.
async fn displayed(reader: &Reader, film: &Uid) -> Result<Film, JobError> {
    let part10 = original(reader, film).await?;
    let film = tokio::task::spawn_blocking(move || film::shown(&part10)).await;
    let film = film.map_err(|error| JobError::Permanent(format!("reading panicked: {error}")))?;
    film.map_err(|error| JobError::Permanent(format!("the image {error}")))
}

async fn original(reader: &Reader, sop_instance: &Uid) -> Result<Bytes, JobError> {
    let part10 = reader.object(sop_instance).await?;
    part10.ok_or_else(|| gone(sop_instance))
}

/// Of what the rule selected, by what is known of each image without its pixels.
async fn source_of_selected(reader: &Reader, job: &Job) -> Result<Source, JobError> {
    let mut of_series: Vec<(Uid, Vec<Reference>)> = Vec::new();
    for sop_instance in &job.selected {
        let known = reader.instance(sop_instance).await?.ok_or_else(|| gone(sop_instance))?;
        let Identity { series, sop_class, sop_instance, .. } = known.identity;
        let reference = Reference { sop_class, sop_instance };
        match of_series.iter_mut().find(|(known, _)| *known == series) {
            Some((_, references)) => references.push(reference),
            None => of_series.push((series, vec![reference])),
        }
    }
    let mut sources = Vec::with_capacity(of_series.len());
    for (_, references) in of_series {
        let part10 = original(reader, &references[0].sop_instance).await?;
        let source = Source::read(&part10, references);
        sources.push(source.map_err(|error| JobError::Permanent(error.to_string()))?);
    }
    let mut sources = sources.into_iter();
    let mut lead = sources.next().ok_or_else(|| JobError::Permanent("no images".into()))?;
    lead.others = sources.map(other_series).collect();
    Ok(lead)
}

fn other_series(source: Source) -> OtherSeries {
    let modality = source.modality();
    let Source { series, instances, .. } = source;
    OtherSeries { series, modality, instances }
}

fn gone(sop_instance: &Uid) -> JobError {
    JobError::Permanent(format!("instance {sop_instance} is no longer in the store"))
}

/// The attributes to copy come from the film, or the first slice of the volume.
async fn source(reader: &Reader, images: &Images) -> Result<Source, JobError> {
    let sources = images.sources();
    let (_, first) = *sources.first().ok_or_else(|| JobError::Permanent("no images".into()))?;
    let part10 = original(reader, first).await?;
    let references = sources.into_iter().map(|(sop_class, sop_instance)| Reference {
        sop_class: sop_class.clone(),
        sop_instance: sop_instance.clone(),
    });
    Source::read(&part10, references.collect())
        .map_err(|error| JobError::Permanent(error.to_string()))
}
