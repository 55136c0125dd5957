//! The command line. Exit codes: 0; 1 for work that failed; 2, with one line on standard error, for what
//! the operator has to mend first: flags, configuration, files, a taken port.
//!
//! | file | command |
//! |---|---|
//! | `serve` | `serve`: the server |
//! | `clickhouse` | `clickhouse`: the embedded ClickHouse in the foreground |
//! | `demo` | `demo`: a trace to look at |
//! | `schema` | `schema`: the tables of the flow log |
//! | `complete` | `complete`: asks a server, or completes without one, and may record it |
//! | `ask` | the question to a running server, for `complete` and `demo` |
//! | `replay` | `replay`: runs a recorded completion again |
//! | `failure` | why a command did not do its work |
//! | `running` | what every command needs: configuration file, runtime, output, signals |
//! | `terminal` | how wide the terminal is, and whether it takes colours |
//! | [`tree`] | draws an answer for `complete`, `replay` and `demo` |
//! | [`explain`] | says why an answer looks as it does |

mod ask;
mod clickhouse;
mod complete;
mod demo;
pub mod explain;
mod failure;
mod replay;
mod running;
mod schema;
mod serve;
mod terminal;
pub mod tree;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};

use self::failure::Failure;

/// Completes an APM trace with the system and network spans that DeepFlow recorded around it.
#[derive(Parser, Debug)]
#[command(name = "trace-completion", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server: gRPC and REST on one port.
    Serve(serve::Serve),
    /// Run the embedded ClickHouse in the foreground, until the parent ends or a signal comes.
    Clickhouse(clickhouse::ClickHouse),
    /// Show a completed trace, with everything it takes in this process.
    Demo(demo::Demo),
    /// Print the DDL of the flow log's tables.
    Schema,
    /// Complete a trace with a running server, or over a flow log without one.
    Complete(complete::Complete),
    /// Run a recorded completion again, and compare the answer.
    Replay(replay::Replay),
}

/// Runs the command that the arguments ask for, the program's name first.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return finish(e.print().map_err(Failure::work));
        }
        Err(e) => return finish(Err(Failure::Usage(bad_flags(&e)))),
    };
    finish(match cli.command {
        Command::Serve(command) => command.run(),
        Command::Clickhouse(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Schema => schema::run(),
        Command::Complete(command) => command.run(),
        Command::Replay(command) => command.run(),
    })
}

fn finish(end: Result<(), Failure>) -> ExitCode {
    let (code, problem) = match end {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Work(problem)) => (1, problem),
        Err(Failure::Usage(problem)) => (2, problem),
    };
    let line: Vec<&str> = problem.split_whitespace().collect();
    writeln!(io::stderr(), "trace-completion: {}", line.join(" ")).ok();
    ExitCode::from(code)
}

/// The first paragraph of clap's text: what is wrong, without the usage.
fn bad_flags(e: &clap::Error) -> String {
    if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is required, see --help".to_owned();
    }
    let text = e.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    paragraph.strip_prefix("error: ").unwrap_or(paragraph).to_owned()
}
