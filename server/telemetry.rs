//! Logs, to standard error. Messages are lower-case, values are fields, and each request is one event.

use std::{
    any::Any,
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is neither a level nor directives.
    #[error("log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// They were set up before.
    #[error("logs are set up already")]
    Twice,
}

/// Sets up logs for the whole process, panics included. Fails the second time.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter: EnvFilter = log.level.parse()?;
    let colour = takes_colour(&io::stderr());
    // If nobody reads the log any more, the subscriber would report that on standard error, and panic there.
    let builder =
        fmt().with_env_filter(filter).with_ansi(colour).log_internal_errors(false).with_writer(io::stderr);
    let done = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    done.map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let message = panic_text(panic.payload());
        let place = panic.location().map(ToString::to_string);
        tracing::error!(message, place, "panic");
    }));
    Ok(())
}

/// Whether an output gets colours. A file or a log collector gets plain text, and so does a terminal that
/// cannot show colours (`TERM=dumb`) or whose user does not want them (`NO_COLOR`).
pub fn takes_colour(output: &impl IsTerminal) -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    output.is_terminal() && !unwanted && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// The message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
