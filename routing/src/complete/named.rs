//! How many images a series will have, where its headers name a number that means that.

// Of what the standard has, these mean it:
// (0020,1209) Number of Series Related Instances: an attribute of queries (PS3.4 C.3.4) that some
//   modalities put into their images. It names the whole series.
// (0054,0081) Number of Slices and the other dimensions of a PET series (PS3.3 C.8.9.1, C.8.9.4.1.9):
//   the greatest number of images that may exist. All of them are a whole series; fewer may be, too.
// (0020,1002) Images in Acquisition (PS3.3 C.7.10.1): of one Acquisition Number (0020,0012). A short
//   acquisition says that images are missing; whole ones do not say that no other follows.
// (0020,9163) In-concatenation Total Number (PS3.3 C.7.6.16): of one Concatenation UID; likewise.
// These do not, and are not looked at: (0020,0105) Number of Temporal Positions counts positions, not
// images; (0028,0008) Number of Frames and the dimensions of NM images count inside one instance;
// (0020,1208) counts the study; (0020,1001) and (0020,1003) are retired and nowhere defined any more.

use gantry_terms::header::{Header, Tag, Value};
use std::collections::BTreeMap;

const SOP_CLASS_UID: Tag = 0x0008_0016;
const ACQUISITION_NUMBER: Tag = 0x0020_0012;
const IMAGES_IN_ACQUISITION: Tag = 0x0020_1002;
const NUMBER_OF_SERIES_RELATED_INSTANCES: Tag = 0x0020_1209;
const CONCATENATION_UID: Tag = 0x0020_9161;
const IN_CONCATENATION_TOTAL_NUMBER: Tag = 0x0020_9163;
const NUMBER_OF_R_R_INTERVALS: Tag = 0x0054_0061;
const NUMBER_OF_TIME_SLOTS: Tag = 0x0054_0071;
const NUMBER_OF_SLICES: Tag = 0x0054_0081;
const NUMBER_OF_TIME_SLICES: Tag = 0x0054_0101;
const SERIES_TYPE: Tag = 0x0054_1000;

/// All that [`Tally::add`] looks at.
pub const ATTRIBUTES: [Tag; 11] = [
    SOP_CLASS_UID,
    ACQUISITION_NUMBER,
    IMAGES_IN_ACQUISITION,
    NUMBER_OF_SERIES_RELATED_INSTANCES,
    CONCATENATION_UID,
    IN_CONCATENATION_TOTAL_NUMBER,
    NUMBER_OF_R_R_INTERVALS,
    NUMBER_OF_TIME_SLOTS,
    NUMBER_OF_SLICES,
    NUMBER_OF_TIME_SLICES,
    SERIES_TYPE,
];

const PET_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.128";
/// A greater number than any series has.
const MOST_IMAGES: u32 = 1_000_000;
/// Acquisitions of one series beyond these are not told apart.
const MOST_GROUPS: usize = 4096;

/// What names a number of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    Series,
    Pet,
    Acquisition,
    Concatenation,
}

/// What the numbers say of the images that are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No number is named, or none that can be believed.
    Nothing,
    All {
        images: u32,
        count: Count,
    },
    Missing {
        here: u32,
        of: u32,
        count: Count,
    },
}

/// The images of a series by what their headers name.
#[derive(Debug, Default)]
pub struct Tally {
    images: u32,
    series: Named,
    pet: Named,
    acquisitions: BTreeMap<String, Group>,
    concatenations: BTreeMap<String, Group>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Named {
    #[default]
    Nothing,
    Number(u32),
    /// Two images name different numbers: a running count, most likely.
    Contradiction,
}

#[derive(Debug, Default)]
struct Group {
    images: u32,
    named: Named,
}

impl Count {
    /// Where the number stands, as the store and the admin know it.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Series => "(0020,1209)",
            Self::Pet => "(0054,0081)",
            Self::Acquisition => "(0020,1002)",
            Self::Concatenation => "(0020,9163)",
        }
    }
}

