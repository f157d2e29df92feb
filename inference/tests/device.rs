//! Every kernel beside its twin on the CPU: on a device where there is one, and on a stand-in for the driver, which runs the
//! source of the kernels as it was compiled for this machine.

mod kit;

use gantry_inference::cuda::{Driver, Gpu, OnDevice, compile, compiler, driver};
use gantry_inference::device::Fault;
use gantry_inference::voxels::area::area;
use gantry_inference::voxels::argmax::argmax;
use gantry_inference::voxels::block::Block;
use gantry_inference::voxels::grid::Grid;
use gantry_inference::voxels::intensity::{self, Applied, Over};
use gantry_inference::voxels::resample::{linear, nearest};
use gantry_inference::voxels::slices::with_neighbours;
use gantry_inference::voxels::windows::{Blend, Importance, Windows, weights};
use kit::stand_in;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::process::Command;

/// Says which one it is, so that a log is not taken for more than it is.
fn gpu() -> Option<Gpu> {
    match driver() {
        Driver::Here { cards, .. } => {
            println!("on {}", cards[0].name);
            Some(Gpu::open(0).unwrap())
        }
        other => {
            println!("skipped: no CUDA device: {}", gantry_inference::cuda::why(&other));
            None
        }
    }
}

/// Runs one test of this file again with the stand-in for a driver.
fn on_the_stand_in(test: &str, settings: &[(&str, &str)]) {
    let Some(folder) = stand_in::build() else { return };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env("LD_LIBRARY_PATH", folder.path())
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(&format!("on {}", stand_in::NAME)), "{text}");
}

fn same(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        let alike = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(alike, "{what}: {a:e} and not {b:e} at {at} of {}", found.len());
    }
}

/// Neighbours of float32 at the most.
fn next_to(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        let near = a.to_bits().abs_diff(b.to_bits()) <= 1 || a.is_nan() && b.is_nan();
        assert!(near, "{what}: {a:e} and not {b:e}");
    }
}

/// CT-like numbers; every third block with some that are none or infinite.
fn numbers(random: &mut StdRng, count: usize) -> Vec<f32> {
    let odd = random.random_ratio(1, 3);
    let number = |random: &mut StdRng| match random.random_range(0..40) {
        0 if odd => f32::NAN,
        1 if odd => f32::INFINITY,
        2 if odd => f32::NEG_INFINITY,
        3 | 4 => 0.0,
        5 => -0.0,
        6..20 => random.random_range(-1024..3072) as f32,
        _ => random.random_range(-1100.0..3100.0),
    };
    (0..count).map(|_| number(random)).collect()
}

fn size(random: &mut StdRng, most: usize) -> [usize; 3] {
    [0; 3].map(|_| random.random_range(1..=most))
}

#[test]
fn intensities_on_a_device_are_those_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let random = &mut StdRng::seed_from_u64(1);
    for case in 0..120 {
        let count = if case == 0 { 300_000 } else { random.random_range(1..5000) };
        let values = numbers(random, count);
        let low = random.random_range(-1200.0f32..1000.0);
        let high = low + random.random_range(0.5f32..2000.0);
        let mut knots = Vec::new();
        let mut x = random.random_range(-1500.0f32..0.0);
        for _ in 0..random.random_range(1..8) {
            knots.push([x, random.random_range(-2.0f32..2.0)]);
            x += random.random_range(0.25f32..900.0);
        }
        let check =
            |what: &str, exact: bool, on_cpu: &dyn Fn(&mut [f32]), on_gpu: &dyn Fn(&OnDevice)| {
                let (mut expected, there) = (values.clone(), gpu.upload(&values).unwrap());
                on_cpu(&mut expected);
                on_gpu(&there);
                let found = gpu.download(&there).unwrap();
                let compare = if exact { same } else { next_to };
                compare(&format!("{what} in case {case}"), &found, &expected);
            };
        check("window", true, &|v| intensity::window(v, low, high).unwrap(), &|v| {
            gpu.window(v, low, high).unwrap()
        });
        check("clip", true, &|v| intensity::clip(v, low, high).unwrap(), &|v| {
            gpu.clip(v, low, high).unwrap()
        });
        check("piecewise", true, &|v| intensity::piecewise(v, &knots).unwrap(), &|v| {
            gpu.piecewise(v, &knots).unwrap()
        });
        check("min-max", true, &intensity::min_max, &|v| gpu.min_max(v).unwrap());
        for (over, to) in [
            (Over::All, Applied::ToAll),
            (Over::NonZero, Applied::ToThose),
            (Over::Above(low), Applied::ToThose),
            (Over::Above(4000.0), Applied::ToAll),
        ] {
            check("z-score", false, &|v| intensity::z_score(v, over, to), &|v| {
                gpu.z_score(v, over, to).unwrap()
            });
        }
    }
}

