//! How much memory there is for this process: the machine's, or less where a control group has a limit.

use std::fs;
use std::path::{Path, PathBuf};

/// In bytes; none where the system does not say.
pub(super) fn memory() -> Option<u64> {
    memory_below(Path::new("/"))
}

fn memory_below(root: &Path) -> Option<u64> {
    let limits = control_groups(root).into_iter().filter_map(|file| limit(&file));
    limits.chain(of_machine(root)).min()
}

/// proc(5), meminfo.
fn of_machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// The files that may limit this process: of its group and of all groups above it (cgroups(7)). Some are
/// not there: a container often sees no more than its own group, and that as the uppermost.
fn control_groups(root: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut files = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let groups = Path::new(group.trim_start_matches('/')).ancestors();
        files.extend(groups.map(|group| root.join(mount).join(group).join(file)));
    }
    files
}

/// None for `max`, too, which is none.
fn limit(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");
    const GIB: u64 = 1 << 30;

    fn memory_with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        memory_below(root.path())
    }

    #[test]
    fn the_least_limit_of_the_machine_and_its_control_groups_counts() {
        let v2 = ("proc/self/cgroup", "0::/system.slice/gantry.service\n");
        let own = "sys/fs/cgroup/system.slice/gantry.service/memory.max";
        let above = "sys/fs/cgroup/system.slice/memory.max";
        let v1 = ("proc/self/cgroup", "9:cpu:/a\n4:memory:/docker/12ab\n0::/\n");
        let in_v1 = "sys/fs/cgroup/memory/docker/12ab/memory.limit_in_bytes";
        let uppermost = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        for (files, gib) in [
            (vec![], None),
            (vec![MACHINE], Some(8)),
            (vec![MACHINE, v2, (own, "max\n")], Some(8)),
            (vec![MACHINE, v2, (own, "2147483648\n")], Some(2)),
            (vec![MACHINE, v2, (own, "max\n"), (above, "3221225472\n")], Some(3)),
            (vec![MACHINE, v2, (own, "99999999999\n")], Some(8)),
            (
                vec![
                    MACHINE,
                    ("proc/self/cgroup", "0::/\n"),
                    ("sys/fs/cgroup/memory.max", "1073741824\n"),
                ],
                Some(1),
            ),
            (vec![MACHINE, v1, (in_v1, "4294967296\n")], Some(4)),
            (vec![MACHINE, v1, (uppermost, "1073741824\n")], Some(1)),
            (vec![MACHINE, v1, (uppermost, "9223372036854771712\n")], Some(8)),
            (vec![v1, (in_v1, "4294967296\n")], Some(4)),
            (vec![MACHINE, ("proc/self/cgroup", "nonsense\n0:\n")], Some(8)),
        ] {
            assert_eq!(memory_with(&files), gib.map(|gib| gib * GIB), "{files:?}");
        }
    }
}
