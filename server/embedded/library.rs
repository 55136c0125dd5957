//! Where `libchdb.so` is. Nothing here downloads it; `scripts/fetch-libchdb.sh` does.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Environment variable that holds the path of the library.
pub const PATH_VARIABLE: &str = "TRACE_COMPLETION_LIBCHDB";

/// Version of the npm package, which holds ClickHouse 26.7.2.1.
pub const VERSION: &str = "26.7.3-stable.1";

/// The npm package for this machine; `None` where there is none.
pub const PACKAGE: Option<&str> =
    if cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")) {
        Some("@chdb/lib-linux-x64-gnu")
    } else if cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "aarch64")) {
        Some("@chdb/lib-linux-arm64-gnu")
    } else {
        None
    };

const FILE: &str = "libchdb.so";

/// Why the library is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LibraryError {
    /// It is in none of the places where it is looked for.
    #[error("{}", how_to_get(.package, .looked_in))]
    NotFound {
        /// The npm package that has it.
        package: &'static str,
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
    },
    /// The variable names a file that is not there.
    #[error(
        "{PATH_VARIABLE} is {}, and there is no such file. Unset it and run scripts/fetch-libchdb.sh, \
         or set it to the path of a {FILE}",
        .0.display()
    )]
    NotAtPath(PathBuf),
    /// The file is damaged, or is not this library.
    #[error("{}", how_to_replace(.path, .why))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What happened when it was loaded or started.
        why: String,
    },
    /// There is no library for this machine.
    #[error(
        "the embedded ClickHouse runs on Linux with glibc on x86_64 and aarch64 only; \
         set the URL of a ClickHouse server instead"
    )]
    NoneForThisMachine,
}

fn how_to_get(package: &str, looked_in: &[PathBuf]) -> String {
    let places: Vec<String> = looked_in.iter().map(|path| path.display().to_string()).collect();
    format!(
        "the embedded ClickHouse needs {FILE}, which is not installed. Run scripts/fetch-libchdb.sh, or \
         `npm install --prefix .cache/libchdb --no-audit --no-fund --no-save --ignore-scripts {package}@{VERSION}` \
         (178 MB), or set {PATH_VARIABLE} to the path of one. Looked in: {}",
        places.join(", ")
    )
}

/// The script gets the folder, because a copy elsewhere would not be found before this one. A file that
/// somebody put outside of `node_modules` must not be overwritten.
fn how_to_replace(path: &Path, why: &str) -> String {
    let folder = path.ancestors().find(|folder| folder.ends_with("node_modules")).and_then(Path::parent);
    let remedy = match folder {
        Some(folder) => format!("Fetch it again: scripts/fetch-libchdb.sh --again '{}'", folder.display()),
        None => format!(
            "Fetch one with scripts/fetch-libchdb.sh, and remove this file or set {PATH_VARIABLE} to the path \
             of another"
        ),
    };
    format!(
        "the library of the embedded ClickHouse, {}, is damaged or no {FILE}: {why}. {remedy}",
        path.display()
    )
}

/// Finds the library: first where [`PATH_VARIABLE`] says, then in the user's cache directory, then in
/// `.cache` of the working directory, then next to the program.
pub fn find() -> Result<PathBuf, LibraryError> {
    if let Some(path) = env::var_os(PATH_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(LibraryError::NotAtPath(path)) };
    }
    let package = PACKAGE.ok_or(LibraryError::NoneForThisMachine)?;
    let places = places(package, env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"), env::current_exe().ok());
    match places.iter().find(|path| path.is_file()) {
        // Absolute, because the child runs in another directory.
        Some(path) => Ok(path.canonicalize().unwrap_or_else(|_| path.clone())),
        None => Err(LibraryError::NotFound { package, looked_in: places }),
    }
}

fn places(
    package: &str,
    xdg: Option<OsString>,
    home: Option<OsString>,
    executable: Option<PathBuf>,
) -> Vec<PathBuf> {
    let in_cache = |cache: &Path| cache.join("libchdb/node_modules").join(package).join(FILE);
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    let user_cache = set(xdg).or_else(|| set(home).map(|home| home.join(".cache")));
    let mut places = Vec::new();
    places.extend(user_cache.map(|cache| in_cache(&cache.join("trace-completion"))));
    places.push(in_cache(Path::new(".cache")));
    places.extend(executable.as_deref().and_then(Path::parent).map(|dir| dir.join(FILE)));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_in_their_order() {
        let found =
            places("@chdb/x", Some("/xdg".into()), Some("/home/me".into()), Some("/opt/bin/tc".into()));
        let text: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            text,
            [
                "/xdg/trace-completion/libchdb/node_modules/@chdb/x/libchdb.so",
                ".cache/libchdb/node_modules/@chdb/x/libchdb.so",
                "/opt/bin/libchdb.so",
            ]
        );
        let found = places("@chdb/x", Some("".into()), Some("/home/me".into()), None);
        assert_eq!(
            found[0].to_str().unwrap(),
            "/home/me/.cache/trace-completion/libchdb/node_modules/@chdb/x/libchdb.so"
        );
    }

    #[test]
    fn a_damaged_one_is_fetched_to_where_it_is() {
        let text = |path: &str| LibraryError::Unusable { path: path.into(), why: "x".to_owned() }.to_string();
        let installed = text("/h/my cache/libchdb/node_modules/@chdb/x/libchdb.so");
        assert!(installed.ends_with("scripts/fetch-libchdb.sh --again '/h/my cache/libchdb'"), "{installed}");
        let elsewhere = text("/etc/passwd");
        assert!(!elsewhere.contains("--again") && elsewhere.contains(PATH_VARIABLE), "{elsewhere}");
    }

    #[test]
    fn the_error_says_how_to_get_it() {
        let error = LibraryError::NotFound { package: "@chdb/x", looked_in: vec!["/a".into(), "/b".into()] };
        let text = error.to_string();
        for part in
            ["scripts/fetch-libchdb.sh", "npm install", "@chdb/x@26.7.3-stable.1", PATH_VARIABLE, "/a, /b"]
        {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}