/// Whether an image names any number at all.
pub fn names_a_number(header: &Header) -> bool {
    let numbers = [
        NUMBER_OF_SERIES_RELATED_INSTANCES,
        IMAGES_IN_ACQUISITION,
        IN_CONCATENATION_TOTAL_NUMBER,
        NUMBER_OF_SLICES,
    ];
    numbers.iter().any(|tag| number(header, *tag).is_some())
}

impl Tally {
    pub fn add(&mut self, header: &Header) {
        self.images += 1;
        self.series.meet(number(header, NUMBER_OF_SERIES_RELATED_INSTANCES));
        self.pet.meet(pet_images(header));
        let acquisition = text(header, ACQUISITION_NUMBER);
        count(&mut self.acquisitions, acquisition, number(header, IMAGES_IN_ACQUISITION));
        let concatenation = text(header, CONCATENATION_UID);
        let total = number(header, IN_CONCATENATION_TOTAL_NUMBER);
        count(&mut self.concatenations, concatenation, total);
    }

    /// What the numbers that are believed say. The number of the whole series goes first.
    pub fn expected(&self, believed: impl Fn(Count) -> bool) -> Expected {
        let images = self.images;
        match self.series {
            Named::Number(of) if believed(Count::Series) && images == of => {
                return Expected::All { images, count: Count::Series };
            }
            Named::Number(of) if believed(Count::Series) && images < of => {
                return Expected::Missing { here: images, of, count: Count::Series };
            }
            _ => {}
        }
        for count in [Count::Acquisition, Count::Concatenation] {
            if let Some((here, of)) = self.short_group(count).filter(|_| believed(count)) {
                return Expected::Missing { here, of, count };
            }
        }
        if self.pet == Named::Number(images) && believed(Count::Pet) {
            return Expected::All { images, count: Count::Pet };
        }
        Expected::Nothing
    }

    /// Which numbers came true, now that the series is complete. That images are missing is not
    /// their fault when an association was broken off.
    pub fn came_true(&self, broken_off: bool) -> Vec<(&'static str, bool)> {
        let images = self.images;
        let mut said = Vec::new();
        said.extend(self.series.came_true(images, broken_off).map(|yes| (Count::Series, yes)));
        // Fewer are allowed.
        let pet = self.pet.came_true(images, true);
        said.extend(pet.map(|yes| (Count::Pet, yes)));
        for count in [Count::Acquisition, Count::Concatenation] {
            let groups = self.groups(count).values();
            let all = groups.filter_map(|group| group.named.came_true(group.images, broken_off));
            said.extend(all.min().map(|yes| (count, yes)));
        }
        said.into_iter().map(|(count, yes)| (count.attribute(), yes)).collect()
    }

    fn groups(&self, count: Count) -> &BTreeMap<String, Group> {
        match count {
            Count::Concatenation => &self.concatenations,
            _ => &self.acquisitions,
        }
    }

    fn short_group(&self, count: Count) -> Option<(u32, u32)> {
        let short = |group: &Group| match group.named {
            Named::Number(of) if group.images < of => Some((group.images, of)),
            _ => None,
        };
        self.groups(count).values().find_map(short)
    }
}

impl Named {
    fn meet(&mut self, number: Option<u32>) {
        *self = match (*self, number) {
            (same, None) => same,
            (Self::Nothing, Some(number)) => Self::Number(number),
            (Self::Number(before), Some(number)) if before == number => Self::Number(number),
            _ => Self::Contradiction,
        }
    }

    /// Nothing when no number was named, or when it says nothing that fewer came.
    fn came_true(self, images: u32, fewer_says_nothing: bool) -> Option<bool> {
        match self {
            Self::Nothing => None,
            Self::Number(of) if images < of && fewer_says_nothing => None,
            Self::Number(of) => Some(images == of),
            Self::Contradiction => Some(false),
        }
    }
}

