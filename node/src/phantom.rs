//! A phantom chest CT made in memory: two lungs with a known share of emphysema, so that what a model finds can be held against the truth.

mod anatomy;

use anatomy::Voxels;
use chrono::{DateTime, Utc};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use gantry_terms::moment::Moment;
use gantry_terms::uid::Uid;

/// How the phantom is scanned. The default resembles a routine chest CT.
#[derive(Debug, Clone)]
pub struct PhantomOptions {
    pub rows: u16,
    pub columns: u16,
    pub slices: u16,
    /// Pixel spacing in mm, the same both ways.
    pub pixel_mm: f64,
    /// Distance between slices and their thickness in mm.
    pub slice_mm: f64,
    /// Share of the lungs below -950 HU, in percent.
    pub emphysema_percent: f64,
    /// Convolution Kernel (0018,1210).
    pub kernel: String,
    /// Study, series and content date and time, told in UTC.
    pub acquired: Moment,
}

impl Default for PhantomOptions {
    fn default() -> Self {
        Self {
            rows: 384,
            columns: 384,
            slices: 40,
            pixel_mm: 0.9,
            slice_mm: 7.0,
            emphysema_percent: 12.0,
            kernel: "B40f".into(),
            acquired: Moment(1_767_225_600_000_000), // 1 January 2026
        }
    }
}

/// One series as a scanner would send it, top slice first.
#[derive(Debug, Clone)]
pub struct Phantom {
    pub instances: Vec<PhantomInstance>,
    pub study: Uid,
    pub series: Uid,
    pub truth: Truth,
}

/// One slice.
#[derive(Debug, Clone)]
pub struct PhantomInstance {
    pub sop_class: Uid,
    pub sop_instance: Uid,
    /// Without preamble and File Meta Information, in Explicit VR Little Endian.
    pub data_set: Vec<u8>,
}

