//! What composing gives: one data set ready to be kept and sent, or the reason why there is none.

use gantry_terms::uid::Uid;

/// One result instance: its identity, and its data set without preamble and File Meta Information.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultObject {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    pub series: Uid,
    pub study: Uid,
    /// Always Explicit VR Little Endian.
    pub transfer_syntax: Uid,
    pub data_set: Vec<u8>,
}

/// Why no object was made. No variant tells a value of the source: it may be a patient's.
/// All are permanent: the same inputs fail again.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error("the source image cannot be read as DICOM ({0}); its sender must mend it")]
    SourceMalformed(&'static str),
    #[error("the source image has no valid {0}; its sender must mend it")]
    SourceLacks(&'static str),
    #[error(
        "the findings do not fit the images that they are about: {0}; this is a fault of the node"
    )]
    Mismatch(String),
    #[error(
        "derived images are made of images with one grey frame each, or with functional groups for each frame, and these \
         are others; the model's rule has to select other images, or ask for other results"
    )]
    NotOneFrame,
    #[error(
        "ultrasound images have 8 bits, X-ray images of this class no numbers below 0, and the image that the model made does not fit; \
         the model's author must bring its values into those of the original (`scale`, `offset`), or say a `rescale` that does"
    )]
    NoRoom,
    #[error(
        "a presentation state is of grey images, and these have colours; the model's rule has to select other \
         images, or ask for other results"
    )]
    NotGrey,
    #[error(
        "the segments have more voxels than one object can hold (4 GiB); the model's rule has to select smaller \
         series, or ask for other results"
    )]
    TooLarge,
    #[error("two segments overlap, and a label map can not say that; this is a fault of the node")]
    Overlap,
    #[error(
        "a parametric map lies in a frame of reference, and the source images have none; the model's rule has to \
         select other images, or ask for other results"
    )]
    NoFrameOfReference,
    #[error(
        "the findings have no {part} of {of}, which a result has to say; the model's author must name it in the manifest"
    )]
    Unnamed { part: &'static str, of: &'static str },
    #[error("the result could not be encoded: {0}; this is a fault of the node")]
    Encoding(&'static str),
}
