//! An author's words for masks over films and over frames, and for the figures that are taken of them.

fn code(key: &str, value: &str) -> String {
    format!("{key} = {{ value = \"{value}\", scheme = \"UCUM\", meaning = \"A\" }}\n")
}

pub fn mask(reading: &str) -> String {
    let codes = [code("category", "1"), code("property", "1")].concat();
    format!(
        "[[segmentation]]\nkey = \"mask\"\nlabel = \"Mask\"\n{reading}\n{codes}colour = \"#ff0080\"\ndraw-order = 1\n"
    )
}

/// A figure of it in this unit, as `name`.
fn figure(name: &str, figure: &str, unit: &str) -> String {
    let codes = [code("concept", "N"), code("unit", unit)].concat();
    format!(
        "[[measurement]]\nkey = \"{name}\"\ngroup = \"all\"\nof = \"mask\"\nfigure = \"{figure}\"\n{codes}"
    )
}

/// What the manifest of the chest film classifier says of a model on films, with other outputs.
pub fn of_films(image: &str, outputs: &[String]) -> String {
    of_kind("image", image, outputs)
}

/// The same of films or of frames.
pub fn of_kind(kind: &str, image: &str, outputs: &[String]) -> String {
    let text = include_str!("../models/chest-film/model.toml");
    let pinned = text.lines().find(|line| line.starts_with("sha256")).unwrap();
    let head = text[..text.find("[input]").unwrap()].replace(pinned, "");
    let head = head.replace("cxr_pneumonia28.onnx", "model.onnx");
    format!(
        "{head}[input]\nkind = \"{kind}\"\nmodality = \"CR\"\ntensor = \"voxels\"\nintensity = \"rescaled\"\n\
         axes = \"batch-channel-row-column\"\n[input.image]\n{image}\n{}",
        outputs.concat()
    )
}

pub fn with_figures(reading: &str, figures: &[[&str; 3]]) -> Vec<String> {
    let group = "[[group]]\nkey = \"all\"\nlabel = \"All\"\n".to_string();
    let figures = figures.iter().map(|[name, of, unit]| figure(name, of, unit));
    [mask(reading), group].into_iter().chain(figures).collect()
}

pub const FIGURES: [[&str; 3]; 7] = [
    ["mm2", "area", "mm2"],
    ["cm2", "area", "cm2"],
    ["pixels", "area", "{pixels}"],
    ["parts", "count", "{parts}"],
    ["mean", "mean", "1"],
    ["most", "maximum", "1"],
    ["sum", "sum", "1"],
];
