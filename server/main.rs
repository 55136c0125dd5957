//! The program.

use std::{path::Path, process::ExitCode};

use trace_completion::embedded;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, embedded::CHILD_COMMAND, "--config", config] => embedded::child_main(Path::new(config)),
        _ => ExitCode::FAILURE,
    }
}
