//! The program `trace-completion`.

use std::{ffi::OsString, path::Path, process::ExitCode};

use trace_completion::{cli, embedded};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // This program is its own embedded ClickHouse. That child reads no other argument or variable.
    if let [_, command, flag, config] = arguments.as_slice()
        && command == embedded::CHILD_COMMAND
        && flag == "--config"
    {
        return embedded::child_main(Path::new(config));
    }
    cli::main(arguments)
}
