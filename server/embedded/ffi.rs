//! The call into `libchdb.so`. The only unsafe code of the program, and it runs in the child only.
#![allow(unsafe_code)]

use std::{
    error::Error,
    ffi::{CStr, CString, c_char, c_int, c_void},
    fmt::Display,
    path::Path,
};

use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};

/// Opens both ports, then reads standard input to its end: the last statement keeps the server running.
const SERVE: &str = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; \
                     SELECT count() FROM file('/dev/stdin', 'LineAsString')";

type QueryCmdline = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
type ResultError = unsafe extern "C" fn(*mut c_void) -> *const c_char;

/// Why the server did not run.
pub(super) enum ServeError {
    /// The library cannot be loaded, or lacks a function.
    NotLoaded(String),
    /// The engine failed.
    Failed(String),
}

/// Runs the server in this process until standard input closes.
pub(super) fn serve(library: &Path, config: &Path) -> Result<(), ServeError> {
    let failed = |message: &dyn Display| ServeError::Failed(message.to_string());
    // the reason is not in the text of the error
    let not_loaded = |error: libloading::Error| {
        ServeError::NotLoaded(error.source().map_or_else(|| error.to_string(), ToString::to_string))
    };
    let config = config.to_str().ok_or_else(|| failed(&"the path of the configuration is not UTF-8"))?;
    let arguments = [
        "clickhouse",
        &format!("--config-file={config}"),
        "--output-format=TSV",
        &format!("--query={SERVE}"),
    ]
    .into_iter()
    .map(CString::new)
    .collect::<Result<Vec<_>, _>>()
    .map_err(|error| failed(&error))?;
    let mut pointers: Vec<*mut c_char> = arguments.iter().map(|text| text.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(pointers.len()).map_err(|error| failed(&error))?;
    pointers.push(std::ptr::null_mut());

    // SAFETY: the library is the one that the operator installed; its initialisers are those of ClickHouse.
    // It is never unloaded, since its threads outlive every call.
    let library = unsafe { Library::open(Some(library), RTLD_LAZY | RTLD_LOCAL) }
        .map(std::mem::ManuallyDrop::new)
        .map_err(not_loaded)?;
    // SAFETY: both signatures are those of the library's header `chdb.h`.
    let (query, error_of) = unsafe {
        let query = library.get::<QueryCmdline>(b"chdb_query_cmdline\0").map_err(not_loaded)?;
        let error_of = library.get::<ResultError>(b"chdb_result_error\0").map_err(not_loaded)?;
        (query, error_of)
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
