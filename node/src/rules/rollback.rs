//! `gantry rules rollback`: lays files of earlier rules down again, and puts aside what they take the place of.

use super::folder::{MARKER, OnDisk, is_rolling_back};
use super::{command, short};
use crate::check;
use crate::config::Config;
use crate::models::state;
use crate::output::line;
use gantry_inference::models::Catalogue;
use gantry_routing::rules::{RuleSet, SourceFile};
use gantry_store::model_changes::ChangeRow;
use gantry_store::reader::Reader;
use gantry_store::rule_sets::{Cause, KeptRules, LoadOutcome, RuleFile};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

/// In the data folder: the digest that a rollback laid down, until somebody takes it.
const NOTE: &str = "rules-rolled-back";

/// `cause`, unless a rollback laid these rules down.
pub(super) fn cause(data: &Path, digest: &str, cause: Cause) -> Cause {
    let noted = fs::read_to_string(data.join(NOTE));
    if noted.is_ok_and(|noted| noted.trim() == digest) { Cause::Rollback } else { cause }
}

/// Other rules than those were taken, or those are: the note says nothing any more.
pub(super) fn done(data: &Path) {
    // There is none as a rule, and one that stays matters to one word of the history.
    let _ = fs::remove_file(data.join(NOTE));
}

/// What has to be done to the folder.
struct Plan {
    write: Vec<RuleFile>,
    /// Names of files that the earlier rules do not have.
    away: Vec<String>,
}

pub(super) async fn run(config: &Config, prefix: Option<&str>) -> Result<ExitCode, Failure> {
    let reader = gantry_store::store::Store::open_reader(&config.data).await?;
    let on_disk = OnDisk::look(&config.rules)?;
    let broken_off = broken_off(&config.rules);
    let wanted = match prefix.or(broken_off.as_deref()) {
        Some(prefix) => command::one(&reader, prefix).await?,
        None => before(&reader, &on_disk).await?,
    };
    let changes = reader.model_changes(None).await?;
    let rules = check_again(config, &wanted, &changes)?;
    let plan = Plan::new(&on_disk, &wanted);
    if plan.is_empty() {
        unmark(&config.rules)?;
        line!(
            "{} lies in {} already: nothing to do",
            short(&wanted.digest),
            config.rules.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    if let Err(error) = note(&config.data, rules.digest()) {
        eprintln!("gantry: the history will not call it a rollback: {error}");
    }
    let aside = carry_out(&config.rules, &plan, &on_disk, &wanted.digest)?;
    for file in &plan.write {
        let name = &file.name;
        match on_disk.bytes(name) {
            Some(_) => line!("{name}: as it was; what it was now is in {}", aside.display()),
            None => line!("{name}: there again"),
        }
    }
    for name in &plan.away {
        line!("{name}: moved to {}", aside.display());
    }
    line!("{} rules of digest {} lie on disk", rules.rules().len(), short(rules.digest()));
    line!(
        "a running node takes them within some seconds (`gantry status` says so), another with its next start"
    );
    Ok(ExitCode::SUCCESS)
}

fn note(data: &Path, digest: &str) -> io::Result<()> {
    let path = data.join(NOTE);
    let rights = Rights::for_file(&path)?;
    fs::write(&path, digest)?;
    rights.give(&File::open(path)?)
}

/// What a rollback that was broken off laid down.
fn broken_off(folder: &Path) -> Option<String> {
    let digest = fs::read_to_string(folder.join(MARKER)).ok()?;
    Some(digest.trim().to_string()).filter(|digest| !digest.is_empty())
}

/// What an admin means by "back": the rules in force where something else lies on disk, otherwise those before them.
async fn before(reader: &Reader, on_disk: &OnDisk) -> Result<KeptRules, Failure> {
    let loads = reader.rule_loads().await?;
    let mut taken = loads.iter().filter(|load| load.outcome == LoadOutcome::Taken);
    let in_force =
        taken.next().ok_or("no rules were ever in force: has a node run with this data folder?")?;
    let in_force = command::kept(reader, &in_force.digest).await?;
    if !Plan::new(on_disk, &in_force).is_empty() {
        return Ok(in_force);
    }
    let earlier = taken.find(|load| load.digest != in_force.digest);
    let earlier = earlier.ok_or(
        "there were no other rules before those in force; `gantry rules history` lists all",
    )?;
    command::kept(reader, &earlier.digest).await
}

/// Models and peers may be others than when the rules were in force.
fn check_again(
    config: &Config,
    wanted: &KeptRules,
    changes: &[ChangeRow],
) -> Result<RuleSet, Failure> {
    if wanted.files.is_empty() {
        return Err(
            "these are no rules at all, and a running node does not take an empty folder: \
                    stop it, empty the folder, and start it"
                .into(),
        );
    }
    let catalogue = Catalogue::load(&config.models).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n\n")
    })?;
    let resolved = state::resolve(&catalogue, changes).map_err(|faults| faults.join("\n\n"))?;
    let path = |file: &RuleFile| match Path::new(&file.name).file_name() {
        Some(name) if name == file.name.as_str() => Ok(config.rules.join(name)),
        _ => Err(format!("{:?} is no name of a file", file.name)),
    };
    let file = |file: &RuleFile| Ok(SourceFile { path: path(file)?, text: file.text.clone() });
    let files = wanted.files.iter().map(file).collect::<Result<Vec<_>, String>>()?;
    RuleSet::parse(files, &check::world(config, resolved.versions.live())).map_err(|problems| {
        format!(
            "{problems}\n\nthe rules {} do not fit what the node has today: nothing was changed",
            short(&wanted.digest)
        )
        .into()
    })
}