/// A grid of its own, or one that is turned, cut, refined, moved by a half or lies elsewhere.
fn onto(random: &mut StdRng, from: &Grid) -> Grid {
    let oblique = random.random_ratio(1, 2);
    let angle = if oblique { random.random_range(-0.6f64..0.6) } else { 0.0 };
    let (sin, cos) = angle.sin_cos();
    let scale = *[0.5, 0.8, 1.0, 1.0, 1.7, 3.0].get(random.random_range(0..6)).unwrap();
    let turn = |[x, y, z]: [f64; 3]| [cos * x - sin * y, sin * x + cos * y, z];
    let mut steps = from.steps().map(|step| turn(step).map(|mm| mm * scale));
    for a in 0..3 {
        steps.swap(a, random.random_range(a..3));
        if random.random_ratio(1, 4) {
            steps[a] = steps[a].map(|mm| -mm);
        }
    }
    let index = from.size().map(|side| random.random_range(-1.0..side as f64));
    let snapped = random.random_ratio(1, 2);
    let origin = from.to_mm(if snapped { index.map(|i| (i * 2.0).round() / 2.0) } else { index });
    Grid::new(size(random, 14), origin, steps).unwrap()
}

#[test]
fn resampling_on_a_device_is_that_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let random = &mut StdRng::seed_from_u64(2);
    let mut areas = 0;
    for case in 0..400 {
        let spacing = [0; 3].map(|_| random.random_range(0.4f64..3.0));
        let steps = [[0.0, 0.0, spacing[0]], [0.0, spacing[1], 0.0], [spacing[2], 0.0, 0.0]];
        let grid = Grid::new(size(random, 12), [-3.0, 7.5, 100.0], steps).unwrap();
        let block = Block::new(grid, numbers(random, grid.voxels())).unwrap();
        let onto = onto(random, &grid);
        let there = gpu.upload(block.voxels()).unwrap();
        let compare = |what: &str, found: OnDevice, expected: Block| {
            let found = gpu.download(&found).unwrap();
            same(
                &format!("{what} in case {case}, {grid:?} onto {onto:?}"),
                &found,
                expected.voxels(),
            );
        };
        let on_cpu = linear(&block, &onto, -1024.5).unwrap();
        compare("linear", gpu.linear(&there, &grid, &onto, -1024.5).unwrap(), on_cpu);
        let on_cpu = nearest(&block, &onto, 9.0).unwrap();
        compare("nearest", gpu.nearest(&there, &grid, &onto, 9.0).unwrap(), on_cpu);
        match area(&block, &onto, -5.0) {
            Ok(on_cpu) => {
                areas += 1;
                compare("area", gpu.area(&there, &grid, &onto, -5.0).unwrap(), on_cpu);
            }
            Err(error) => {
                let on_gpu = gpu.area(&there, &grid, &onto, -5.0).unwrap_err();
                assert_eq!((on_gpu.fault, on_gpu.text), (Fault::Graph, error.to_string()));
            }
        }
    }
    assert!((100..300).contains(&areas), "{areas} parallel grids");
}

#[test]
fn windows_slices_and_classes_on_a_device_are_those_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let random = &mut StdRng::seed_from_u64(3);
    for case in 0..60 {
        let (block_size, window) = (size(random, 12), size(random, 9));
        let voxels: usize = block_size.iter().product();
        let block = numbers(random, voxels);
        let there = gpu.upload(&block).unwrap();
        let windows = Windows::over(block_size, window, random.random_range(0.0..0.9)).unwrap();
        let importance = match case % 2 {
            0 => Importance::Constant,
            _ => Importance::Gaussian(random.random_range(0.1..0.5)),
        };
        let channels = random.random_range(1..4);
        let mut on_cpu = Blend::new(&windows, channels, importance).unwrap();
        let weights = weights(window, importance).unwrap();
        let mut on_gpu = gpu.blending(block_size, channels, window, &weights).unwrap();
        let mut piece = vec![0.0; windows.voxels()];
        for number in 0..windows.len() {
            windows.cut(&block, number, -3.5, &mut piece).unwrap();
            let start = windows.start(number);
            let cut = gpu.upload(&vec![7.0; piece.len()]).unwrap();
            gpu.cut((&there, block_size), start, window, -3.5, &cut).unwrap();
            same("cut", &gpu.download(&cut).unwrap(), &piece);
            let answer = numbers(random, channels * windows.voxels());
            on_cpu.add(number, &answer).unwrap();
            on_gpu.add(start, &gpu.upload(&answer).unwrap()).unwrap();
        }
        let expected = on_cpu.finish();
        let found = gpu.download(&*on_gpu.finish().unwrap()).unwrap();
        same("blending", &found, &expected);
        let neighbours = random.random_range(0..4);
        let mut stack = vec![0.0; block_size[1] * block_size[2] * (2 * neighbours + 1)];
        for at in 0..block_size[0] {
            with_neighbours(&block, block_size, at, neighbours, &mut stack).unwrap();
            let found = gpu.upload(&vec![7.0; stack.len()]).unwrap();
            gpu.slices((&there, block_size), at, neighbours, &found).unwrap();
            same("slices", &gpu.download(&found).unwrap(), &stack);
        }
        let classes = random.random_range(1..7);
        let scores = numbers(random, classes * voxels);
        let scores_there = gpu.upload(&scores).unwrap();
        let labels = gpu.argmax(&scores_there, voxels).unwrap();
        assert_eq!(gpu.download(&labels).unwrap(), argmax(&scores, voxels).unwrap());
        let finite = scores.iter().all(|score| score.is_finite());
        assert_eq!(gpu.all_finite(&scores_there).unwrap(), finite);
        let infinite = gpu.upload(&[1.0, f32::NEG_INFINITY]).unwrap();
        assert!(!gpu.all_finite(&infinite).unwrap());
    }
}

