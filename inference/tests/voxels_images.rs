//! Images of two dimensions in other sizes, as Pillow makes them.

mod kit;

use gantry_inference::voxels::error::VoxelError;
use gantry_inference::voxels::image::{Image, Kernel};
use kit::second_opinion::{Question, Random, assert_near, assert_same};

#[test]
fn an_image_is_resized_as_by_pillow() {
    let Some(question) = Question::new() else { return };
    let mut random = Random(21);
    for (size, to) in [
        ([64, 48], [32, 32]),
        ([50, 37], [224, 224]),
        ([301, 203], [57, 99]),
        ([1, 9], [5, 4]),
        ([7, 1], [1, 3]),
        ([33, 44], [33, 44]),
        ([511, 509], [256, 224]),
    ] {
        let image = Image::new(size, random.numbers(size[0] * size[1], -1000.0, 1000.0)).unwrap();
        question.put("a", image.pixels()).say("size", size).say("to", to);
        question.ask(include_str!("reference/images.py"));
        let own = |kernel| image.resized(to, kernel).unwrap().into_pixels();
        assert_same(&own(Kernel::Nearest), &question.answer("NEAREST"));
        // 1e-6 of the largest: a thousandth of a unit.
        assert_near(&own(Kernel::Bilinear), &question.answer("BILINEAR"), 1e-6);
        assert_near(&own(Kernel::Bicubic), &question.answer("BICUBIC"), 1e-6);
    }
}

#[test]
fn the_square_lies_in_the_middle() {
    let image = |size: [usize; 2]| {
        Image::new(size, (0..size[0] * size[1]).map(|i| i as f32).collect()).unwrap()
    };
    let wide = image([2, 5]).centre_square();
    assert_eq!((wide.size(), wide.pixels()), ([2, 2], &[1.0, 2.0, 6.0, 7.0][..]));
    let high = image([4, 2]).centre_square();
    assert_eq!((high.size(), high.pixels()), ([2, 2], &[2.0, 3.0, 4.0, 5.0][..]));
}

#[test]
fn an_image_that_can_not_be_is_refused() {
    assert!(matches!(Image::new([2, 2], vec![0.0; 3]), Err(VoxelError::Count { .. })));
    assert!(matches!(Image::new([0, 2], Vec::new()), Err(VoxelError::Asked { .. })));
    let image = Image::new([2, 2], vec![0.0; 4]).unwrap();
    assert!(matches!(image.resized([0, 5], Kernel::Bicubic), Err(VoxelError::Asked { .. })));
    let huge = image.resized([1 << 40, 1 << 40], Kernel::Bilinear);
    assert!(matches!(huge, Err(VoxelError::TooManyVoxels(_))));
    let halved = Image::new([1, 4], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!(halved.resized([1, 2], Kernel::Nearest).unwrap().pixels(), [2.0, 4.0]);
    let nan = Image::new([1, 3], vec![1.0, f32::NAN, 3.0]).unwrap();
    let same = nan.resized([1, 3], Kernel::Bicubic).unwrap();
    assert_eq!(same.pixels().iter().filter(|pixel| pixel.is_nan()).count(), 1);
}
