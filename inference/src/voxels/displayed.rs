//! What a display would show of grey pixels: the modality LUT, then the VOI LUT or window (PS3.3 C.11.1, C.11.2).

use super::error::VoxelError;
use super::threads::each;

/// A lookup table (PS3.3 C.11.1.1): what is below its first value has its first entry, what is above its last.
#[derive(Debug, Clone, PartialEq)]
pub struct Lut {
    first: f32,
    /// At least one.
    entries: Vec<u16>,
    bits: u16,
}

/// How intensities become what is shown, 0 dark and 1 bright before any inversion.
#[derive(Debug, Clone, PartialEq)]
pub enum Voi {
    Table(Lut),
    /// PS3.3 C.11.2.1.2.1.
    Linear {
        centre: f64,
        width: f64,
    },
    /// PS3.3 C.11.2.1.3.2.
    LinearExact {
        centre: f64,
        width: f64,
    },
    /// PS3.3 C.11.2.1.3.1.
    Sigmoid {
        centre: f64,
        width: f64,
    },
}

impl Lut {
    pub fn new(first: f32, bits: u16, entries: Vec<u16>) -> Result<Self, VoxelError> {
        if entries.is_empty() || entries.len() > 1 << 16 || !(1..=16).contains(&bits) {
            let value = format!("{} entries of {bits} bits", entries.len());
            let must = "1 to 65536 entries of 1 to 16 bits";
            return Err(VoxelError::asked("a lookup table", value, must));
        }
        Ok(Self { first, entries, bits })
    }

    /// The largest value that an entry may have.
    pub fn most(&self) -> f32 {
        ((1u32 << self.bits) - 1) as f32
    }

    pub fn bits(&self) -> u16 {
        self.bits
    }

    pub fn entry(&self, value: f32) -> u16 {
        // A cast of what is below 0 gives 0.
        self.entries[((value - self.first) as usize).min(self.entries.len() - 1)]
    }

    pub fn apply(&self, values: &mut [f32]) {
        each(values, |x| f32::from(self.entry(x)));
    }
}

impl Voi {
    /// To 0 to 1.
    pub fn apply(&self, values: &mut [f32]) -> Result<(), VoxelError> {
        match self {
            Self::Table(lut) => {
                lut.apply(values);
                each(values, |x| (x / lut.most()).min(1.0));
            }
            Self::Linear { centre, width } => {
                check(*centre, *width, *width >= 1.0)?;
                let (low, wide) = (centre - 0.5 - (width - 1.0) / 2.0, width - 1.0);
                each(values, |x| match f64::from(x) - low {
                    // A width of 1 is a threshold.
                    above if wide == 0.0 => f32::from(above > 0.0),
                    above => (above / wide).clamp(0.0, 1.0) as f32,
                });
            }
            Self::LinearExact { centre, width } => {
                check(*centre, *width, *width > 0.0)?;
                let low = centre - width / 2.0;
                each(values, |x| ((f64::from(x) - low) / width).clamp(0.0, 1.0) as f32);
            }
            Self::Sigmoid { centre, width } => {
                check(*centre, *width, *width > 0.0)?;
                each(values, |x| {
                    (1.0 / (1.0 + (-4.0 * (f64::from(x) - centre) / width).exp())) as f32
                });
            }
        }
        Ok(())
    }
}

fn check(centre: f64, width: f64, wide_enough: bool) -> Result<(), VoxelError> {
    if centre.is_finite() && width.is_finite() && wide_enough {
        return Ok(());
    }
    let must = "a number, and a width of 1 or more (above 0 where it is exact or a sigmoid)";
    Err(VoxelError::asked("a window", format!("{centre}/{width}"), must))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside PS3.3 C.11.2.1.2.1: centre 2048, width 4096 maps 0 to 0 and 4095 to 1.
    #[test]
    fn windows_show_what_the_standard_says() {
        let shown = |voi: Voi, of: &[f32]| {
            let mut values = of.to_vec();
            voi.apply(&mut values).unwrap();
            values
        };
        let linear = Voi::Linear { centre: 2048.0, width: 4096.0 };
        assert_eq!(shown(linear, &[-5.0, 0.0, 4095.0, 5000.0]), [0.0, 0.0, 1.0, 1.0]);
        let threshold = Voi::Linear { centre: 10.0, width: 1.0 };
        assert_eq!(shown(threshold, &[9.0, 9.5, 10.0]), [0.0, 0.0, 1.0]);
        let exact = Voi::LinearExact { centre: 50.0, width: 100.0 };
        assert_eq!(shown(exact, &[-1.0, 25.0, 100.0]), [0.0, 0.25, 1.0]);
        let sigmoid = shown(Voi::Sigmoid { centre: 0.0, width: 4.0 }, &[0.0, 1.0]);
        assert!(sigmoid[0] == 0.5 && (sigmoid[1] - 0.731_058_6).abs() < 1e-6, "{sigmoid:?}");
        let table = Voi::Table(Lut::new(10.0, 8, vec![0, 51, 255]).unwrap());
        assert_eq!(shown(table, &[0.0, 10.0, 11.0, 12.0, 99.0]), [0.0, 0.0, 0.2, 1.0, 1.0]);
    }

    #[test]
    fn a_window_without_width_and_a_table_without_entries_are_refused() {
        for voi in [
            Voi::Linear { centre: 1.0, width: 0.5 },
            Voi::LinearExact { centre: 1.0, width: 0.0 },
            Voi::Sigmoid { centre: f64::NAN, width: 1.0 },
        ] {
            assert!(voi.apply(&mut [1.0]).is_err(), "{voi:?}");
        }
        assert!(Lut::new(0.0, 8, Vec::new()).is_err() && Lut::new(0.0, 17, vec![1]).is_err());
    }
}
