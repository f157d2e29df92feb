//! Red, green and blue of a luminance and two differences of colour (PS3.3 C.7.6.3.1.2, YBR_FULL).

/// What one adds to red and green of the difference of red, and to green and blue of that of blue.
const RED_OF_RED: f64 = 1.402;
const GREEN_OF_RED: f64 = -0.299 * 1.402 / 0.587;
const GREEN_OF_BLUE: f64 = -0.114 * 1.772 / 0.587;
const BLUE_OF_BLUE: f64 = 1.772;

/// Whole numbers of so many bits, rounded to the nearest, as the standard's equations have them the other
/// way round. What lies beyond the range is cut.
pub fn ybr_to_rgb([y, cb, cr]: [i32; 3], bits: u16) -> [i32; 3] {
    let most = f64::from((1u32 << bits) - 1);
    let half = f64::from(1u32 << (bits - 1));
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - half, f64::from(cr) - half);
    let red = y + RED_OF_RED * cr;
    let green = y + GREEN_OF_RED * cr + GREEN_OF_BLUE * cb;
    let blue = y + BLUE_OF_BLUE * cb;
    [red, green, blue].map(|colour| (colour + 0.5).floor().clamp(0.0, most) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The equations of PS3.3 C.7.6.3.1.2 with their rounded coefficients.
    #[test]
    fn a_colour_that_the_standard_makes_ybr_of_comes_back() {
        let colours = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [12, 34, 250]];
        for [r, g, b] in colours {
            let of = |r_part: f64, g_part: f64, b_part: f64, plus: f64| {
                (r_part * f64::from(r) + g_part * f64::from(g) + b_part * f64::from(b) + plus)
                    .round() as i32
            };
            let ybr = [
                of(0.2990, 0.5870, 0.1140, 0.0),
                of(-0.1687, -0.3313, 0.5, 128.0),
                of(0.5, -0.4187, -0.0813, 128.0),
            ];
            let back = ybr_to_rgb(ybr, 8);
            let off = back.iter().zip([r, g, b]).map(|(a, b)| (a - b).abs()).max();
            assert!(off <= Some(2), "{back:?}, not {:?}", [r, g, b]);
        }
        assert_eq!(ybr_to_rgb([255, 255, 255], 8), [255, 121, 255], "cut, not wrapped");
    }
}
