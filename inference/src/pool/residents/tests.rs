//! What is unloaded for whom, who waits, and what is refused.

use super::super::needs::GUESS;
use super::*;

const MIB: u64 = 1 << 20;

fn names(gone: Vec<(String, &str)>) -> Vec<String> {
    gone.into_iter().map(|(name, _)| name).collect()
}

fn of_mib(budget: u64) -> Residents<&'static str> {
    Residents::new(budget * MIB, BTreeMap::new())
}

/// Its process, and who goes for it.
fn admitted(
    residents: &mut Residents<&'static str>,
    model: &str,
    voxels: usize,
) -> (Option<&'static str>, Vec<String>) {
    match residents.admit(model, voxels) {
        Admission::Now { worker, gone } => (worker, names(gone)),
        other => panic!("{model}: {other:?}"),
    }
}

fn waits(residents: &mut Residents<&'static str>, model: &str, voxels: usize) -> bool {
    matches!(residents.admit(model, voxels), Admission::Later)
}

/// Why, after it was tried again in a lean process in which nothing ran before.
fn never(residents: &mut Residents<&'static str>, model: &str, voxels: usize, mib: u64) -> String {
    loop {
        admitted(residents, model, voxels);
        let new = residents.is_lean(model);
        if new && voxels > 0 {
            residents.opened(model, MIB);
        }
        let growth = residents.grows(model, voxels, mib * MIB);
        residents.leave(model);
        match growth {
            Growth::Never(why) => return why,
            Growth::Again => assert!(!new, "once"),
            Growth::Fits(_) => panic!("{mib} MiB fit"),
        }
    }
}

/// As the pool opens it, where that takes so many MiB: who goes for it.
fn open(residents: &mut Residents<&'static str>, model: &str, mib: u64) -> Vec<String> {
    let (_, mut gone) = admitted(residents, model, 0);
    residents.opened(model, mib * MIB);
    gone.extend(names(residents.back(model, "opened", 0, mib * MIB)));
    residents.leave(model);
    gone
}

/// The same with a run on so many voxels.
fn run(
    residents: &mut Residents<&'static str>,
    model: &str,
    voxels: usize,
    mib: u64,
) -> Vec<String> {
    let (worker, mut gone) = admitted(residents, model, voxels);
    if worker.is_none() {
        residents.opened(model, MIB);
    }
    gone.extend(names(residents.back(model, worker.unwrap_or("new"), voxels, mib * MIB)));
    residents.leave(model);
    gone
}

#[test]
fn what_was_not_used_for_longest_goes_until_the_known_need_fits() {
    let mut residents = of_mib(160);
    let none: [String; 0] = [];
    for model in ["a", "b"] {
        assert_eq!(open(&mut residents, model, 40), none);
    }
    assert_eq!(open(&mut residents, "c", 64), none);
    assert_eq!(run(&mut residents, "a", 100, 40), none);
    assert_eq!(open(&mut residents, "d", 20), ["b"], "nobody knows what it takes");
    let (worker, gone) = admitted(&mut residents, "d", 100);
    assert!(worker.is_some() && gone.is_empty());
    // 40 and 64 are taken, and a 64th of all stays free for what it takes until the next look.
    assert!(matches!(residents.grows("d", 100, 53 * MIB), Growth::Fits(gone) if gone.is_empty()));
    let Growth::Fits(gone) = residents.grows("d", 100, 56 * MIB) else { panic!("it fits") };
    assert_eq!(names(gone), ["c"], "it grows while it runs");
}

#[test]
fn room_is_made_before_a_run_whose_need_is_not_known_yet() {
    let mut residents = of_mib(200);
    open(&mut residents, "a", 30);
    open(&mut residents, "b", 10);
    let of_mib = |mib: u64| (mib * MIB / GUESS) as usize;
    let gone_for = |residents: &mut Residents<_>, voxels| {
        let (worker, gone) = admitted(residents, "b", voxels);
        names(residents.back("b", worker.expect("it stays"), 0, 10 * MIB));
        residents.leave("b");
        gone
    };
    assert!(gone_for(&mut residents, of_mib(160)).is_empty(), "30, and 10 and 160");
    assert_eq!(gone_for(&mut residents, of_mib(161)), ["a"]);
    open(&mut residents, "a", 30);
    run(&mut residents, "b", 1000, 20);
    let (worker, gone) = admitted(&mut residents, "b", 7555);
    assert!(worker.is_some() && gone.is_empty(), "20 and an eighth, 7.555 times, and 30");
    residents.back("b", "same", 1000, 20 * MIB);
    residents.leave("b");
    assert_eq!(admitted(&mut residents, "b", 7556).1, ["a"]);
}

