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
//! | `terminal` | how wide the terminal is, and whether it takes colours |
//! | [`tree`] | draws an answer for `complete`, `replay` and `demo` |
//! | [`explain`] | says why an answer looks as it does |

mod ask;
mod clickhouse;
mod complete;
mod demo;
pub mod explain;
mod replay;
mod schema;
mod serve;
mod terminal;
pub mod tree;

use std::{
    env,
    ffi::OsString,
    fmt,
    future::Future,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::config::CONFIG_VARIABLE;

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

/// Why a command did not do its work, in one line.
#[derive(Debug)]
enum Failure {
    /// The operator has to mend something first: exit code 2.
    Usage(String),
    /// The work failed: exit code 1.
    Work(String),
}

impl Failure {
    fn usage(problem: impl fmt::Display) -> Self {
        Failure::Usage(problem.to_string())
    }

    fn work(problem: impl fmt::Display) -> Self {
        Failure::Work(problem.to_string())
    }
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

/// Prints to standard output. A reader that has gone is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::work(e)),
        _ => Ok(()),
    }
}

/// Runs a future on a runtime of its own, and does not wait for what it leaves behind.
fn block_on<T>(threads: Threads, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().map_err(Failure::work)?;
    let end = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_millis(200));
    end
}

/// How many threads a command needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Threads {
    /// Itself only.
    One,
    /// One for each processor.
    Many,
}

/// The configuration file: that of the flag, or that of the environment, where an empty name is none.
fn config_file(flag: &Option<PathBuf>) -> Option<PathBuf> {
    let variable = || env::var_os(CONFIG_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
    flag.clone().or_else(variable)
}

/// Waits for SIGTERM or SIGINT.
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
