//! Whole models by ONNX Runtime's CUDA provider, beside the CPU; only where there is a device, and a library with the provider.

mod kit;

use gantry_inference::cuda::{Driver, Gpu, driver, why};
use gantry_inference::device::Device;
use gantry_inference::engine::{Engine, EngineOptions};
use gantry_inference::models::Models;
use gantry_inference::runtime::about;
use gantry_terms::findings::Findings;
use gantry_terms::images::Images;
use gantry_terms::volume::Volume;
use kit::author::{Author, MANIFEST, mean_graph, slow_graph};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Each of these fills the device in its turn.
fn device() -> Option<MutexGuard<'static, ()>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let library = kit::library()?;
    if !matches!(driver(), Driver::Here { .. }) {
        println!("skipped: no CUDA device: {}", why(&driver()));
        return None;
    }
    if !about(Some(&library)).unwrap().cuda {
        println!("skipped: no CUDA device for {}: it has no CUDA provider", library.display());
        return None;
    }
    Some(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What is found on a device, and where that was in the end.
fn on(device: Device, models: &Arc<Models>, name: &str, images: &Images) -> (Findings, String) {
    let options = EngineOptions { library: kit::library(), device, ..EngineOptions::default() };
    let engine = Engine::start(models.clone(), options).unwrap();
    let findings = kit::wait(engine.infer(name, vec![images.clone()])).unwrap();
    assert!(!engine.is_lost());
    (findings, format!("{:?}", engine.device()))
}

/// On the CPU, then on the device and on nothing in its place.
fn both(models: &Arc<Models>, name: &str, images: &Images) -> [Findings; 2] {
    [Device::Cpu, Device::Cuda(0)].map(|device| {
        let (findings, there) = on(device, models, name, images);
        assert_eq!(there, format!("{:?}", (device, None::<&str>)));
        findings
    })
}

fn models(author: &Author) -> Arc<Models> {
    let folder = tempfile::tempdir().unwrap();
    let models = Models::load(&author.write(folder.path())).unwrap();
    let _ = folder.keep(); // The graph is read again at the first run.
    Arc::new(models)
}

/// Figures to a part in a hundred thousand, masks but for a voxel in ten thousand.
fn alike([on_cpu, on_device]: &[Findings; 2]) {
    let figures = |findings: &Findings| -> Vec<(String, f64)> {
        let all = findings.groups.iter().flat_map(|group| &group.measurements);
        all.filter_map(|m| Some((m.key.clone(), m.value.ok()?))).collect()
    };
    let (expected, found) = (figures(on_cpu), figures(on_device));
    assert_eq!(found.len(), expected.len());
    for ((key, expected), (_, found)) in expected.iter().zip(&found) {
        let off = (found - expected).abs() / expected.abs().max(1e-3);
        assert!(off < 1e-5, "{key}: {found} on the device, {expected} on the CPU");
    }
    for (expected, found) in on_cpu.masks.iter().zip(&on_device.masks) {
        let differ = expected.voxels.iter().zip(&found.voxels).filter(|(a, b)| a != b).count();
        assert!(differ * 10_000 <= expected.voxels.len(), "{differ} voxels differ");
    }
    println!("{} figures and {} masks are alike", found.len(), on_cpu.masks.len());
    assert!(!found.is_empty() || !on_cpu.masks.is_empty(), "something was compared");
}

/// Numbers like those of a CT, in no order.
fn scan(slices: usize, side: usize) -> Volume {
    let mut volume = kit::air(slices, side);
    let number = |(at, voxel): (usize, &mut f32)| *voxel = ((at * 7919) % 2003) as f32 - 1024.0;
    volume.voxels.iter_mut().enumerate().for_each(number);
    volume
}

#[test]
fn the_shipped_densitometry_finds_the_same() {
    let Some(_turn) = device() else { return };
    let volume = match kit::real("ct_chest_A0002_B40f") {
        Some(folder) => kit::emphysema_volume(&kit::files(&folder)),
        None => scan(40, 128),
    };
    alike(&both(&kit::shipped(), "emphysema", &Images::Volume(Arc::new(volume))));
}

/// What the mean over a neighbourhood is, with windows or without.
fn mean(windows: &str) -> Author {
    let numbers = MANIFEST.find("[[group]]").unwrap();
    let head = MANIFEST[..numbers].replace("\"slice-row", "\"batch-channel-slice-row");
    let steps = "steps = [{ clip = { low = -1000.0, high = 400.0 } }, { z-score = {} }]\n";
    let mask = "[[segmentation]]\nkey = \"mask\"\nlabel = \"Mask\"\ntensor = \"mean\"\nat-least = 0.02\n\
                category = { value = \"123037004\", scheme = \"SCT\", meaning = \"Anatomical structure\" }\n\
                property = { value = \"39607008\", scheme = \"SCT\", meaning = \"Lung\" }\n\
                colour = \"#ff0080\"\ndraw-order = 1\n";
    let order = "slice-order = \"along-normal\"\n";
    let head =
        head.replace(order, &format!("{order}{steps}")).replace("time-out = 10", "time-out = 300");
    Author { manifest: format!("{head}{windows}{mask}"), graph: mean_graph(&[3, 5, 5]) }
}

#[test]
fn a_volume_as_a_whole_on_another_grid_and_in_windows_finds_the_same() {
    let Some(_turn) = device() else { return };
    let grid =
        "[input.grid]\norientation = \"LIA\"\nspacing = [1.1, 1.0, 1.3]\noutside = -1024.0\n";
    let windows =
        "[input.windows]\nsize = [16, 32, 32]\noverlap = 0.5\nblending = \"gaussian\"\nbatch = 6\n";
    for input in ["", grid, windows, &format!("{grid}{windows}")] {
        alike(&both(&models(&mean(input)), "tiny", &Images::Volume(Arc::new(scan(40, 96)))));
    }
}

#[test]
fn a_device_that_is_nearly_full_gets_fewer_windows_at_a_time_or_leaves_the_run_to_the_cpu() {
    let Some(_turn) = device() else { return };
    let gpu = Gpu::open(0).unwrap();
    // 64 of 845 windows at a time: they and their answers have 512 MiB, and ONNX Runtime takes as much again.
    let windows = "[input.windows]\nsize = [64, 128, 128]\noverlap = 0.75\nbatch = 64\n";
    let (models, images) = (models(&mean(windows)), Images::Volume(Arc::new(scan(128, 512))));
    let expected = both(&models, "tiny", &images);
    alike(&expected);
    for left in [3, 1, 0] {
        let (free, _) = gpu.memory().unwrap();
        let channels = (free >> 30) - left;
        // A channel and the weights of so many voxels: 1 GiB each.
        let held = gpu.blending([1 << 8, 1 << 10, 1 << 10], channels - 1, [1; 3], &[1.0]).unwrap();
        println!("{} MiB are left", gpu.memory().unwrap().0 >> 20);
        let (found, there) = on(Device::Cuda(0), &models, "tiny", &images);
        println!("it ran on {there}");
        alike(&[expected[0].clone(), found]);
        drop(held);
        gpu.finish().unwrap();
    }
}

#[test]
fn a_graph_that_fails_on_the_device_says_what_it_says_on_the_cpu() {
    let Some(_turn) = device() else { return };
    let author = Author {
        manifest: MANIFEST.replace("\"slice-row-column\"", "\"batch-channel-slice-row-column\""),
        graph: slow_graph(&[3, 3, 3]),
    };
    let mut volume = scan(6, 8);
    volume.voxels[100] = f32::NAN;
    let models = models(&author);
    let [on_cpu, on_device] = [Device::Cpu, Device::Cuda(0)].map(|device| {
        let options = EngineOptions { library: kit::library(), device, ..EngineOptions::default() };
        let engine = Engine::start(models.clone(), options).unwrap();
        let found = kit::wait(engine.infer("tiny", vec![Arc::new(volume.clone())]));
        format!("{found:?}")
    });
    assert_eq!(on_device, on_cpu);
}