#[test]
fn what_runs_on_another_device_is_counted_and_waited_for() {
    let mut residents = of_mib(160);
    for (model, mib) in [("a", 60), ("b", 51), ("c", 20)] {
        open(&mut residents, model, mib);
    }
    run(&mut residents, "a", 10, 80);
    assert_eq!(admitted(&mut residents, "a", 10).1, ["b"], "it wants 90 and c has 20");
    assert_eq!(admitted(&mut residents, "b", 0).1, ["c"], "90 and 51");
    assert!(waits(&mut residents, "c", 0), "there are 19");
    assert!(waits(&mut residents, "a", 10), "one run of a model at a time");
    residents.leave("b");
    assert!(admitted(&mut residents, "c", 0).1.is_empty());
    residents.leave("a");
    residents.leave("c");
    assert_eq!(residents.busy_beside("", Of::Machine), 0);
}

#[test]
fn who_outgrows_what_was_set_aside_beside_others_begins_again_when_there_is_more() {
    let mut residents = of_mib(200);
    open(&mut residents, "a", 40);
    open(&mut residents, "b", 40);
    run(&mut residents, "a", 10, 80);
    run(&mut residents, "b", 10, 80);
    assert!(admitted(&mut residents, "a", 10).0.is_some());
    assert!(admitted(&mut residents, "b", 10).0.is_some(), "90 each");
    assert!(matches!(residents.grows("a", 10, 90 * MIB), Growth::Fits(_)), "as it was told");
    assert!(matches!(residents.grows("a", 10, 110 * MIB), Growth::Fits(_)), "there is so much");
    assert!(matches!(residents.grows("b", 10, 91 * MIB), Growth::Again), "and no more");
    residents.leave("b");
    assert!(waits(&mut residents, "b", 10), "until the other one has ended");
    residents.back("a", "a", 10, 110 * MIB);
    residents.leave("a");
    assert_eq!(
        admitted(&mut residents, "b", 10),
        (None, vec!["a".to_string()]),
        "91 and an eighth"
    );
}

#[test]
fn who_had_too_little_room_beside_others_twice_begins_again_with_all_of_it() {
    let mut residents = of_mib(1000);
    open(&mut residents, "a", 40);
    open(&mut residents, "b", 40);
    open(&mut residents, "idle", 40);
    // Others have as much as leaves it too little each time, a little later than the last time.
    for (busy, takes) in [(900, 110), (800, 210)] {
        admitted(&mut residents, "a", 0);
        assert!(matches!(residents.grows("a", 0, busy * MIB), Growth::Fits(_)));
        assert_eq!(residents.busy_beside("b", Of::Machine), busy * MIB);
        admitted(&mut residents, "b", 10);
        assert!(matches!(residents.grows("b", 10, takes * MIB), Growth::Again));
        residents.leave("b");
        residents.back("a", "a", 0, 40 * MIB);
        residents.leave("a");
    }
    admitted(&mut residents, "a", 0);
    assert!(waits(&mut residents, "b", 10), "the third time it is alone");
    residents.back("a", "a", 0, 40 * MIB);
    residents.leave("a");
    open(&mut residents, "idle", 40);
    assert_eq!(admitted(&mut residents, "b", 10).1, ["a", "idle"]);
    assert!(waits(&mut residents, "a", 0), "nobody begins beside it");
    residents.opened("b", 40 * MIB);
    assert!(matches!(residents.grows("b", 10, 999 * MIB), Growth::Fits(_)));
    residents.back("b", "b", 10, 300 * MIB);
    residents.leave("b");
    // Once it has come back it is as any other.
    admitted(&mut residents, "a", 0);
    assert!(admitted(&mut residents, "b", 10).0.is_some(), "300 and an eighth beside 40");
}

