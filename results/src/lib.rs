//! Findings in, DICOM objects out: the structured and the text report, the PDF, the picture, the segmentation, the parametric maps, the derived images, the key objects and the presentation states that a job sends into the patient's own study.

mod aspect;
mod codes;
mod coding_schemes;
mod data_set;
pub mod derived_image;
pub mod encapsulated_pdf;
mod frames;
mod header;
pub mod key_objects;
pub mod measured;
mod named;
pub mod object;
pub mod parametric_map;
pub mod presentation_state;
pub mod provenance;
pub mod secondary_capture;
pub mod segmentation;
pub mod source;
pub mod structured_report;
mod text;
pub mod text_report;
mod words;

pub use derived_image::derived_images;
pub use encapsulated_pdf::encapsulated_pdf;
pub use key_objects::key_objects;
pub use measured::Measured;
pub use object::{ComposeError, ResultObject};
pub use parametric_map::parametric_maps;
pub use presentation_state::{Shown, presentation_states};
pub use provenance::{Provenance, Station};
pub use secondary_capture::{Picture, render, secondary_capture, secondary_capture_images};
pub use segmentation::segmentation;
pub use source::{OtherSeries, Reference, Source};
pub use structured_report::{
    Telling, alternates, failure_report, structured_report, structured_report_of_segments,
    structured_report_with,
};
pub use text_report::text_report;
