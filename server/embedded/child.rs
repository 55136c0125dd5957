//! What this program does as the child: runs the engine.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use super::{ffi, library};

/// Hidden subcommand under which the program runs as the child. It takes `--config <file>`.
pub const CHILD_COMMAND: &str = "embedded-clickhouse-child";

/// Exit code of a child that could not load the library.
pub(super) const NOT_LOADED: u8 = 3;

/// Tells the child to remove this directory when it ends.
pub(super) const TEMPORARY_VARIABLE: &str = "TRACE_COMPLETION_EMBEDDED_TEMPORARY";

/// What the program does under [`CHILD_COMMAND`]: serves until standard input closes.
pub fn child_main(config: &Path) -> ExitCode {
    let outcome = library::find()
        .map_err(|error| ffi::ServeError::NotLoaded(error.to_string()))
        .and_then(|path| ffi::serve(&path, config));
    let fault = match outcome {
        Ok(()) => {
            if let Some(dir) = std::env::var_os(TEMPORARY_VARIABLE) {
                // The parent does this too, unless it was killed. After a fault it reads the log first, so
                // the directory stays.
                let _ = fs::remove_dir_all(dir);
            }
            return ExitCode::SUCCESS;
        }
        Err(fault) => fault,
    };
    let (message, code) = match fault {
        ffi::ServeError::NotLoaded(message) => (message, ExitCode::from(NOT_LOADED)),
        ffi::ServeError::Failed(message) => (message, ExitCode::FAILURE),
    };
    let _ = writeln!(io::stderr(), "{message}");
    code
}
