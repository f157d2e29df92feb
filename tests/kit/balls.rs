//! Balls of metal in a phantom: bright things whose place is known.

use crate::instance::Instance;
use crate::phantom::{PhantomSeries, small_chest};
use crate::template::encode;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use gantry_terms::transfer_syntaxes::EXPLICIT_VR_LITTLE_ENDIAN;

/// A ball of metal: the numbers of the images that it is in, where its middle is, its radius in pixels, and
/// how bright it is in HU.
pub struct Ball {
    pub images: [usize; 2],
    pub row: i32,
    pub column: i32,
    pub radius: i32,
    pub brightness: u16,
}

pub const BALLS: [Ball; 2] = [
    Ball { images: [5, 8], row: 150, column: 60, radius: 7, brightness: 2400 },
    Ball { images: [11, 11], row: 190, column: 260, radius: 11, brightness: 1800 },
];

impl Ball {
    /// The same in each of its images: a cylinder.
    pub fn put_into(&self, image: &Instance) -> Instance {
        let mut object = image.object();
        let pixels = object.element(tags::PIXEL_DATA).expect("pixels");
        let mut words = pixels.to_multi_int::<u16>().expect("16 bits");
        let columns: i32 =
            object.element(tags::COLUMNS).expect("there").to_int().expect("a number");
        for (at, word) in words.iter_mut().enumerate() {
            let (row, column) = (at as i32 / columns, at as i32 % columns);
            let (down, along) = (row - self.row, column - self.column);
            if down * down + along * along <= self.radius * self.radius {
                *word = self.brightness + 1024;
            }
        }
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
        let transfer_syntax = EXPLICIT_VR_LITTLE_ENDIAN.into();
        Instance { data_set: encode(object), transfer_syntax, ..image.clone() }
    }

    /// From outer edge to outer edge: column, row, column, row.
    pub fn edges(&self) -> [f64; 4] {
        let Self { row, column, radius, .. } = self;
        [column - radius, row - radius, column + radius + 1, row + radius + 1].map(f64::from)
    }
}

/// A chest with these balls in it.
pub fn chest_with(name: &str, balls: &[Ball]) -> PhantomSeries {
    let mut chest = small_chest(name);
    for ball in balls {
        for image in ball.images[0]..=ball.images[1] {
            chest.instances[image] = ball.put_into(&chest.instances[image]);
        }
    }
    chest
}