impl Plan {
    fn new(on_disk: &OnDisk, wanted: &KeptRules) -> Self {
        let differs = |file: &&RuleFile| on_disk.bytes(&file.name) != Some(file.text.as_bytes());
        let wants = |name: &&str| wanted.files.iter().any(|file| file.name == **name);
        Self {
            write: wanted.files.iter().filter(differs).cloned().collect(),
            away: on_disk.names().filter(|name| !wants(name)).map(str::to_string).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.write.is_empty() && self.away.is_empty()
    }
}

/// Nothing is ever deleted: the copies are on disk before anything is altered. The folder that
/// they lie in comes back. While the marker is there nobody takes the files; it stays when this fails
/// halfway.
fn carry_out(
    folder: &Path,
    plan: &Plan,
    on_disk: &OnDisk,
    digest: &str,
) -> Result<PathBuf, String> {
    let failed = |what: &Path| {
        let what = what.display().to_string();
        move |error: io::Error| format!("{what}: {error}")
    };
    let aside = make_aside(folder).map_err(failed(folder))?;
    for file in &plan.write {
        if let Some(bytes) = on_disk.bytes(&file.name) {
            let copy = aside.join(&file.name);
            keep(&copy, bytes, &folder.join(&file.name)).map_err(failed(&copy))?;
        }
    }
    sync(&aside).map_err(failed(&aside))?;
    replace(&folder.join(MARKER), digest).map_err(failed(folder))?;
    for file in &plan.write {
        let path = folder.join(&file.name);
        replace(&path, &file.text).map_err(failed(&path))?;
    }
    for name in &plan.away {
        let path = folder.join(name);
        fs::rename(&path, aside.join(name)).map_err(failed(&path))?;
    }
    sync(folder).and_then(|()| sync(&aside)).map_err(failed(folder))?;
    unmark(folder)?;
    Ok(aside)
}

/// The files are whole.
fn unmark(folder: &Path) -> Result<(), String> {
    let path = folder.join(MARKER);
    if !is_rolling_back(folder) {
        return Ok(());
    }
    let removed = fs::remove_file(&path).and_then(|()| sync(folder));
    removed.map_err(|error| format!("{}: {error}", path.display()))
}

/// Who may read and write a new file.
struct Rights {
    owner: u32,
    group: u32,
    mode: u32,
    /// Where they cannot be given to the owner.
    mode_without_owner: u32,
}

impl Rights {
    /// As the file has them that is there, else as the folder has them: an admin may be root, and the
    /// node has to read the file.
    fn for_file(path: &Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let (of, mode, mode_without_owner) = match fs::metadata(path) {
            Ok(file) => (file.clone(), file.mode(), file.mode()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = fs::metadata(folder)?;
                (folder.clone(), folder.mode() & 0o666, 0o644)
            }
            Err(error) => return Err(error),
        };
        Ok(Self { owner: of.uid(), group: of.gid(), mode: mode & 0o777, mode_without_owner })
    }

    fn of_folder(folder: &Path) -> io::Result<Self> {
        let of = fs::metadata(folder)?;
        let mode = of.mode() & 0o777;
        Ok(Self { owner: of.uid(), group: of.gid(), mode, mode_without_owner: mode })
    }

    /// Who is not root gives nothing away; then it is a file of whoever runs this.
    fn give(&self, to: &File) -> io::Result<()> {
        let now = to.metadata()?;
        let mut mode = self.mode;
        if (now.uid(), now.gid()) != (self.owner, self.group) {
            match fchown(to, Some(self.owner), Some(self.group)) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    mode = self.mode_without_owner & 0o777;
                }
                given => given?,
            }
        }
        to.set_permissions(Permissions::from_mode(mode))
    }
}

