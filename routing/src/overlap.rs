//! How far two masks are the same: each kept as its runs, so that the second may come much later.

use gantry_store::shadows::KeptMask;
use gantry_terms::findings::Mask;
use std::collections::BTreeMap;

/// Bytes of the runs of one mask: what is more ragged is noise, and is not kept.
const MOST: usize = 16 << 20;

/// Its runs; none where there are far too many.
pub fn kept(mask: &Mask) -> Option<KeptMask> {
    let mut runs = Vec::new();
    let (mut inside, mut length) = (0, 0_u64);
    for voxel in &mask.voxels {
        if u8::from(*voxel != 0) != inside {
            push(&mut runs, length);
            (inside, length) = (1 - inside, 0);
        }
        length += 1;
        if runs.len() > MOST {
            return None;
        }
    }
    push(&mut runs, length);
    Some(KeptMask { key: mask.key.clone(), voxels: mask.voxels.len() as u64, runs })
}

/// Dice of each mask that both have over as many voxels: twice what is common by what both have
/// together; none where both are empty.
pub fn of(kept: &[KeptMask], masks: &[Mask]) -> BTreeMap<String, Option<f64>> {
    let same = |mask: &Mask| {
        let before = kept.iter().find(|before| before.key == mask.key)?;
        (before.voxels == mask.voxels.len() as u64)
            .then(|| Some((mask.key.clone(), dice(&before.runs, &mask.voxels))))?
    };
    masks.iter().filter_map(same).collect()
}

fn dice(runs: &[u8], voxels: &[u8]) -> Option<f64> {
    let (mut common, mut first, mut at, mut inside) = (0_usize, 0_usize, 0_usize, false);
    let mut rest = runs;
    while let Some(length) = pop(&mut rest) {
        let end = at.saturating_add(usize::try_from(length).ok()?).min(voxels.len());
        if inside {
            first += end - at;
            common += voxels[at..end].iter().filter(|voxel| **voxel != 0).count();
        }
        (at, inside) = (end, !inside);
    }
    let second = voxels.iter().filter(|voxel| **voxel != 0).count();
    (first + second > 0).then(|| 2.0 * common as f64 / (first + second) as f64)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn push(runs: &mut Vec<u8>, mut length: u64) {
    while length >= 0x80 {
        runs.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    runs.push(length as u8);
}

fn pop(runs: &mut &[u8]) -> Option<u64> {
    let mut length = 0_u64;
    for (at, byte) in runs.iter().enumerate().take(9) {
        length |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            *runs = &runs[at + 1..];
            return Some(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::code::Code;

    fn mask(voxels: &[u8]) -> Mask {
        let code = Code::new("1", "99TEST", "One");
        Mask {
            key: "lung".into(),
            label: "Lung".into(),
            category: code.clone(),
            property: code,
            colour: [0; 3],
            voxels: voxels.to_vec(),
            probabilities: Vec::new(),
        }
    }

    fn check(before: &[u8], after: &[u8], expected: Option<f64>) {
        let kept = [kept(&mask(before)).expect("kept")];
        let found = of(&kept, &[mask(after)]);
        assert_eq!(found, BTreeMap::from([("lung".to_string(), expected)]), "{before:?} {after:?}");
    }

    #[test]
    fn dice_is_twice_what_is_common_by_what_both_have() {
        check(&[0, 1, 1, 0], &[0, 1, 1, 0], Some(1.0));
        check(&[1, 1, 0, 0], &[0, 1, 1, 1], Some(2.0 / 5.0));
        check(&[1, 0], &[0, 1], Some(0.0));
        check(&[0, 0], &[0, 0], None);
        let long: Vec<u8> = (0..100_000).map(|at| u8::from(at > 70_000)).collect();
        let half: Vec<u8> = (0..100_000).map(|at| u8::from(at > 85_000)).collect();
        let (both, common) = (29_999.0 + 14_999.0, 14_999.0);
        check(&long, &half, Some(2.0 * common / both));
    }

    #[test]
    fn masks_of_another_size_or_name_are_not_compared() {
        let before = [kept(&mask(&[1, 1])).expect("kept")];
        assert_eq!(of(&before, &[mask(&[1])]), BTreeMap::new());
        let other = Mask { key: "air".into(), ..mask(&[1, 1]) };
        assert_eq!(of(&before, &[other]), BTreeMap::new());
    }
}
