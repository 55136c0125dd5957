//! The call into `libchdb.so`. The only unsafe code of the program, and it runs in the child only.
#![allow(unsafe_code)]

use std::{
    error::Error,
    ffi::{CStr, CString, c_char, c_int, c_void},
    fmt::Display,
    mem::ManuallyDrop,
    path::Path,
};

use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};

const LISTEN_HTTP: &str = "SYSTEM START LISTEN HTTP;";
const LISTEN_NATIVE: &str = "SYSTEM START LISTEN TCP;";
/// Reads standard input to its end, and so keeps the server running.
const WAIT: &str = "SELECT count() FROM file('/dev/stdin', 'LineAsString')";

type QueryCmdline = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
type ResultError = unsafe extern "C" fn(*mut c_void) -> *const c_char;

/// Why the server did not run.
pub(super) enum ServeError {
    /// The library cannot be loaded, or lacks a function.
    NotLoaded(String),
    /// The engine failed.
    Failed(String),
}

/// The engine, in this process. Never unloaded, since its threads outlive every call.
pub(super) struct Engine(ManuallyDrop<Library>);

impl Engine {
    /// Loads the library. It starts no thread yet.
    pub(super) fn load(library: &Path) -> Result<Self, ServeError> {
        // SAFETY: the library is the one that the operator installed; its initialisers are those of ClickHouse.
        let library = unsafe { Library::open(Some(library), RTLD_LAZY | RTLD_LOCAL) };
        library.map(|library| Self(ManuallyDrop::new(library))).map_err(|error| not_loaded(&error))
    }

    /// Runs some statements, opens the ports, and serves until standard input closes.
    pub(super) fn serve(&self, config: &Path, first: &str, native: bool) -> Result<(), ServeError> {
        let failed = |message: &dyn Display| ServeError::Failed(message.to_string());
        let config = config.to_str().ok_or_else(|| failed(&"the path of the configuration is not UTF-8"))?;
        let listen_native = if native { LISTEN_NATIVE } else { "" };
        let arguments = [
            "clickhouse",
            &format!("--config-file={config}"),
            "--output-format=TSV",
            &format!("--query={first} {LISTEN_HTTP} {listen_native} {WAIT}"),
        ]
        .into_iter()
        .map(CString::new)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(&error))?;
        let mut pointers: Vec<*mut c_char> = arguments.iter().map(|text| text.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(pointers.len()).map_err(|error| failed(&error))?;
        pointers.push(std::ptr::null_mut());

        // SAFETY: both signatures are those of the library's header `chdb.h`.
        let (query, error_of) = unsafe {
            let query = self.0.get::<QueryCmdline>(b"chdb_query_cmdline\0");
            let error_of = self.0.get::<ResultError>(b"chdb_result_error\0");
            (query.map_err(|error| not_loaded(&error))?, error_of.map_err(|error| not_loaded(&error))?)
        };
        // SAFETY: `pointers` holds `count` NUL-terminated strings and a null, all alive until the call returns;
        // the library does not write to them. No other thread of this process calls the library.
        let result = unsafe { query(count, pointers.as_mut_ptr()) };
        if result.is_null() {
            return Err(failed(&"the engine gave no result"));
        }
        // SAFETY: `result` came from the call above and was not freed.
        let error = unsafe { error_of(result) };
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: a non-null error is a NUL-terminated string that lives as long as `result`.
        Err(failed(&unsafe { CStr::from_ptr(error) }.to_string_lossy()))
    }
}

/// The reason is not in the text of the error, but in its source.
fn not_loaded(error: &libloading::Error) -> ServeError {
    ServeError::NotLoaded(error.source().map_or_else(|| error.to_string(), ToString::to_string))
}
