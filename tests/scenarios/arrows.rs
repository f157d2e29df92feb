//! The borders of the design: which crate may depend on which.

use serde_json::Value;
use std::process::Command;

/// From the ground up. A crate may use what lies below its own row, never its own row or above.
const ROWS: [&[&str]; 5] = [
    &["gantry-terms"],
    &["gantry-store", "gantry-inference", "gantry-results", "gantry-deidentification"],
    &["gantry-routing"],
    &["gantry"],
    &["gantry-tests"],
];

fn row(package: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&package))
}

#[test]
fn dependencies_between_the_crates_run_one_way() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(kit::need::root())
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .expect("cargo starts");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("an array of packages");
    assert_eq!(packages.len(), ROWS.iter().map(|row| row.len()).sum::<usize>());
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let own = row(name).unwrap_or_else(|| panic!("{name} has no place in the design"));
        for dependency in package["dependencies"].as_array().expect("an array") {
            let other = dependency["name"].as_str().expect("a name");
            if let Some(other_row) = row(other) {
                assert!(other_row < own, "{name} may not depend on {other}");
            }
        }
    }
}
