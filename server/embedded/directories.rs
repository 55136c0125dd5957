//! Directories and files that only our user can open, whatever the umask, and what is removed from them.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

const OWNER_ONLY_DIRECTORY: u32 = 0o700;
const OWNER_ONLY_FILE: u32 = 0o600;
/// Others may write, and nothing keeps them from replacing what is ours.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Makes the directory of the data where it is missing. One that is there keeps its mode, since it may hold
/// things of others. It must not be one in which others can replace our directories, though.
pub(super) fn make_data_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(OWNER_ONLY_DIRECTORY).create(path)?;
    let mode = fs::metadata(path)?.mode();
    if mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0 {
        return Err(refused("others may write to it; take that right from them (chmod go-w)"));
    }
    Ok(())
}

/// Makes a directory for our user only. One that is there becomes so, if it is ours.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(OWNER_ONLY_DIRECTORY).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path)?;
            if !found.is_dir() || found.uid() != our_user()? {
                return Err(refused("it is no directory of the user that runs this program"));
            }
            fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY_DIRECTORY))
        }
        made => made,
    }
}

/// Makes a directory that must not be there yet, for our user only.
pub(super) fn make_new(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(OWNER_ONLY_DIRECTORY).create(path)
}

/// Writes a file that must not be there yet, for our user only.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    create_private(path)?.write_all(text.as_bytes())
}

/// Opens a file to write to that must not be there yet, for our user only.
pub(super) fn create_private(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY_FILE).open(path)
}

fn our_user() -> io::Result<u32> {
    fs::metadata("/proc/self").map(|own| own.uid())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned())
}

/// Removes the contents of a directory except for the directory `kept` somewhere in it. What cannot be removed
/// stays.
pub(super) fn clear_but(directory: &Path, kept: &Path) {
    if directory == kept {
        return;
    }
    for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if kept.starts_with(&path) {
            clear_but(&path, kept);
        } else {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

/// A new path for a temporary directory, which nobody can guess and occupy.
pub(super) fn temporary_dir() -> io::Result<PathBuf> {
    let mut chance = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut chance)?;
    let name = format!("trace-completion-clickhouse-{}-{:016x}", unique_name(), u64::from_ne_bytes(chance));
    Ok(std::env::temp_dir().join(name))
}

/// A name that no other directory of this or another running process has.
pub(super) fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> PathBuf {
        let path = temporary_dir().unwrap();
        make_new(&path).unwrap();
        path
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_we_make_is_for_our_user_only() {
        let scratch = scratch();
        let (directory, file) = (scratch.join("d"), scratch.join("f"));
        make_private(&directory).unwrap();
        write_private(&file, "x").unwrap();
        assert_eq!((mode(&scratch), mode(&directory), mode(&file)), (0o700, 0o700, 0o600));
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        make_private(&directory).unwrap();
        assert_eq!(mode(&directory), 0o700);
        assert!(write_private(&file, "y").is_err() && make_new(&directory).is_err());
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn a_directory_that_is_there_keeps_its_mode_and_others_must_not_write_to_it() {
        let scratch = scratch();
        for (found, is_good) in [(0o755, true), (0o1777, true), (0o777, false), (0o775, false)] {
            fs::set_permissions(&scratch, Permissions::from_mode(found)).unwrap();
            assert_eq!(make_data_dir(&scratch).is_ok(), is_good, "{found:o}");
            assert_eq!(mode(&scratch), found);
        }
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn a_link_in_place_of_a_directory_is_refused() {
        let scratch = scratch();
        let link = scratch.join("data");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        let error = make_private(&link).unwrap_err();
        assert!(error.to_string().contains("no directory of the user"), "{error}");
        fs::remove_dir_all(scratch).unwrap();
    }
}