#[test]
fn a_device_without_room_says_so_and_goes_on() {
    let Some(gpu) = gpu() else { return };
    let (_, all) = gpu.memory().unwrap();
    let kept = gpu.upload(&[1.0, 2.0]).unwrap();
    let error = gpu.blending([1 << 10, 1 << 10, 1 << 10], all >> 31, [1; 3], &[1.0]).unwrap_err();
    assert_eq!(error.fault, Fault::OutOfMemory);
    assert!(error.to_string().contains("CUDA_ERROR_OUT_OF_MEMORY"), "{error}");
    assert_eq!(gpu.download(&kept).unwrap(), [1.0, 2.0]);
    assert_eq!(Fault::of(&error.to_string()), Fault::OutOfMemory, "in words, too");
}

#[test]
fn a_large_block_goes_by_pinned_memory_and_comes_back_the_same() {
    let Some(gpu) = gpu() else { return };
    let block: Vec<f32> = (0..(5 << 20) + 7).map(|at| at as f32).collect();
    let there = gpu.upload(&block).unwrap();
    same("a block", &gpu.download(&there).unwrap(), &block);
    // It is counted while it is there, and remembered behind that; a driver may keep some of it.
    let bytes = size_of_val(block.as_slice()) as u64;
    let taken = || gpu.free_at_first().saturating_sub(gpu.memory().unwrap().0) as u64;
    assert!(taken() >= bytes);
    drop(there);
    gpu.finish().unwrap();
    assert!(taken() + gpu.gave_back().unwrap() >= bytes);
}

#[test]
fn the_kernels_compiled_for_this_machine_are_twins_too() {
    for test in [
        "intensities_on_a_device_are_those_of_the_cpu",
        "resampling_on_a_device_is_that_of_the_cpu",
        "windows_slices_and_classes_on_a_device_are_those_of_the_cpu",
        "a_large_block_goes_by_pinned_memory_and_comes_back_the_same",
    ] {
        on_the_stand_in(test, &[]);
    }
    on_the_stand_in(
        "a_device_without_room_says_so_and_goes_on",
        &[("GANTRY_STAND_IN_MIB", "2048")],
    );
}

/// From a Volta to a Blackwell; NVRTC drops the oldest in time.
#[test]
fn nvrtc_compiles_the_kernels() {
    let Some(version) = compiler() else { return nvrtc_of_the_wheel() };
    let capabilities: &[_] =
        if version.0 >= 13 { &[(7, 5), (9, 0), (10, 0)] } else { &[(7, 0), (9, 0)] };
    for capability in capabilities {
        let ptx = compile(*capability).unwrap().to_src();
        assert!(ptx.contains(".entry linear_oblique"), "{ptx}");
        assert!(!ptx.contains("fma.rn.f32"), "a product and a sum are rounded one by one");
    }
}

/// The same test again with the library of a Python wheel, which needs no device and no toolkit.
fn nvrtc_of_the_wheel() {
    let Some(python) = kit::python() else { return };
    let script = "import nvidia.cuda_nvrtc; print(list(nvidia.cuda_nvrtc.__path__)[0])";
    let output = Command::new(python).args(["-c", script]).output().unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    if !output.status.success() {
        println!("skipped: no NVRTC library, nor its Python wheel (nvidia-cuda-nvrtc-cu12)");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nvrtc_compiles_the_kernels", "--nocapture"])
        .env("LD_LIBRARY_PATH", Path::new(folder.trim()).join("lib"))
        .env_remove("GANTRY_PYTHON")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !text.contains("skipped:"), "{text}");
}
