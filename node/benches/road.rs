//! `cargo bench -p gantry --bench road`: from the last C-STORE response to the last result at the PACS, less quiet time and model time.

use clap::Parser;
use gantry::cli::{Cli, Command, DemoArguments};
use gantry::demo;
use std::path::PathBuf;

const RUNS: usize = 10;

fn main() {
    // The node starts this very program again for each model.
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return gantry_inference::worker::serve().expect("the node asks");
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let real = root.join("../shared/data/ct_chest_A0002_B40f");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    measure(&runtime, "phantom chest CT, 40 images", &arguments(&root, None));
    if real.is_dir() {
        measure(&runtime, "real chest CT, 30 images", &arguments(&root, Some(real)));
    } else {
        println!("skipped: no real chest CT beside this checkout");
    }
}

fn arguments(root: &std::path::Path, series: Option<PathBuf>) -> DemoArguments {
    let Command::Demo(defaults) = Cli::parse_from(["gantry", "demo"]).command else {
        unreachable!("`demo` parses as the demo")
    };
    DemoArguments {
        rules: root.join("rules"),
        models: root.join("models"),
        series,
        quiet_seconds: 0.2,
        ..defaults
    }
}

/// Each run has a node, a data folder and a PACS of its own.
fn measure(runtime: &tokio::runtime::Runtime, what: &str, arguments: &DemoArguments) {
    let mut rest = Vec::new();
    let mut model = Vec::new();
    for run in 1..=RUNS {
        match runtime.block_on(demo::measure(arguments)) {
            Ok(times) => {
                rest.push(times.rest());
                model.push(times.model);
            }
            Err(error) => return println!("skipped: run {run} gave no figure: {error}"),
        }
    }
    println!(
        "{what}: node {:.3} s (least {:.3}, most {:.3}), model {:.3} s; medians of {RUNS} runs",
        median(&mut rest),
        rest[0],
        rest[RUNS - 1],
        median(&mut model)
    );
}

/// Sorts, and takes the middle.
fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 {
        figures[middle]
    } else {
        (figures[middle - 1] + figures[middle]) / 2.0
    }
}