/// `replaced-YYYYMMDD-HHMMSS`, with a number behind it where there is one already.
fn make_aside(folder: &Path) -> io::Result<PathBuf> {
    let name = chrono::Local::now().format("replaced-%Y%m%d-%H%M%S").to_string();
    let names = (2..100).map(|number| format!("{name}-{number}"));
    for name in std::iter::once(name.clone()).chain(names) {
        let path = folder.join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Ok(()) => {
                Rights::of_folder(folder)?.give(&File::open(&path)?)?;
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn keep(path: &Path, bytes: &[u8], of: &Path) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    Rights::for_file(of)?.give(&file)?;
    file.sync_all()
}

/// Whoever looks sees the old file or the new one, also after a power cut.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let rights = Rights::for_file(path)?;
    // Hidden, so that nobody takes it for a file of rules.
    let mut written = tempfile::Builder::new().prefix(".gantry-").tempfile_in(folder)?;
    written.write_all(text.as_bytes())?;
    rights.give(written.as_file())?;
    written.as_file().sync_all()?;
    written.persist(path).map_err(|failed| failed.error)?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_terms::moment::Moment;

    fn rules(files: &[(&str, &str)]) -> KeptRules {
        let file = |(name, text): &(&str, &str)| RuleFile {
            name: name.to_string(),
            text: text.to_string(),
        };
        KeptRules {
            digest: "d".into(),
            at: Moment(0),
            files: files.iter().map(file).collect(),
            byte_for_byte: true,
        }
    }

    #[test]
    fn earlier_files_are_there_again_and_nothing_of_the_present_ones_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [("a.toml", "new a"), ("b.toml", "same"), ("c.toml", "new c")] {
            fs::write(path(name), text).expect("written");
        }
        fs::set_permissions(path("a.toml"), Permissions::from_mode(0o640)).expect("set");
        let earlier = rules(&[("a.toml", "old a"), ("b.toml", "same"), ("d.toml", "old d")]);
        let roll = || {
            let on_disk = OnDisk::look(folder.path()).expect("read");
            let plan = Plan::new(&on_disk, &earlier);
            carry_out(folder.path(), &plan, &on_disk, "d").expect("carried out")
        };
        let aside = roll();
        let text = |path: &Path| fs::read_to_string(path).expect("there");
        let now: Vec<String> = ["a.toml", "b.toml", "d.toml"].map(|name| text(&path(name))).into();
        assert_eq!(now, ["old a", "same", "old d"]);
        assert!(!path("c.toml").exists());
        assert_eq!(text(&aside.join("a.toml")), "new a");
        assert_eq!(text(&aside.join("c.toml")), "new c");
        let mode = fs::metadata(path("a.toml")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "it keeps its rights");

        // A second one in the same second has a folder of its own.
        fs::write(path("a.toml"), "newer a").expect("written");
        let second = roll();
        assert_ne!(second, aside);
        assert_eq!(text(&second.join("a.toml")), "newer a");
        assert_eq!(text(&aside.join("a.toml")), "new a");
    }

    #[test]
    fn files_are_readable_to_whom_the_folder_belongs_though_root_lays_them_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.toml"), "new").expect("written");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o750)).expect("set");
        for owned in [folder.path(), &path("a.toml")] {
            // Only root can; anybody else has the rules of one owner anyway.
            let _ = std::os::unix::fs::chown(owned, Some(4711), Some(4712));
        }
        let wanted = fs::metadata(folder.path()).expect("there");
        let on_disk = OnDisk::look(folder.path()).expect("read");
        let plan = Plan::new(&on_disk, &rules(&[("a.toml", "old"), ("b.toml", "old")]));
        let aside = carry_out(folder.path(), &plan, &on_disk, "d").expect("carried out");
        for laid in [path("a.toml"), path("b.toml"), aside.join("a.toml"), aside] {
            let file = fs::metadata(&laid).expect("there");
            let owner = (file.uid(), file.gid());
            assert_eq!(owner, (wanted.uid(), wanted.gid()), "{}", laid.display());
        }
        let mode = fs::metadata(path("b.toml")).expect("there").mode();
        assert_eq!(mode & 0o777, 0o640, "of the folder, and no program");
    }

    #[test]
    fn one_that_fails_halfway_says_so_on_disk_until_it_is_run_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["a.toml", "c.toml"] {
            fs::write(path(name), "new").expect("written");
        }
        let on_disk = OnDisk::look(folder.path()).expect("read");
        let wanted = rules(&[("a.toml", "old"), ("b.toml", "old")]);
        // Somebody took it away in between.
        fs::remove_file(path("c.toml")).expect("removed");
        let plan = Plan::new(&on_disk, &wanted);
        carry_out(folder.path(), &plan, &on_disk, "abc").expect_err("c.toml is gone");
        assert!(is_rolling_back(folder.path()));
        assert_eq!(broken_off(folder.path()).as_deref(), Some("abc"));
        fs::write(path("c.toml"), "new").expect("written");
        let on_disk = OnDisk::look(folder.path()).expect("read");
        let plan = Plan::new(&on_disk, &wanted);
        carry_out(folder.path(), &plan, &on_disk, "abc").expect("carried out");
        assert!(!is_rolling_back(folder.path()));
        let on_disk = OnDisk::look(folder.path()).expect("read");
        assert!(Plan::new(&on_disk, &wanted).is_empty());
    }

    #[test]
    fn rules_that_a_rollback_laid_down_are_called_so_once() {
        let data = tempfile::tempdir().expect("a folder");
        fs::write(data.path().join(NOTE), "abc").expect("written");
        assert_eq!(cause(data.path(), "abd", Cause::Start), Cause::Start);
        assert_eq!(cause(data.path(), "abc", Cause::Reload), Cause::Rollback);
        done(data.path());
        assert_eq!(cause(data.path(), "abc", Cause::Reload), Cause::Reload);
    }
}
