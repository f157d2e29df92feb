//! The whole road of a run on a device, beside that on the CPU. On a stand-in for the driver ONNX Runtime computes on the CPU, and its
//! tensors lie where the stand-in has its memory.

#[path = "../../../tests/kit/author.rs"]
#[allow(dead_code)]
mod author;
#[path = "../../../tests/kit/stand_in.rs"]
mod stand_in;

use super::{OnGpu, Place, stays};
use crate::cuda::{Driver, Gpu, driver};
use crate::findings::interpret;
use crate::graph;
use crate::models::Models;
use crate::prepare::Prepared;
use crate::run::{How, run};
use crate::runtime::{environment, find_library};
use crate::site::Site;
use author::{Author, MANIFEST, volume_graph};
use gantry_terms::findings::Findings;
use gantry_terms::geometry::Geometry;
use gantry_terms::images::Images;
use gantry_terms::volume::Volume;
use ort::session::RunOptions;
use std::sync::Arc;

const READINGS: [&str; 3] = [
    "tensor = \"same\"\nat-least = 0.25",
    "tensor = \"scores\"\nclass = 1",
    "tensor = \"scores\"\nclass = 0",
];

fn manifest(input: &str, readings: &[&str]) -> String {
    let mask = |(at, reading): (usize, &&str)| {
        format!(
            "[[segmentation]]\nkey = \"mask-{at}\"\nlabel = \"Mask\"\n{reading}\n\
             category = {{ value = \"123037004\", scheme = \"SCT\", meaning = \"Anatomical structure\" }}\n\
             property = {{ value = \"39607008\", scheme = \"SCT\", meaning = \"Lung\" }}\n\
             colour = \"#ff0080\"\ndraw-order = {at}\n"
        )
    };
    let numbers = MANIFEST.find("[[measurement]]").unwrap();
    let order = "slice-order = \"along-normal\"\n";
    let head = MANIFEST[..numbers]
        .replace("\"slice-row-column\"", "\"batch-channel-slice-row-column\"")
        .replace(order, &format!("{order}{input}\n"));
    let volume = "[[measurement]]\nkey = \"volume\"\ngroup = \"all\"\nof = \"mask-0\"\nfigure = \"volume\"\n\
                  concept = { value = \"118565006\", scheme = \"SCT\", meaning = \"Volume\" }\n\
                  unit = { value = \"mL\", scheme = \"UCUM\", meaning = \"milliliter\" }\n";
    head + volume + &readings.iter().enumerate().map(mask).collect::<String>()
}

fn volume() -> Arc<Volume> {
    let geometry = Geometry {
        slices: 7,
        rows: 12,
        columns: 10,
        origin: [-3.0, 5.0, 40.0],
        row_direction: [1.0, 0.0, 0.0],
        column_direction: [0.0, 1.0, 0.0],
        pixel_spacing: [0.8, 0.9],
        slice_step: 2.5,
    };
    let voxels = (0..geometry.voxels()).map(|i| ((i * 7919 % 1009) as f32) - 500.0).collect();
    Arc::new(Volume {
        geometry,
        voxels,
        slices: Vec::new(),
        frame_of_reference: None,
        displayed: false,
    })
}

/// A device with ONNX Runtime's provider, or the stand-in with the memory of the host.
fn site(gpu: &Arc<Gpu>) -> (Site, Place) {
    match driver() {
        Driver::Here { cards, .. } if cards[0].name == stand_in::NAME => {
            (Site::default(), Place::Host)
        }
        _ => (Site { gpu: Some(gpu.clone()), ..Site::default() }, Place::Cuda),
    }
}

/// On the CPU and on the device.
fn both(gpu: &Arc<Gpu>, input: &str) -> Option<[Findings; 2]> {
    let Ok(library) = find_library(None) else {
        println!("skipped: no ONNX Runtime; set ORT_DYLIB_PATH or run make once");
        return None;
    };
    let environment = environment(&library).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let author = Author { manifest: manifest(input, &READINGS), graph: volume_graph() };
    let models = Models::load(&author.write(folder.path())).unwrap();
    let model = models.model("tiny").unwrap();
    assert!(stays(model), "{input}");
    let images = [Images::Volume(volume())];
    let mut session = graph::open(&environment, model, &Site::default()).unwrap();
    let (reply, _caller) = tokio::sync::oneshot::channel::<()>();
    let on_cpu = Prepared::new(model, &images).unwrap();
    let tensors = run(&mut session, model, &on_cpu, &How::default(), &reply).unwrap();
    let expected = interpret(model, &images[0], &on_cpu, &tensors).unwrap();
    let (site, place) = site(gpu);
    let mut session = graph::open(&environment, model, &site).unwrap();
    let prepared = Prepared::on(gpu, model, &images).unwrap();
    let on_gpu = OnGpu { gpu, place, model, prepared: &prepared };
    let windows = model.manifest.lead().windows.as_ref();
    let tensors = on_gpu.run(&mut session, &RunOptions::new().unwrap(), windows).unwrap();
    let found = interpret(model, &images[0], &prepared, &tensors).unwrap();
    Some([expected, found])
}

#[test]
fn a_run_that_stays_on_the_device_finds_the_same() {
    if !matches!(driver(), Driver::Here { .. }) {
        println!("skipped: no CUDA device; the test below starts this one with a stand-in");
        return;
    }
    let gpu = Arc::new(Gpu::open(0).unwrap());
    let steps = "image-steps = [{ clip = { low = -400.0, high = 450.0 } }]\n\
                 steps = [{ z-score = {} }, { piecewise = [[-1.0, 0.0], [0.2, 0.3], [1.5, 1.0]] }]\n";
    let grid =
        "[input.grid]\norientation = \"LIA\"\nspacing = [1.1, 1.0, 1.3]\noutside = -1024.0\n";
    let cube = "[input.grid]\nalong = \"patient\"\norientation = \"LIA\"\nsize = [14, 14, 14]\n\
                spacing = [1.0, 1.0, 1.0]\ninterpolation = \"nearest\"\n";
    for input in [
        String::new(),
        steps.to_string(),
        format!("steps = [{{ min-max = {{}} }}]\n{grid}"),
        format!("{steps}{grid}"),
        format!("{steps}{cube}"),
        format!("{steps}{grid}interpolation = \"area\"\n"),
        format!(
            "{steps}[input.windows]\nsize = [4, 4, 4]\noverlap = 0.5\nblending = \"gaussian\"\n"
        ),
        format!("{steps}{grid}[input.windows]\nsize = [5, 4, 4]\noverlap = 0.25\nbatch = 3\n"),
        format!("{steps}[input.windows]\nsize = [7, 4, 5]\noverlap = 0.0\nbatch = 64\n"),
        format!(
            "{steps}[input.windows]\nsize = [16, 3, 16]\noutside = 0.7\nblending = \"gaussian\"\n"
        ),
    ] {
        let Some([expected, found]) = both(&gpu, &input) else { return };
        let masks = |findings: &Findings| -> Vec<Vec<u8>> {
            findings.masks.iter().map(|mask| mask.voxels.clone()).collect()
        };
        assert!(masks(&found) == masks(&expected), "{input}: the masks differ");
        let inside = |mask: usize| found.masks[mask].voxels.iter().filter(|v| **v == 1).count();
        assert!((0..3).all(|mask| inside(mask) > 0), "{input}: something is found");
    }
}

#[test]
fn a_run_that_stays_on_the_device_finds_the_same_on_a_stand_in() {
    let Some(folder) = stand_in::build() else { return };
    let name = "cuda::run::tests::a_run_that_stays_on_the_device_finds_the_same";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
