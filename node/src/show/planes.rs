//! The images that lie in the planes of frames which name no image: those of the study in the same frame of reference, at the same place, turned
//! alike, with as many pixels as large (PS3.3 C.7.6.2, C.7.6.16.2.1, C.7.6.16.2.3, C.7.6.16.2.4).

use super::content::Item;
use super::map::PARAMETRIC_MAP;
use super::overlaid::{SEGMENTATIONS, Under, group};
use crate::transcode::data_set_of;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use gantry_store::error::StoreError;
use gantry_store::incoming::Origin;
use gantry_store::reader::Reader;
use gantry_terms::header::Layered;
use gantry_terms::uid::Uid;

/// Within so many millimetres, and parts of a direction, two are the same: decimal text rounds.
const SAME: f64 = 1e-3;

const POSITION: u32 = 0x0020_0032;
const ORIENTATION: u32 = 0x0020_0037;
const FRAME_OF_REFERENCE: u32 = 0x0020_0052;
const PIXEL_SPACING: u32 = 0x0028_0030;
const ROWS: u32 = 0x0028_0010;
const COLUMNS: u32 = 0x0028_0011;

/// Position, direction of rows and of columns, spacing, and how many rows and columns.
#[derive(Debug, Clone, PartialEq)]
struct Plane([f64; 13]);

/// Those of a study that may be drawn over.
#[derive(Debug, Default)]
pub struct Planes(Vec<(Plane, Under)>);

impl Plane {
    fn of(numbers: impl Fn(u32) -> Vec<f64>) -> Option<Self> {
        let all = [POSITION, ORIENTATION, PIXEL_SPACING, ROWS, COLUMNS].map(numbers).concat();
        all.try_into().ok().map(Self)
    }

    fn of_frame(object: &Item, frame: &Item, shared: Option<&Item>) -> Option<Self> {
        let of = |macro_of: Tag, tag: Tag| -> Vec<f64> {
            let text = group(frame, shared, macro_of).and_then(|group| group.text(tag));
            let text = text.unwrap_or_default();
            let numbers: Result<_, _> =
                text.split('\\').map(|number| number.trim().parse()).collect();
            numbers.unwrap_or_default()
        };
        let side = |tag: Tag| object.numbers(tag).into_iter().map(f64::from).collect();
        Self::of(|tag| match tag {
            ROWS => side(tags::ROWS),
            COLUMNS => side(tags::COLUMNS),
            POSITION => of(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT),
            ORIENTATION => of(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT),
            _ => of(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING),
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| (one - other).abs() < SAME)
    }
}

impl Planes {
    /// Those that the scanner sent before others, and of these the series that the object refers to first.
    pub async fn of_study(reader: &Reader, study: &Uid, object: &Item) -> Result<Self, StoreError> {
        let Some(place) = object.text(tags::FRAME_OF_REFERENCE_UID) else {
            return Ok(Self::default());
        };
        let references = object.items(tags::REFERENCED_SERIES_SEQUENCE).iter();
        let named: Vec<String> =
            references.filter_map(|series| series.text(tags::SERIES_INSTANCE_UID)).collect();
        let is_there = |header: Layered| {
            header.text(FRAME_OF_REFERENCE).is_some_and(|uid| uid.trim_end_matches('\0') == place)
        };
        let mut found = Vec::new();
        for series in reader.study_images(study).await? {
            for (image, header) in series.with_headers().filter(|(_, header)| is_there(*header)) {
                let identity = &image.identity;
                let class = identity.sop_class.as_str();
                if class == PARAMETRIC_MAP || SEGMENTATIONS.contains(&class) {
                    continue;
                }
                let named = named.iter().any(|uid| uid == identity.series.as_str());
                let rank = (identity.origin != Origin::Received, !named);
                let uid = &identity.sop_instance;
                match Plane::of(|tag| header.numbers(tag).unwrap_or_default()) {
                    Some(plane) => {
                        found.push((rank, plane, Under { source: uid.clone(), frame: None }))
                    }
                    None => {
                        let frames = frames(reader, uid, &identity.transfer_syntax).await?;
                        found.extend(frames.into_iter().map(|(plane, under)| (rank, plane, under)));
                    }
                }
            }
        }
        found.sort_by_key(|(rank, ..)| *rank);
        Ok(Self(found.into_iter().map(|(_, plane, under)| (plane, under)).collect()))
    }

    /// What is missing is an error in words for the one who asked.
    pub fn under(
        &self,
        object: &Item,
        frame: &Item,
        shared: Option<&Item>,
    ) -> Result<Under, &'static str> {
        let plane = Plane::of_frame(object, frame, shared).ok_or(
            "names no source image (Derivation Image Sequence) and has no plane of its own (Plane Position, Plane \
             Orientation, Pixel Measures)",
        )?;
        let found = self.0.iter().find(|(other, _)| other.is(&plane));
        found.map(|(_, under)| under.clone()).ok_or(
            "names no source image (Derivation Image Sequence), and no image of its study that is kept here lies in its \
             plane (Frame of Reference UID, Image Position and Orientation (Patient), Pixel Spacing, Rows, Columns)",
        )
    }
}

/// Of an image that says it in functional groups; none of what cannot be read.
async fn frames(
    reader: &Reader,
    uid: &Uid,
    syntax: &Uid,
) -> Result<Vec<(Plane, Under)>, StoreError> {
    let Some(part10) = reader.object(uid).await? else { return Ok(Vec::new()) };
    let object = data_set_of(&part10).and_then(|data_set| Item::read(&data_set, syntax).ok());
    let Some(object) = object else { return Ok(Vec::new()) };
    let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let each = object.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter().zip(1..);
    let plane = |(frame, number): (&Item, u32)| {
        let under = Under { source: uid.clone(), frame: Some(number) };
        Plane::of_frame(&object, frame, shared).map(|plane| (plane, under))
    };
    Ok(each.filter_map(plane).collect())
}
