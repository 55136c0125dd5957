//! The program `trace-completion`.

use std::{ffi::OsString, process::ExitCode};

use trace_completion::{cli, embedded};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // This program is its own embedded ClickHouse.
    if let [_, command, rest @ ..] = arguments.as_slice()
        && command == embedded::CHILD_COMMAND
    {
        return embedded::child_main(rest);
    }
    cli::main(arguments)
}