/// What a model should find, counted voxel by voxel while the phantom was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    pub lung_volume_ml: f64,
    /// Share of the lung voxels below -950 HU, in percent.
    pub laa950_percent: f64,
    pub mean_lung_hu: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum PhantomError {
    #[error("a phantom chest does not fit: {0}")]
    Options(&'static str),
    #[error("a phantom slice could not be encoded")]
    Encode(#[source] Box<dicom_object::WriteError>),
}

/// The phantom of this name. The same name and options give the same bytes and the same UIDs.
pub fn chest_ct(seed: &str, options: &PhantomOptions) -> Result<Phantom, PhantomError> {
    check(options)?;
    let voxels = anatomy::scan(seed, options);
    let series = Series {
        options,
        study: Uid::derived(&["phantom study", seed]),
        series: Uid::derived(&["phantom series", seed]),
        frame: Uid::derived(&["phantom frame of reference", seed]),
    };
    let instances = (0..options.slices)
        .map(|slice| {
            let sop_instance = Uid::derived(&["phantom slice", seed, &slice.to_string()]);
            let data_set = series.slice(slice, &sop_instance, &voxels)?;
            Ok(PhantomInstance { sop_class: ct_image_storage(), sop_instance, data_set })
        })
        .collect::<Result<_, PhantomError>>()?;
    Ok(Phantom { instances, study: series.study, series: series.series, truth: voxels.truth })
}

fn check(options: &PhantomOptions) -> Result<(), PhantomError> {
    let width = f64::from(options.columns) * options.pixel_mm;
    let depth = f64::from(options.rows) * options.pixel_mm;
    let height = f64::from(options.slices) * options.slice_mm;
    let refuse = |why| Err(PhantomError::Options(why));
    if !(width >= anatomy::WIDTH_MM && depth >= anatomy::DEPTH_MM) {
        return refuse("rows and columns times the pixel spacing must cover 330 mm by 250 mm");
    }
    if !(150.0..=500.0).contains(&height) {
        return refuse("slices times their distance must lie between 150 and 500 mm");
    }
    if !(0.0..=60.0).contains(&options.emphysema_percent) {
        return refuse("the share of emphysema must lie between 0 and 60 percent");
    }
    Ok(())
}

fn ct_image_storage() -> Uid {
    // The standard's own UID is well formed.
    Uid::parse(uids::CT_IMAGE_STORAGE).expect("a UID of the standard")
}

/// What all slices share.
struct Series<'a> {
    options: &'a PhantomOptions,
    study: Uid,
    series: Uid,
    frame: Uid,
}

impl Series<'_> {
    /// One data set with every attribute of PS3.3 A.3 (CT Image IOD) that must be there.
    fn slice(&self, slice: u16, instance: &Uid, voxels: &Voxels) -> Result<Vec<u8>, PhantomError> {
        let mut object = InMemDicomObject::new_empty();
        self.describe_study(&mut object);
        self.describe_slice(&mut object, slice, instance);
        let stored: Vec<u16> = voxels.slice(slice).iter().map(|hu| stored_value(*hu)).collect();
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.into())));
        let mut bytes = Vec::with_capacity(object_bytes(self.options));
        object
            .write_dataset_with_ts(&mut bytes, &EXPLICIT_VR_LITTLE_ENDIAN.erased())
            .map_err(|error| PhantomError::Encode(Box::new(error)))?;
        Ok(bytes)
    }

    /// Patient, study, series, frame of reference and equipment (PS3.3 C.7.1 to C.7.5).
    fn describe_study(&self, object: &mut InMemDicomObject) {
        let (date, time) = date_and_time(self.options.acquired);
        for (tag, vr, value) in [
            (tags::PATIENT_NAME, VR::PN, "PHANTOM^CHEST"),
            (tags::PATIENT_ID, VR::LO, "PHANTOM"),
            (tags::PATIENT_BIRTH_DATE, VR::DA, ""),
            (tags::PATIENT_SEX, VR::CS, "O"),
            (tags::STUDY_INSTANCE_UID, VR::UI, self.study.as_str()),
            (tags::STUDY_DATE, VR::DA, &date),
            (tags::STUDY_TIME, VR::TM, &time),
            (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+0000"),
            (tags::STUDY_ID, VR::SH, "1"),
            (tags::STUDY_DESCRIPTION, VR::LO, "PHANTOM chest"),
            (tags::ACCESSION_NUMBER, VR::SH, ""),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
            (tags::MODALITY, VR::CS, "CT"),
            (tags::SERIES_INSTANCE_UID, VR::UI, self.series.as_str()),
            (tags::SERIES_NUMBER, VR::IS, "1"),
            (tags::SERIES_DATE, VR::DA, &date),
            (tags::SERIES_TIME, VR::TM, &time),
            (tags::SERIES_DESCRIPTION, VR::LO, "PHANTOM chest"),
            (tags::BODY_PART_EXAMINED, VR::CS, "CHEST"),
            (tags::PATIENT_POSITION, VR::CS, "HFS"),
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, self.frame.as_str()),
            (tags::POSITION_REFERENCE_INDICATOR, VR::LO, ""),
            (tags::MANUFACTURER, VR::LO, "Gantry phantom"),
            (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Chest"),
            (tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        ] {
            object.put(text(tag, vr, value));
        }
    }

    /// Image, plane, pixels and acquisition (PS3.3 C.7.6 and C.8.2.1).
    fn describe_slice(&self, object: &mut InMemDicomObject, slice: u16, instance: &Uid) {
        let options = self.options;
        let (date, time) = date_and_time(options.acquired);
        let number = (slice + 1).to_string();
        let thickness = decimal(options.slice_mm);
        let spacing = format!("{0}\\{0}", decimal(options.pixel_mm));
        let [x, y, z] = anatomy::position(options, slice).map(decimal);
        for (tag, vr, value) in [
            (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            (tags::SOP_INSTANCE_UID, VR::UI, instance.as_str()),
            (tags::INSTANCE_NUMBER, VR::IS, &number),
            (tags::ACQUISITION_NUMBER, VR::IS, "1"),
            (tags::ACQUISITION_DATE, VR::DA, &date),
            (tags::ACQUISITION_TIME, VR::TM, &time),
            (tags::CONTENT_DATE, VR::DA, &date),
            (tags::CONTENT_TIME, VR::TM, &time),
            (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
            (tags::CONVOLUTION_KERNEL, VR::SH, &options.kernel),
            (tags::KVP, VR::DS, "120"),
            (tags::SLICE_THICKNESS, VR::DS, &thickness),
            (tags::PIXEL_SPACING, VR::DS, &spacing),
            (tags::IMAGE_POSITION_PATIENT, VR::DS, &format!("{x}\\{y}\\{z}")),
            (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
            (tags::SLICE_LOCATION, VR::DS, &z),
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
            (tags::RESCALE_SLOPE, VR::DS, "1"),
            (tags::RESCALE_TYPE, VR::LO, "HU"),
            (tags::WINDOW_CENTER, VR::DS, "-600"),
            (tags::WINDOW_WIDTH, VR::DS, "1600"),
        ] {
            object.put(text(tag, vr, value));
        }
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::ROWS, options.rows),
            (tags::COLUMNS, options.columns),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 12),
            (tags::HIGH_BIT, 11),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
    }
}

fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    match value {
        "" => DataElement::new(tag, vr, PrimitiveValue::Empty),
        value => {
            let values = value.split('\\').map(String::from).collect();
            DataElement::new(tag, vr, PrimitiveValue::Strs(values))
        }
    }
}

/// A Decimal String of at most 16 characters, to a thousandth.
fn decimal(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn date_and_time(moment: Moment) -> (String, String) {
    let utc: DateTime<Utc> = DateTime::from_timestamp_micros(moment.0).unwrap_or_default();
    (utc.format("%Y%m%d").to_string(), utc.format("%H%M%S").to_string())
}

/// Rescale Intercept is -1024 and 12 bits are stored.
fn stored_value(hu: i16) -> u16 {
    (i32::from(hu) + 1024).clamp(0, 4095) as u16
}

fn object_bytes(options: &PhantomOptions) -> usize {
    usize::from(options.rows) * usize::from(options.columns) * 2 + 4096
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> PhantomOptions {
        PhantomOptions {
            rows: 96,
            columns: 96,
            pixel_mm: 3.6,
            slices: 24,
            slice_mm: 12.0,
            ..Default::default()
        }
    }

    fn read(instance: &PhantomInstance) -> InMemDicomObject {
        let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
        InMemDicomObject::read_dataset_with_ts(instance.data_set.as_slice(), &syntax)
            .expect("a phantom slice is a data set")
    }

    fn value(object: &InMemDicomObject, tag: Tag) -> String {
        object.element(tag).expect("there").to_str().expect("text").into_owned()
    }

    #[test]
    fn the_same_name_gives_the_same_phantom_and_another_name_another_one() {
        let bytes = |seed| {
            let phantom = chest_ct(seed, &small()).expect("made");
            (phantom.series, phantom.instances.into_iter().map(|i| i.data_set).collect::<Vec<_>>())
        };
        assert_eq!(bytes("one"), bytes("one"));
        assert_ne!(bytes("one").0, bytes("two").0);
    }

    /// Voxels below -950 HU, the air around the body among them.
    fn low_voxels(phantom: &Phantom) -> usize {
        let low = |instance: &PhantomInstance| {
            let slice = read(instance);
            let stored = slice.element(tags::PIXEL_DATA).expect("there").to_multi_int::<u16>();
            stored.expect("numbers").into_iter().filter(|stored| *stored < 1024 - 950).count()
        };
        phantom.instances.iter().map(low).sum()
    }

    #[test]
    fn the_truth_can_be_counted_again_from_the_pixels_that_are_sent() {
        let sick = chest_ct("count", &small()).expect("made");
        let healthy = PhantomOptions { emphysema_percent: 0.0, ..small() };
        let healthy = chest_ct("count", &healthy).expect("made");
        assert_eq!(healthy.truth.laa950_percent, 0.0);
        let voxel_ml = 3.6 * 3.6 * 12.0 / 1000.0;
        let emphysema_ml = (low_voxels(&sick) - low_voxels(&healthy)) as f64 * voxel_ml;
        let told_ml = sick.truth.lung_volume_ml * sick.truth.laa950_percent / 100.0;
        assert!((emphysema_ml - told_ml).abs() < 1e-6, "{emphysema_ml} {told_ml}");
        assert!((sick.truth.laa950_percent - 12.0).abs() < 0.01, "{:?}", sick.truth);
    }

    #[test]
    fn a_routine_phantom_has_lungs_of_a_grown_person() {
        let truth = chest_ct("size", &PhantomOptions::default()).expect("made").truth;
        assert!((3500.0..6500.0).contains(&truth.lung_volume_ml), "{truth:?}");
        assert!((-900.0..-840.0).contains(&truth.mean_lung_hu), "{truth:?}");
    }

    #[test]
    fn slices_lie_one_thickness_apart_from_top_to_bottom() {
        let phantom = chest_ct("order", &small()).expect("made");
        let heights: Vec<f64> = phantom
            .instances
            .iter()
            .map(|instance| value(&read(instance), tags::SLICE_LOCATION).parse().expect("a number"))
            .collect();
        assert!(
            heights.windows(2).all(|pair| (pair[0] - pair[1] - 12.0).abs() < 1e-6),
            "{heights:?}"
        );
    }

    #[test]
    fn a_phantom_says_that_it_is_one() {
        let slice = read(&chest_ct("who", &small()).expect("made").instances[0]);
        assert_eq!(value(&slice, tags::PATIENT_ID), "PHANTOM");
        assert_eq!(value(&slice, tags::MANUFACTURER), "Gantry phantom");
        assert_eq!(value(&slice, tags::STUDY_DATE), "20260101");
    }

    #[test]
    fn a_field_of_view_that_cuts_the_chest_is_refused() {
        let narrow = PhantomOptions { columns: 200, ..Default::default() };
        assert!(matches!(chest_ct("narrow", &narrow), Err(PhantomError::Options(_))));
        let nothing = PhantomOptions { pixel_mm: f64::NAN, ..Default::default() };
        assert!(matches!(chest_ct("nothing", &nothing), Err(PhantomError::Options(_))));
    }
}
