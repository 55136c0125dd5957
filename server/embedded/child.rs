//! What this program does as the child: runs the engine.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use super::{
    confine::{Walls, confine},
    ffi::{self, ServeError},
    library,
    ports::Ports,
};
use crate::flow_log::ddl;

/// Hidden subcommand under which the program runs as the child.
pub const CHILD_COMMAND: &str = "embedded-clickhouse-child";

/// Exit code of a child that could not load the library.
pub(super) const NOT_LOADED: u8 = 3;
/// Exit code of a child that was not started by this program.
const NOT_OURS: u8 = 2;

/// Tells the child to remove its directory when it ends.
pub(super) const TEMPORARY_VARIABLE: &str = "TRACE_COMPLETION_EMBEDDED_TEMPORARY";

/// The one line of a child's log that is no complaint begins so.
pub(super) const CONFINED: &str = "confined: ";

/// The child as a command: it gets no variable of ours but where the library is, since what it runs could print
/// them.
pub(super) fn command(executable: &Path, library: &Path, start: &Start) -> Command {
    let mut command = Command::new(executable);
    command.arg(CHILD_COMMAND).arg(&start.config).arg(&start.data_dir);
    command.args(start.ports.all().map(|port| port.to_string()));
    command.env_clear().env(library::PATH_VARIABLE, library);
    // Where the C library is in an unusual place.
    command.envs(std::env::vars_os().filter(|(name, _)| name == "LD_LIBRARY_PATH"));
    if start.temporary {
        command.env(TEMPORARY_VARIABLE, "1");
    }
    command
}

/// What the child is told.
pub(super) struct Start {
    /// Configuration of the server.
    pub(super) config: PathBuf,
    /// Directory that holds everything it may touch.
    pub(super) data_dir: PathBuf,
    pub(super) ports: Ports,
    /// Is that directory to be removed at the end?
    pub(super) temporary: bool,
}

impl Start {
    /// Reads back what [`command`] wrote.
    fn read(arguments: &[OsString], temporary: bool) -> Option<Self> {
        let port = |text: &OsStr| text.to_str()?.parse::<u16>().ok();
        let (config, data_dir, http, native) = match arguments {
            [config, data_dir, http] => (config, data_dir, http, None),
            [config, data_dir, http, native] => (config, data_dir, http, Some(port(native)?)),
            _ => return None,
        };
        Some(Self {
            config: config.into(),
            data_dir: data_dir.into(),
            ports: Ports { http: port(http)?, native },
            temporary,
        })
    }
}

/// What the program does under [`CHILD_COMMAND`]: serves until standard input closes. `arguments` are those after
/// the command.
pub fn child_main(arguments: &[OsString]) -> ExitCode {
    let temporary = std::env::var_os(TEMPORARY_VARIABLE).is_some();
    let Some(start) = Start::read(arguments, temporary) else {
        let _ = writeln!(io::stderr(), "{CHILD_COMMAND} is for this program itself");
        return ExitCode::from(NOT_OURS);
    };
    let fault = match serve(&start) {
        Ok(()) => {
            if temporary {
                // The parent does this too, unless it was killed. After a fault it reads the log first, so the
                // directory stays.
                let _ = fs::remove_dir_all(&start.data_dir);
            }
            return ExitCode::SUCCESS;
        }
        Err(fault) => fault,
    };
    let (message, code) = match fault {
        ServeError::NotLoaded(message) => (message, ExitCode::from(NOT_LOADED)),
        ServeError::Failed(message) => (message, ExitCode::FAILURE),
    };
    let _ = writeln!(io::stderr(), "{message}");
    code
}

fn serve(start: &Start) -> Result<(), ServeError> {
    let path = library::find().map_err(|error| ServeError::NotLoaded(error.to_string()))?;
    // Loaded before the walls go up, so that the C library finds the other libraries that it needs.
    let engine = ffi::Engine::load(&path)?;
    let ports: Vec<u16> = start.ports.all().collect();
    let walls = Walls {
        data_dir: &start.data_dir,
        around: start.data_dir.parent().filter(|_| start.temporary),
        ports: &ports,
        connects: start.ports.native.is_some(),
    };
    let confined =
        confine(&walls).map_err(|error| ServeError::Failed(format!("cannot confine it: {error}")))?;
    let _ = writeln!(io::stderr(), "{CONFINED}{}", confined.word());
    engine.serve(&start.config, &ddl::text(), start.ports.native.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_reads_what_the_parent_wrote() {
        for native in [None, Some(9)] {
            let ports = Ports { http: 8, native };
            let start = Start { config: "/c d".into(), data_dir: "/d".into(), ports, temporary: true };
            let command = command(Path::new("/p"), Path::new("/l"), &start);
            let arguments: Vec<OsString> = command.get_args().map(OsStr::to_owned).collect();
            assert_eq!(arguments[0], CHILD_COMMAND);
            let read = Start::read(&arguments[1..], true).unwrap();
            assert_eq!((read.config, read.data_dir), (start.config, start.data_dir));
            assert_eq!((read.ports.http, read.ports.native), (8, native));
        }
        assert!(Start::read(&["a".into(), "b".into(), "no port".into()], false).is_none());
    }
}
