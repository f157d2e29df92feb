//! A colour of a display in the terms of Recommended Display CIELab Value (PS3.3 C.10.7.1.1).

/// D50.
const WHITE: [f64; 3] = [0.964_22, 1.0, 0.825_21];

/// sRGB (IEC 61966-2-1) as CIELab under D50, each of the three scaled to 16 bits.
pub fn cielab(srgb: [u8; 3]) -> [u16; 3] {
    /// From linear sRGB to XYZ, adapted to D50 by Bradford's matrix.
    const TO_XYZ: [[f64; 3]; 3] = [
        [0.436_074_7, 0.385_064_9, 0.143_080_4],
        [0.222_504_5, 0.716_878_6, 0.060_616_9],
        [0.013_932_2, 0.097_104_5, 0.714_173_3],
    ];
    let linear = srgb.map(|byte| linear(f64::from(byte) / 255.0));
    let [x, y, z] = [0, 1, 2].map(|axis| {
        let sum: f64 = TO_XYZ[axis].iter().zip(linear).map(|(part, light)| part * light).sum();
        bent(sum / WHITE[axis])
    });
    let word = |value: f64| value.round().clamp(0.0, 65535.0) as u16;
    let [lightness, a, b] = [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)];
    [word(lightness * 655.35), word((a + 128.0) * 257.0), word((b + 128.0) * 257.0)]
}

/// The colour of a display for a Recommended Display CIELab Value; what no display has is cut.
pub fn srgb(cielab: [u16; 3]) -> [u8; 3] {
    /// The inverse of that above.
    const FROM_XYZ: [[f64; 3]; 3] = [
        [3.133_856_1, -1.616_866_7, -0.490_614_6],
        [-0.978_768_4, 1.916_141_5, 0.033_454_0],
        [0.071_945_3, -0.228_991_4, 1.405_242_7],
    ];
    let [l, a, b] = cielab.map(f64::from);
    let y = (l / 655.35 + 16.0) / 116.0;
    let bent = [y + (a / 257.0 - 128.0) / 500.0, y, y - (b / 257.0 - 128.0) / 200.0];
    let xyz: [f64; 3] = std::array::from_fn(|axis| straight(bent[axis]) * WHITE[axis]);
    FROM_XYZ.map(|row| {
        let light: f64 = row.iter().zip(xyz).map(|(part, value)| part * value).sum();
        let light = light.clamp(0.0, 1.0);
        let part = if light <= 0.003_130_8 {
            12.92 * light
        } else {
            1.055 * light.powf(1.0 / 2.4) - 0.055
        };
        (part * 255.0).round() as u8
    })
}

fn straight(bent: f64) -> f64 {
    const DELTA: f64 = 6.0 / 29.0;
    if bent > DELTA { bent.powi(3) } else { 3.0 * DELTA * DELTA * (bent - 4.0 / 29.0) }
}

fn linear(part: f64) -> f64 {
    if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
}

fn bent(part: f64) -> f64 {
    const DELTA: f64 = 6.0 / 29.0;
    if part > DELTA.powi(3) { part.cbrt() } else { part / (3.0 * DELTA * DELTA) + 4.0 / 29.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_black_and_red_are_what_the_profile_of_srgb_says() {
        // Lindbloom's calculator: red is L 54.29, a 80.81, b 69.89 under D50.
        let check = |srgb, lab: [f64; 3]| {
            let [l, a, b] = cielab(srgb).map(f64::from);
            let found = [l / 655.35, a / 257.0 - 128.0, b / 257.0 - 128.0];
            for axis in 0..3 {
                assert!((found[axis] - lab[axis]).abs() < 0.05, "{srgb:?}: {found:?}");
            }
        };
        check([255, 255, 255], [100.0, 0.0, 0.0]);
        check([0, 0, 0], [0.0, 0.0, 0.0]);
        check([255, 0, 0], [54.29, 80.81, 69.89]);
    }
    #[test]
    fn a_colour_comes_back_as_it_was() {
        for colour in [[60, 160, 230], [230, 60, 60], [0, 0, 0], [255, 255, 255], [1, 200, 7]] {
            let back = srgb(cielab(colour));
            let near = back.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 1);
            assert!(near, "{colour:?} {back:?}");
        }
    }
}