#[test]
fn what_needs_more_than_the_budget_is_refused_and_unloads_no_other() {
    let mut residents = of_mib(100);
    assert!(open(&mut residents, "a", 30).is_empty());
    assert_eq!(residents.refusal("b", 0), None);
    let why = "the model `b` took at least 200 MiB to open its graph, and all models together may take 100: \
               set inference.memory-mib to more than 200 if the machine has it, or take the model away";
    assert_eq!(never(&mut residents, "b", 0, 200), why);
    assert_eq!(residents.refusal("b", 1).as_deref(), Some(why));
    assert_eq!(residents.refusal("a", 1), None);
    open(&mut residents, "a", 30);

    residents.known("large", 101 * MIB, Device::Cpu);
    let why = "the model `large` needs at least 101 MiB for its graph, and all models together may take 100: \
               set inference.memory-mib to more than 101 if the machine has it, or take the model away";
    assert_eq!(residents.refusal("large", 0).as_deref(), Some(why));
    let why = "the model `a` needs at least 120 MiB for its graph and 31457280 voxels, and all models together \
               may take 100: set inference.memory-mib to more than 120 if the machine has it, or let the rule \
               select fewer images";
    let Admission::Never(refused) = residents.admit("a", 30 << 20) else {
        panic!("it can not fit")
    };
    assert_eq!(refused, why);
    assert!(admitted(&mut residents, "a", 100).0.is_some(), "it stays loaded");
}

#[test]
fn a_volume_that_was_too_large_refuses_larger_ones_and_no_smaller_ones() {
    let mut residents = of_mib(100);
    open(&mut residents, "a", 60);
    for refused in [false, true] {
        // It answered between two looks, in a process with large pages and in one without.
        admitted(&mut residents, "a", 90);
        assert_eq!(names(residents.back("a", "same", 90, 101 * MIB)), ["a"], "its process ends");
        residents.leave("a");
        assert_eq!(residents.refusal("a", 90).is_some(), refused);
        assert!(residents.is_lean("a"));
    }
    assert!(matches!(residents.grows("a", 95, 120 * MIB), Growth::Never(_)));
    assert_eq!(residents.refusal("a", 89), None);
    let why = residents.refusal("a", 90).expect("as large");
    assert!(why.contains("took at least 101 MiB for 90 voxels"), "{why}");
    never(&mut residents, "a", 80, 101);
    assert!(residents.refusal("a", 80).is_some());
}

#[test]
fn a_small_run_is_not_charged_with_what_larger_ones_left_in_its_process() {
    let mut residents = of_mib(230);
    open(&mut residents, "a", 60);
    run(&mut residents, "a", 4000, 229);
    assert!(admitted(&mut residents, "a", 1000).0.is_some(), "in the same process");
    assert!(matches!(residents.grows("a", 1000, 244 * MIB), Growth::Again), "in another one");
    residents.leave("a");
    assert_eq!(residents.refusal("a", 1000), None);
    assert_eq!(admitted(&mut residents, "a", 1000).0, None);
    residents.opened("a", 60 * MIB);
    assert!(matches!(residents.grows("a", 1000, 110 * MIB), Growth::Fits(_)));
    residents.back("a", "new", 1000, 110 * MIB);
    residents.leave("a");
    // What it took is known of runs of its size, and room is made for no more than that.
    open(&mut residents, "b", 60);
    assert!(admitted(&mut residents, "a", 1000).1.is_empty(), "110 and an eighth beside 60");
    // A run that answered between two looks was too large all the same; one that others ran before was not.
    residents.back("a", "same", 1000, 231 * MIB);
    residents.leave("a");
    assert_eq!(residents.refusal("a", 1000), None);
}

#[test]
fn what_was_only_tried_is_forgotten() {
    let mut residents = of_mib(100);
    residents.known("a", 200 * MIB, Device::Cpu);
    assert!(residents.refusal("a", 0).is_some());
    residents.forget("a");
    residents.known("a", MIB, Device::Cpu);
    assert_eq!(residents.refusal("a", 0), None, "another one of its name");
    open(&mut residents, "a", 30);
    assert_eq!(residents.peak("a"), Some(30 * MIB));
    assert_eq!(residents.forget("a"), Some("opened"));
    assert_eq!(residents.peak("a"), None);
}