/// An image of a group counts in it, also where only the others name the number.
fn count(groups: &mut BTreeMap<String, Group>, name: Option<String>, number: Option<u32>) {
    let Some(name) = name else { return };
    if groups.len() < MOST_GROUPS || groups.contains_key(&name) {
        let group = groups.entry(name).or_default();
        group.images += 1;
        group.named.meet(number);
    }
}

/// The greatest number of images of a PET series: the product of the dimensions that its Series
/// Type has.
fn pet_images(header: &Header) -> Option<u32> {
    if header.text(SOP_CLASS_UID) != Some(PET_IMAGE) {
        return None;
    }
    let more: &[Tag] = match header.text(SERIES_TYPE)? {
        "STATIC" | "WHOLE BODY" => &[],
        "DYNAMIC" => &[NUMBER_OF_TIME_SLICES],
        "GATED" => &[NUMBER_OF_R_R_INTERVALS, NUMBER_OF_TIME_SLOTS],
        _ => return None,
    };
    let mut images = number(header, NUMBER_OF_SLICES)?;
    for dimension in more {
        images = images.checked_mul(number(header, *dimension)?)?;
    }
    (images <= MOST_IMAGES).then_some(images)
}

fn number(header: &Header, tag: Tag) -> Option<u32> {
    let number = header.number(tag)?;
    let sound = number.fract() == 0.0 && (1.0..=f64::from(MOST_IMAGES)).contains(&number);
    sound.then_some(number as u32)
}

