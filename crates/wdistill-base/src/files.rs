//! Files and folders that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::problem::{Hinted, Problem};

/// A file or folder that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {error}", path.display())]
pub struct FileError {
    /// What was tried, such as `read`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

impl FileError {
    /// For `map_err`: gives an error of the system what was tried, and the file that it happened on.
    pub fn when(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        let path = path.to_path_buf();
        move |error| FileError { action, path, error }
    }
}

impl Hinted for FileError {
    fn hint(&self) -> Option<String> {
        self.error.hint()
    }
}

/// A file of text whose content is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {problem}", path.display())]
pub struct ContentError {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Hinted for ContentError {
    fn hint(&self) -> Option<String> {
        self.problem.hint()
    }
}

/// A file under a temporary name. Dropped without [`publish`](Pending::publish), it leaves nothing.
#[derive(Debug)]
pub struct Pending {
    target: PathBuf,
    temporary: PathBuf,
    published: bool,
}

impl Pending {
    /// Writes a file next to `target`, whose folder is created if need be, down to the disk.
    pub fn write(
        target: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Pending, FileError> {
        fs::create_dir_all(folder_of(target))
            .map_err(FileError::when("create", folder_of(target)))?;
        let (file, temporary) = create_beside(target).map_err(FileError::when("create", target))?;
        let pending = Pending { target: target.to_path_buf(), temporary, published: false };
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        content(&mut writer)
            .and_then(|()| writer.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all())
            .map_err(FileError::when("write", target))?;
        Ok(pending)
    }

    /// Puts the file in its place, over an older one.
    pub fn publish(mut self) -> Result<(), FileError> {
        fs::rename(&self.temporary, &self.target)
            .map_err(FileError::when("write", &self.target))?;
        self.published = true;
        sync_folder(folder_of(&self.target)).map_err(FileError::when("write", &self.target))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.published {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name for a first version of `target` in `folder`.
fn temporary_name(target: &OsStr, attempt: usize) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(target);
    hidden.push(format!(".{}-{attempt}.partial", process::id()));
    hidden
}

fn name_of(path: &Path) -> io::Result<&OsStr> {
    Ok(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?)
}

/// Makes something under a name that nobody else has: `make` fails if there is such a thing already.
fn make_new<T>(
    folder: &Path,
    target: &OsStr,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(T, PathBuf)> {
    let mut attempt = 0;
    loop {
        let path = folder.join(temporary_name(target, attempt));
        match make(&path) {
            Ok(made) => return Ok((made, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Creates a file in the folder of `target`, since only there is a rename atomic; what writers of the same target that
/// were killed have left there goes.
fn create_beside(target: &Path) -> io::Result<(File, PathBuf)> {
    let (folder, name) = (folder_of(target), name_of(target)?);
    sweep(folder, Leftovers::Of(name), is_running);
    make_new(folder, name, |path| OpenOptions::new().write(true).create_new(true).open(path))
}

/// Which temporary files and folders to remove.
#[derive(Clone, Copy)]
enum Leftovers<'a> {
    /// Those of anything.
    All,
    /// Those of one file or folder.
    Of(&'a OsStr),
}

/// Removes what writers that are no longer at work have left in a folder; what cannot be removed, such as another
/// user's, stays.
fn sweep(folder: &Path, which: Leftovers<'_>, is_at_work: fn(u32) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(temporary) = Temporary::parse(&name) else { continue };
        let is_meant = match which {
            Leftovers::All => true,
            Leftovers::Of(target) => target.to_string_lossy() == temporary.target,
        };
        if is_meant && !is_at_work(temporary.process) {
            let _ = remove(&entry.path());
        }
    }
}

/// Removes a file or a link, or a folder with all that is in it.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata()?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

/// Whether a process may still be writing. Where the system does not tell, two writers of one file at the same time are
/// taken for less likely than one that was killed.
fn is_running(process: u32) -> bool {
    process == process::id() || is_another_running(process)
}

/// The same, where this process is known not to be: in a container each may have the same number.
fn is_another_running(process: u32) -> bool {
    process != process::id() && Path::new("/proc").join(process.to_string()).exists()
}

/// Writes a folder as a whole: it is made under a temporary name beside its place and renamed. In a folder that is there
/// already, the files are made in a temporary folder below it and moved one by one, by rising `turn` of their names: what
/// the folder is known by has to come last. What earlier writers that were killed have left there is removed.
///
/// # Errors
/// Those of `write`, and [`FileError`]; nothing is then left of the new folder, or the old one is as it was.
pub fn write_folder<T, E: From<FileError>>(
    folder: &Path,
    turn: impl Fn(&str) -> u32,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let draft = Draft::new(folder)?;
    let written = write(&draft.temporary)?;
    draft.publish(turn)?;
    Ok(written)
}

/// A folder under a temporary name. Dropped without [`publish`](Draft::publish), it leaves nothing.
struct Draft {
    target: PathBuf,
    temporary: PathBuf,
    place: Place,
}

/// Where a folder is to come.
#[derive(Clone, Copy)]
enum Place {
    /// Where there is nothing.
    New,
    /// Into a folder.
    Existing,
}

impl Draft {
    fn new(target: &Path) -> Result<Draft, FileError> {
        let beside = folder_of(target);
        let place = if target.exists() { Place::Existing } else { Place::New };
        let make = || {
            // Beside an existing folder too: of a time when it was not there yet.
            if let Ok(name) = name_of(target) {
                sweep(beside, Leftovers::Of(name), is_another_running);
            }
            let (parent, name) = match place {
                Place::Existing => (target, OsStr::new("model")),
                Place::New => (beside, name_of(target)?),
            };
            sweep(target, Leftovers::All, is_another_running);
            fs::create_dir_all(parent)?;
            make_new(parent, name, |path| fs::create_dir(path))
        };
        let ((), temporary) = make().map_err(FileError::when("create", target))?;
        Ok(Draft { target: target.to_path_buf(), temporary, place })
    }

    fn publish(&self, turn: impl Fn(&str) -> u32) -> Result<(), FileError> {
        let publish = || match self.place {
            Place::New => {
                sync_folder(&self.temporary)?;
                fs::rename(&self.temporary, &self.target)?;
                sync_folder(folder_of(&self.target))
            }
            Place::Existing => {
                for name in in_order_of_turns(&self.temporary, &turn)? {
                    fs::rename(self.temporary.join(&name), self.target.join(&name))?;
                }
                fs::remove_dir(&self.temporary)?;
                sync_folder(&self.target)
            }
        };
        publish().map_err(FileError::when("write", &self.target))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Published, there is nothing of that name; otherwise the error that brought us here is the one to report.
        let _ = remove(&self.temporary);
    }
}

/// The names in a folder, by their turn.
fn in_order_of_turns(folder: &Path, turn: &impl Fn(&str) -> u32) -> io::Result<Vec<OsString>> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort_by_cached_key(|name| (turn(&name.to_string_lossy()), name.clone()));
    Ok(names)
}

/// A rename is on the disk only when its folder is; other systems than Unix cannot open a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a whole file: a reader sees the old content or the new, never a part, and after the call the
/// new one is on the disk. Missing folders are created.
///
/// # Errors
/// [`FileError`]; the old file, if there was one, is then untouched.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    Pending::write(path, |file| file.write_all(bytes))?.publish()
}

/// What the name says of a file or folder that is not yet published.
struct Temporary {
    /// The target's name; what is no UTF-8 of it stands as U+FFFD.
    target: String,
    process: u32,
}

impl Temporary {
    /// None if a name is not one that a writer gives.
    fn parse(name: &OsStr) -> Option<Temporary> {
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let name = name.to_string_lossy();
        let (target, writer) =
            name.strip_prefix('.')?.strip_suffix(".partial")?.rsplit_once('.')?;
        let (process, attempt) = writer.split_once('-')?;
        let process = process.parse().ok().filter(|_| is_number(process) && is_number(attempt))?;
        Some(Temporary { target: target.to_string(), process })
    }
}

/// Which files to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Those of the folder itself.
    Folder,
    /// Those of the folders below it too.
    Tree,
}

/// Removes what writes that were killed have left in a folder, and returns how many files and folders that were.
/// Nobody may be writing there.
///
/// # Errors
/// [`FileError`].
pub fn remove_leftovers(folder: &Path, depth: Depth) -> Result<usize, FileError> {
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(FileError::when("read", folder))? {
        let entry = entry.map_err(FileError::when("read", folder))?;
        let path = entry.path();
        if Temporary::parse(&entry.file_name()).is_some() {
            remove(&path).map_err(FileError::when("remove", &path))?;
            removed += 1;
        } else if depth == Depth::Tree
            && entry.file_type().map_err(FileError::when("read", &path))?.is_dir()
        {
            removed += remove_leftovers(&path, depth)?;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration last.
    fn turn(name: &str) -> u32 {
        u32::from(name == "config.toml")
    }

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        atomic_write(&path, b"a longer first content").unwrap();
        atomic_write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn folders_are_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/1/log.txt");
        atomic_write(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        atomic_write(&path, b"old").unwrap();
        let failed = Pending::write(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::other("no space left"))
        });
        let message = failed.expect_err("the error was swallowed").to_string();
        assert_eq!(message, format!("cannot write {}: no space left", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["log.txt"]);
    }

    #[test]
    fn an_unpublished_file_is_invisible_and_vanishes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let pending = Pending::write(&path, |file| file.write_all(b"new")).unwrap();
        assert!(!path.exists());
        assert_eq!(names(folder.path()).len(), 1);
        drop(pending);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn leftovers_of_killed_writes_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("teacher/model");
        atomic_write(&below.join("model.safetensors"), b"x").unwrap();
        let pending = Pending::write(&below.join("config.toml"), |_| Ok(())).unwrap();
        // A killed process does not drop.
        std::mem::forget(pending);
        assert_eq!(names(&below).len(), 2);
        assert_eq!(remove_leftovers(folder.path(), Depth::Folder).unwrap(), 0);
        assert_eq!(remove_leftovers(folder.path(), Depth::Tree).unwrap(), 1);
        assert_eq!(names(&below), ["model.safetensors"]);
        // What others call partial is theirs.
        for name in [".download.partial", ".a.1-x.partial", "a.1-2.partial", ".a.1-2.part"] {
            fs::write(below.join(name), "x").unwrap();
        }
        assert_eq!(remove_leftovers(folder.path(), Depth::Tree).unwrap(), 0);
    }

    /// A process that has ended.
    fn ended_process() -> u32 {
        let mut process = process::Command::new("true").spawn().unwrap();
        process.wait().unwrap();
        process.id()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_next_writer_of_a_file_sweeps_what_a_killed_one_left() {
        let folder = tempfile::tempdir().unwrap();
        let (ended, running) = (ended_process(), process::id());
        let leftover = folder.path().join(format!(".log.txt.{ended}-0.partial"));
        let others =
            [format!(".other.txt.{ended}-0.partial"), format!(".log.txt.{running}-9.partial")];
        fs::write(&leftover, "half").unwrap();
        others.iter().for_each(|name| fs::write(folder.path().join(name), "half").unwrap());
        atomic_write(&folder.path().join("log.txt"), b"whole").unwrap();
        assert!(!leftover.exists());
        assert_eq!(names(folder.path()).len(), 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_leftover_whose_name_is_no_text_is_swept_too() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let ended = ended_process();
        let name = [b".\xff.txt.", ended.to_string().as_bytes(), b"-0.partial"].concat();
        fs::write(folder.path().join(OsStr::from_bytes(&name)), "half").unwrap();
        atomic_write(&folder.path().join(OsStr::from_bytes(b"\xff.txt")), b"whole").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("models/new");
        let failed = write_folder(&target, turn, |draft| {
            atomic_write(&draft.join("config.toml"), b"half")?;
            assert!(!target.exists());
            Err::<(), FileError>(FileError::when("write", draft)(io::Error::other("no space left")))
        });
        assert!(failed.unwrap_err().to_string().contains("no space left"));
        assert!(names(target.parent().unwrap()).is_empty());
        write_folder(&target, turn, |draft| atomic_write(&draft.join("config.toml"), b"whole"))
            .unwrap();
        assert_eq!(fs::read(target.join("config.toml")).unwrap(), b"whole");
        assert_eq!(names(target.parent().unwrap()), ["new"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_is_there_keeps_its_other_files_and_loses_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let ended = ended_process();
        fs::create_dir_all(target.join(format!(".model.{ended}-0.partial"))).unwrap();
        let beside = folder.path().join(format!(".out.{ended}-1.partial"));
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("model.bin"), "half").unwrap();
        fs::write(target.join("notes.txt"), "mine").unwrap();
        let files = ["config.toml", "source.vocabulary.json", "model.safetensors"];
        write_folder(&target, turn, |draft| {
            files.iter().try_for_each(|name| atomic_write(&draft.join(name), b"x"))?;
            let order = in_order_of_turns(draft, &turn).unwrap();
            assert_eq!(order, ["model.safetensors", "source.vocabulary.json", "config.toml"]);
            Ok::<_, FileError>(())
        })
        .unwrap();
        assert_eq!(names(folder.path()), ["out"]);
        let mut found = names(&target);
        found.sort();
        let expected = ["config.toml", "model.safetensors", "notes.txt", "source.vocabulary.json"];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_path_that_is_a_folder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        fs::create_dir(&path).unwrap();
        let message = atomic_write(&path, b"x").unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot write {}", path.display())), "{message}");
        assert_eq!(names(folder.path()), ["log.txt"]);
    }
}