/// A graph of 100 MiB on `cuda:0`, opened, in a process that took so much there.
fn opened_there(residents: &mut Residents<&'static str>, model: &str, mib: u64) {
    residents.known(model, 100 * MIB, Device::Cuda(0));
    open(residents, model, 10);
    residents.took_there(model, 0, mib * MIB, 1000 * MIB);
}

#[test]
fn each_device_has_a_budget_of_its_own() {
    let mut residents = of_mib(10_000);
    for (model, device) in [("a", 0), ("b", 1), ("c", 1)] {
        residents.known(model, 100 * MIB, Device::Cuda(device));
    }
    open(&mut residents, "a", 10);
    residents.took_there("a", 0, 900 * MIB, 1000 * MIB);
    open(&mut residents, "b", 10);
    residents.took_there("b", 0, 400 * MIB, 500 * MIB);
    assert_eq!(residents.budget_there("a"), Some(1000 * MIB));
    assert_eq!(residents.budget_there("c"), Some(500 * MIB));
    // 248, a guess, and 400 are more than the second device has, and a is of the first.
    assert_eq!(admitted(&mut residents, "c", 0).1, ["b"]);
    assert!(
        !waits(&mut residents, "a", 0),
        "what runs on the second device takes nothing of the first"
    );
    assert!(waits(&mut residents, "b", 0));
    residents.leave("a");
    residents.leave("c");
}

#[test]
fn what_a_device_has_is_shared_as_the_memory_of_the_machine_is() {
    let mut residents = of_mib(10_000);
    opened_there(&mut residents, "a", 400);
    assert_eq!(residents.budget_there("a"), Some(1000 * MIB), "the first one told");
    residents.known("elsewhere", 100 * MIB, Device::Cuda(1));
    assert_eq!(residents.budget_there("elsewhere"), None);
    opened_there(&mut residents, "b", 300);
    open(&mut residents, "on the CPU", 500);
    residents.known("c", 100 * MIB, Device::Cuda(0));
    assert!(admitted(&mut residents, "c", 0).1.is_empty(), "twice its graph and 48, a guess");
    residents.took_there("c", 0, 310 * MIB, 500 * MIB);
    residents.back("c", "c", 0, 10 * MIB);
    residents.leave("c");
    assert_eq!(residents.budget_there("c"), Some(1000 * MIB), "not of what is free by then");
    assert_eq!(admitted(&mut residents, "c", 0).1, ["a"], "400, 300 and 310; b is newer");
    assert!(waits(&mut residents, "a", (10 * MIB) as usize), "400 and more beside a run of 310");
    residents.took_there("c", 20, 600 * MIB, 0);
    residents.back("c", "c", 20, 10 * MIB);
    residents.leave("c");
    // As much as it took before, and an eighth.
    assert_eq!(admitted(&mut residents, "c", 20).1, Vec::<String>::new(), "675 and 300");
    residents.leave("c");
    // A small run is not charged with what a larger one left in its process.
    open(&mut residents, "c", 10);
    residents.took_there("c", 0, 310 * MIB, 0);
    for (voxels, took) in [(20, 600), (2, 600)] {
        admitted(&mut residents, "c", voxels);
        residents.took_there("c", voxels, took * MIB, 0);
        residents.back("c", "c", voxels, 10 * MIB);
        residents.leave("c");
    }
    admitted(&mut residents, "c", 2);
    residents.leave("c");
    open(&mut residents, "c", 10);
    residents.took_there("c", 0, 310 * MIB, 0);
    admitted(&mut residents, "c", 2);
    residents.took_there("c", 2, 320 * MIB, 0);
    residents.back("c", "c", 2, 10 * MIB);
    residents.leave("c");
    assert_eq!(residents.models["c"].there.as_ref().unwrap().needs.of(2), 360 * MIB);
    // What can not be there at all begins alone, and is not refused.
    assert_eq!(residents.refusal("c", 100), None);
    assert_eq!(admitted(&mut residents, "c", 100).1, ["b"]);
    assert!(waits(&mut residents, "a", 0));
    assert!(!waits(&mut residents, "on the CPU", 0));
}