/// The first value as text, whatever its VR; groups have names, not numbers.
fn text(header: &Header, tag: Tag) -> Option<String> {
    match header.attribute(tag)?.values.first()? {
        Value::Text(text) if !text.is_empty() => Some(text.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::header::Attribute;

    fn header(attributes: &[(Tag, &str)]) -> Header {
        let attribute = |text: &str| Attribute {
            vr: "IS".into(),
            values: text.split('\\').map(|text| Value::Text(text.into())).collect(),
        };
        Header(attributes.iter().map(|(tag, text)| (*tag, attribute(text))).collect())
    }

    fn tally(headers: impl IntoIterator<Item = Header>) -> Tally {
        let mut tally = Tally::default();
        headers.into_iter().for_each(|header| tally.add(&header));
        tally
    }

    fn check(headers: Vec<Header>, expected: Expected, came_true: &[(&'static str, bool)]) {
        let tally = tally(headers.clone());
        assert_eq!(tally.expected(|_| true), expected, "{headers:?}");
        assert_eq!(tally.came_true(false), came_true, "{headers:?}");
        assert_eq!(tally.expected(|_| false), Expected::Nothing, "{headers:?}");
    }

    #[test]
    fn the_number_of_a_series_tells_when_it_is_whole() {
        let of = |number| header(&[(NUMBER_OF_SERIES_RELATED_INSTANCES, number)]);
        let count = Count::Series;
        let series = |yes| [(count.attribute(), yes)];
        check(vec![of("3"); 2], Expected::Missing { here: 2, of: 3, count }, &series(false));
        check(vec![of("3"); 3], Expected::All { images: 3, count }, &series(true));
        check(vec![of("3"); 4], Expected::Nothing, &series(false));
        check(vec![of("1"), of("2")], Expected::Nothing, &series(false));
        check(
            vec![of("3"), header(&[])],
            Expected::Missing { here: 2, of: 3, count },
            &series(false),
        );
        for wrong in ["0", "-1", "2.5", "many", "99999999", ""] {
            check(vec![of(wrong)], Expected::Nothing, &[]);
        }
    }

    #[test]
    fn a_short_acquisition_waits_and_whole_ones_end_nothing() {
        let of = |acquisition, number| {
            header(&[(ACQUISITION_NUMBER, acquisition), (IMAGES_IN_ACQUISITION, number)])
        };
        let count = Count::Acquisition;
        let said = |yes| [(count.attribute(), yes)];
        check(vec![of("1", "2"); 2], Expected::Nothing, &said(true));
        let second_short = vec![of("1", "2"), of("1", "2"), of("2", "3")];
        check(second_short, Expected::Missing { here: 1, of: 3, count }, &said(false));
        check(vec![of("1", "2"); 3], Expected::Nothing, &said(false));
        check(vec![header(&[(IMAGES_IN_ACQUISITION, "5")])], Expected::Nothing, &[]);
    }

    #[test]
    fn a_short_concatenation_waits_and_a_whole_one_ends_nothing() {
        let of = |uid| header(&[(CONCATENATION_UID, uid), (IN_CONCATENATION_TOTAL_NUMBER, "2")]);
        let count = Count::Concatenation;
        let said = |yes| [(count.attribute(), yes)];
        check(vec![of("1.2"); 2], Expected::Nothing, &said(true));
        let short = Expected::Missing { here: 1, of: 2, count };
        check(vec![of("1.2"), of("1.2"), of("1.3")], short, &said(false));
    }

    #[test]
    fn a_pet_series_is_whole_with_the_product_of_its_dimensions_and_may_have_fewer() {
        let pet = |class, kind, slices, more: &[(Tag, &'static str)]| {
            let always = [(SOP_CLASS_UID, class), (SERIES_TYPE, kind), (NUMBER_OF_SLICES, slices)];
            header(&[&always, more].concat())
        };
        let all = |images| Expected::All { images, count: Count::Pet };
        let count = Count::Pet.attribute();
        check(vec![pet(PET_IMAGE, "STATIC\\IMAGE", "2", &[]); 2], all(2), &[(count, true)]);
        check(vec![pet(PET_IMAGE, "WHOLE BODY\\IMAGE", "2", &[]); 1], Expected::Nothing, &[]);
        let dynamic = pet(PET_IMAGE, "DYNAMIC\\IMAGE", "2", &[(NUMBER_OF_TIME_SLICES, "3")]);
        check(vec![dynamic.clone(); 2], Expected::Nothing, &[]);
        check(vec![dynamic; 6], all(6), &[(count, true)]);
        let gates = [(NUMBER_OF_R_R_INTERVALS, "1"), (NUMBER_OF_TIME_SLOTS, "2")];
        check(vec![pet(PET_IMAGE, "GATED\\IMAGE", "1", &gates); 2], all(2), &[(count, true)]);
        check(vec![pet(PET_IMAGE, "GATED\\IMAGE", "1", &[]); 1], Expected::Nothing, &[]);
        let tomography = pet("1.2.840.10008.5.1.4.1.1.20", "STATIC\\IMAGE", "1", &[]);
        check(vec![tomography], Expected::Nothing, &[]);
    }

    #[test]
    fn the_number_of_the_series_outweighs_an_acquisition_that_other_series_share() {
        let image = header(&[
            (NUMBER_OF_SERIES_RELATED_INSTANCES, "2"),
            (ACQUISITION_NUMBER, "1"),
            (IMAGES_IN_ACQUISITION, "4"),
        ]);
        let whole = tally(vec![image; 2]);
        let all = Expected::All { images: 2, count: Count::Series };
        assert_eq!(whole.expected(|_| true), all);
        let short = Expected::Missing { here: 2, of: 4, count: Count::Acquisition };
        assert_eq!(whole.expected(|count| count != Count::Series), short);
    }

    #[test]
    fn that_images_are_missing_behind_a_broken_association_is_not_the_numbers_fault() {
        let image = header(&[(NUMBER_OF_SERIES_RELATED_INSTANCES, "3")]);
        assert_eq!(tally(vec![image.clone(); 2]).came_true(true), []);
        assert_eq!(tally(vec![image; 4]).came_true(true), [(Count::Series.attribute(), false)]);
    }

    #[test]
    fn an_image_that_names_no_number_is_known_by_itself() {
        assert!(!names_a_number(&header(&[(ACQUISITION_NUMBER, "1")])));
        assert!(names_a_number(&header(&[(NUMBER_OF_SERIES_RELATED_INSTANCES, "7")])));
        assert!(names_a_number(&header(&[
            (ACQUISITION_NUMBER, "1"),
            (IMAGES_IN_ACQUISITION, "1")
        ])));
    }
}
