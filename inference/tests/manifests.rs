//! What a model's author reads when a folder below `models/` is not right.

mod kit;

use gantry_inference::manifest::Manifest;
use gantry_inference::models::Models;
use kit::author::{Author, MANIFEST};
use std::path::Path;

/// The problems of a manifest in which `from` was written as `to`, the folder's name cut off.
fn problems(from: &str, to: &str) -> String {
    assert!(MANIFEST.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let author = Author { manifest: MANIFEST.replacen(from, to, 1), ..Author::default() };
    let models = author.write(folder.path());
    let problems = Models::load(&models).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("\n").replace(&format!("{}/", folder.path().display()), "")
}

/// The first problem of that manifest, without its source line.
fn check(from: &str, to: &str, expected: &str) {
    let found = problems(from, to);
    let first = found.lines().next().unwrap();
    assert_eq!(first, format!("models/tiny/model.toml:{expected}"));
}

#[test]
fn an_unknown_key_is_shown_with_its_place_and_the_nearest_known_one() {
    let expected = "\
models/tiny/model.toml:22:1: unknown key `intensty`, did you mean `intensity`?
   |
22 | intensty    = \"hounsfield\"
   | ^^^^^^^^";
    assert_eq!(problems("intensity   =", "intensty    ="), expected);
}

#[test]
fn every_fault_of_a_manifest_is_told_with_its_line() {
    check("manifest = 1", "manifest = 2", "1:12: this build reads manifests of version 1 only");
    check(
        "time-out = 10",
        "time-out = -1",
        "4:12: time-out is in seconds, above 0 and at most 3600",
    );
    check("research-only = true\n", "", "6:1: the key `research-only` is missing");
    check("[\"structured-report\"]", "[]", "3:12: name at least one result");
    check(
        "[\"structured-report\"]",
        "[\"pdf\"]",
        "3:13: `pdf` is not known here; known: `structured-report`, `secondary-capture`, `derived-images`, \
         `segmentation`, `fractional-segmentation`, `label-map`, `parametric-map`, `key-objects`, `presentation-state`, `text-report`, `encapsulated-pdf`",
    );
    check(
        "[\"structured-report\"]",
        "[\"key-objects\"]",
        "3:12: there is nothing to flag images for: key objects show a [[detection]], a [[classification]], or a \
         [[segmentation]] whose category is (49755003, SCT)",
    );
    check(
        "[\"structured-report\"]",
        "[\"presentation-state\"]",
        "3:12: there is nothing to draw: a presentation state outlines a [[detection]] or a [[segmentation]]",
    );
    check(
        "\"model.onnx\"",
        "\"../model.onnx\"",
        "2:12: the graph is a file beside its manifest: a plain name",
    );
    check(
        "group   = \"all\"",
        "group   = \"al\"",
        "32:11: there is no group `al`, did you mean `all`?",
    );
    check("scheme = \"UCUM\"", "scheme = \"SCT\"", "36:11: a unit is of the scheme UCUM");
    check("scale   = 10.0", "scale   = 0", "37:11: a scale is a number other than 0");
    check(
        "\"25045-6\"",
        "\"25045-6-and-more-of-it-and-more-of-it-and-more-of-it-and-more-of-it-\"",
        "13:1: value has 1 to 64 characters, this one has 68",
    );
    check(
        "\"hounsfield\"",
        "\"window\"",
        "22:15: `window` is not known here; known: `hounsfield`, `rescaled`, `displayed`",
    );
    check("= 1\n", "= = 1\n", "1:12: extra `=`, expected nothing");
}

#[test]
fn faults_of_choices_are_told_with_their_line() {
    const RIGHT: &str = r#"{ value = "R", scheme = "SCT", meaning = "Right" }"#;
    const LEFT: &str = r#"{ value = "L", scheme = "SCT", meaning = "Left" }"#;
    let choice = |group: &str, classes: &[&str], activation: &str, more: &str| {
        let classes = classes.join(", ");
        format!(
            "[[choice]]\nkey = \"side\"\ngroup = \"{group}\"\n\
             question = {{ value = \"S\", scheme = \"SCT\", meaning = \"Side\" }}\n\
             classes = [{classes}]\ntensor = \"numbers\"\nactivation = \"{activation}\"\n{more}\n\n[[measurement]]"
        )
    };
    let both = [RIGHT, LEFT];
    let told = |group: &str, classes: &[&str], activation: &str, more: &str, expected: &str| {
        check("[[measurement]]", &choice(group, classes, activation, more), expected);
    };
    told("al", &both, "softmax", "", "32:9: there is no group `al`, did you mean `all`?");
    told(
        "all",
        &both,
        "sigmoid",
        "",
        "36:14: one of the classes is the answer, they are not there each by itself: \"softmax\", or \"none\" \
         where the graph gives probabilities; a [[classification]] for each says which of them are there",
    );
    told("all", &both[..1], "softmax", "", "34:11: a choice is among 2 to 256 classes");
    told("all", &[RIGHT, RIGHT], "softmax", "", "34:64: this is a class above already");
    let below = "undetermined-below = 1.5";
    told("all", &both, "softmax", below, "37:22: a probability is from 0 to 1");
    let alone = "unit = { value = \"%\", scheme = \"UCUM\", meaning = \"per cent\" }";
    let text = "37:8: a probability is told with `concept` and `unit`: both, or neither";
    told("all", &both, "softmax", alone, text);
    let first = choice("all", &both, "softmax", "").replace("[[measurement]]", "");
    let second = choice("all", &both, "softmax", "").replace("\"side\"", "\"other\"");
    let text = "42:12: a choice above answers this question for this group already";
    check("[[measurement]]", &format!("{first}{second}"), text);
}

#[test]
fn faults_of_grids_steps_and_figures_are_told_with_their_line() {
    let grid = |keys: &str| format!("slice-order = \"along-normal\"\n[input.grid]\n{keys}\n");
    let order = "slice-order = \"along-normal\"\n";
    check(
        order,
        &grid("orientation = \"LRA\""),
        "26:15: three letters, one of L and R, one of P and A, one of S and I: the sides toward \
         which the tensor's axes grow, the slowest first",
    );
    check(
        order,
        &grid("size = [256, 256, 0]"),
        "26:8: a size is three numbers above 0, at most 536870912 voxels in all",
    );
    check(
        order,
        &grid("spacing = [1.0, -1.0, 1.0]"),
        "26:11: a spacing is three numbers of mm above 0",
    );
    check(
        order,
        &grid("along = \"patient\"\nsize = [8, 8, 8]"),
        "25:1: along = \"patient\" needs an orientation, one spacing for all axes and a cube as size",
    );
    check(order, &grid("size = [8, 8]"), "26:8: invalid length 2, expected an array of length 3");
    check(
        order,
        &grid("oriented = \"LIA\""),
        "26:1: unknown key `oriented`, did you mean `orientation`?",
    );
    let steps = |steps: &str| format!("{order}steps = [{steps}]\n");
    check(
        order,
        &steps("{ window = { low = 3, high = 3 } }"),
        "25:10: the ends of a window is 3 and 3, it must be two numbers, the first below the second: \
         the model's manifest has to be mended",
    );
    check(
        order,
        &steps("{ windw = { low = 3, high = 4 } }"),
        "25:12: `windw` is not known here; known: `window`, `clip`, `min-max`, `z-score`, `quantiles`, `piecewise`",
    );
    let scores = "[[segmentation]]\nkey = \"a\"\nlabel = \"A\"\ntensor = \"scores\"\nclass = 1\n\
                  category = { value = \"1\", scheme = \"SCT\", meaning = \"A\" }\n\
                  property = { value = \"1\", scheme = \"SCT\", meaning = \"A\" }\n\
                  colour = \"#ff0080\"\ndraw-order = 1\n[[group]]";
    check(
        "[[group]]",
        scores,
        "30:9: scores of classes need axes = \"batch-channel-slice-row-column\"",
    );
    let of = "tensor  = \"numbers\"\nindex   = 0\n";
    check(of, "of = \"lung\"\nfigure = \"mean\"\n", "33:6: there is no segmentation `lung`");
    check(of, "of = \"lung\"\n", "33:6: there is no segmentation `lung`");
    check(
        of,
        "tensor = \"numbers\"\n",
        "31:11: a measurement has `tensor` and `index`, or `of`, the key of a segmentation, and \
         `figure` or `percentile`",
    );
}

#[test]
fn faults_of_windows_are_told_with_their_line() {
    // Among others: a number of a tensor can not come of pieces.
    let check = |from: &str, to: &str, expected: &str| {
        let (found, expected) =
            (problems(from, to), format!("models/tiny/model.toml:{expected}\n"));
        assert!(found.contains(&expected), "{found}");
    };
    let order = "slice-order = \"along-normal\"\n";
    let windows = |keys: &str| format!("{order}[input.windows]\n{keys}\n");
    check(order, &windows("overlp = 0.5"), "26:1: unknown key `overlp`, did you mean `overlap`?");
    check(
        order,
        &windows("overlap = 0.5"),
        "25:1: windows have either a `size`, or each = \"slice\"",
    );
    check(
        order,
        &windows("size = [8, 8, 8]\neach = \"slice\""),
        "25:1: windows have either a `size`, or each = \"slice\"",
    );
    check(
        order,
        &windows("size = [8, 0, 8]"),
        "26:8: the size of a window is three numbers above 0, at most 536870912 voxels in a batch",
    );
    check(
        order,
        &windows("size = [8, 8, 8]\noverlap = 1.0"),
        "27:11: an overlap is the part of a window that the next one covers too, from 0 to below 1",
    );
    check(
        order,
        &windows("size = [8, 8, 8]\nblending = \"linear\""),
        "27:12: `linear` is not known here; known: `constant`, `gaussian`",
    );
    check(
        order,
        &windows("size = [8, 8, 8]\nneighbours = 1"),
        "27:14: neighbours are those of a slice: each = \"slice\"",
    );
    check(
        order,
        &windows("each = \"slice\"\nblending = \"gaussian\""),
        "27:12: this is for windows with a `size`: slices do not overlap",
    );
    check(
        order,
        &windows("size = [8, 8, 8]\nbatch = 0"),
        "27:9: a batch is 1 to 64 pieces at a time",
    );
    check(
        order,
        &format!("{order}[input.grid]\nsize = [8, 8, 8]\nmultiple-of = 4\n"),
        "27:15: a `size` says already how many voxels there are",
    );
    check(
        order,
        &format!("{order}[input.grid]\nmultiple-of = [4, 4]\n"),
        "26:15: a multiple is one number, or three of them",
    );
}

#[test]
fn what_pieces_can_not_give_is_told_before_anything_runs() {
    let order = "slice-order = \"along-normal\"\n";
    let windows = |keys: &str| format!("{order}[input.windows]\n{keys}\n");
    let all = |to: &str| problems(order, to);
    let found = all(&windows("size = [8, 8, 8]"));
    assert!(
        found.contains(
            "the graph sees a piece at a time, and says a number of each: measure a segmentation \
             (`of`), or leave [input.windows] away"
        ),
        "{found}"
    );
    let found = all(&windows("each = \"slice\""));
    let together =
        "axes = \"batch-channel-row-column\" and [input.windows] each = \"slice\" go together";
    assert!(found.contains(together), "{found}");
    let found = problems("\"slice-row-column\"", "\"batch-channel-row-column\"");
    assert!(found.contains(together), "{found}");
    let found = all(&windows("size = [8, 8, 8]\nbatch = 2"));
    assert!(found.contains("a batch needs axes = \"batch-channel-slice-row-column\""), "{found}");
    let mask = "[[segmentation]]\nkey = \"a\"\nlabel = \"A\"\ntensor = \"labels\"\n\
                category = { value = \"1\", scheme = \"SCT\", meaning = \"A\" }\n\
                property = { value = \"1\", scheme = \"SCT\", meaning = \"A\" }\n\
                colour = \"#ff0080\"\ndraw-order = 1\n";
    let blended = "labels of windows that overlap can not be blended";
    for (keys, grid, told) in [
        ("size = [8, 8, 8]", "", true),
        ("size = [8, 8, 8]\noverlap = 0.0", "", true),
        ("size = [8, 8, 8]\noverlap = 0.0", "[input.grid]\nmultiple-of = 4\n", true),
        ("size = [8, 8, 8]\noverlap = 0.0", "[input.grid]\nmultiple-of = 16\n", false),
        ("size = [8, 8, 8]\noverlap = 0.0", "[input.grid]\nsize = [8, 16, 24]\n", false),
        ("size = [8, 8, 8]\noverlap = 0.5", "[input.grid]\nsize = [8, 16, 24]\n", true),
    ] {
        let found = all(&format!("{}{grid}{mask}", windows(keys)));
        assert_eq!(found.contains(blended), told, "{keys}\n{grid}\n{found}");
    }
}

#[test]
fn unknown_keys_hide_neither_each_other_nor_what_is_wrong_behind_them() {
    let found = problems("index   = 0\n", "indx = 0\nindex = 0\nlabl = 1\n");
    let found = found.replace("scale   = 10.0", "");
    let lines: Vec<&str> = found.lines().filter(|line| line.contains("model.toml")).collect();
    let expected = [
        "models/tiny/model.toml:34:1: unknown key `indx`, did you mean `index`?",
        "models/tiny/model.toml:36:1: unknown key `labl`",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn all_faults_of_meaning_come_at_once() {
    let found = problems(
        "scale   = 10.0",
        "scale   = 0\nderivation = { value = \"\", scheme = \"SCT\", meaning = \"x\\\\y\" }",
    );
    let lines: Vec<&str> = found.lines().filter(|line| line.contains("model.toml")).collect();
    assert_eq!(lines.len(), 3, "{found}");
}

#[test]
fn a_graph_that_is_absent_or_is_another_one_is_told_with_what_to_do() {
    let found = problems("\"model.onnx\"", "\"modell.onnx\"");
    assert!(found.starts_with("models/tiny/modell.onnx: the graph can not be read: "), "{found}");
    assert!(found.ends_with(", did you mean `model.onnx`?"), "{found}");
    let digest = "0".repeat(64);
    let found = problems("results ", &format!("sha256 = \"{digest}\"\nresults "));
    assert!(found.starts_with("models/tiny/model.onnx: its SHA-256 is "), "{found}");
    assert!(found.contains("restore the graph, or release it as a new version"), "{found}");
}

#[test]
fn a_graph_that_no_onnx_file_can_be_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let models = Author::default().write(folder.path());
    let graph = std::fs::File::create(models.join("tiny/model.onnx")).unwrap();
    graph.set_len(4 << 30).unwrap(); // takes no room on the disk
    let problems = Models::load(&models).unwrap_err();
    let text = problems[0].to_string();
    assert!(text.contains("the graph has 4096 MiB: an ONNX file has at most 2 GiB"), "{text}");
}

#[test]
fn a_folder_without_a_manifest_or_with_a_wild_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("models/half")).unwrap();
    std::fs::create_dir_all(folder.path().join("models/Über uns")).unwrap();
    std::fs::create_dir_all(folder.path().join("models/.git")).unwrap();
    let problems = Models::load(&folder.path().join("models")).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("each folder of a model has a model.toml")));
    assert!(texts.iter().any(|text| text.contains("the folder's name is the model's name")));
    assert!(Models::load(&folder.path().join("nowhere")).is_err());
}

#[test]
fn the_shipped_models_are_marked_research_only_and_keep_their_digests() {
    let models = kit::shipped();
    for name in ["emphysema", "denoiser"] {
        let model = models.model(name).unwrap();
        assert!(model.manifest.algorithm.research_only, "{name}");
        assert_eq!(model.manifest.sha256.as_deref(), Some(model.digest.as_str()), "{name}");
        let card = kit::root().join("models").join(name).join("README.md");
        let card = std::fs::read_to_string(card).unwrap().to_lowercase();
        assert!(card.contains("research use only, not a medical device"), "{name}");
    }
}

#[test]
fn every_manifest_of_the_guide_for_authors_is_one() {
    let guide = std::fs::read_to_string(kit::root().join("models/README.md")).unwrap();
    let examples: Vec<&str> = guide
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert_eq!(examples.len(), 10);
    for example in examples {
        let manifest = Manifest::parse(Path::new("models/README.md"), example);
        let manifest = manifest.unwrap_or_else(|problems| panic!("{}", problems[0]));
        assert!(!manifest.inputs.is_empty());
    }
}
