//! What the terminal can show.

use std::{env, io};

use super::tree::Style;
use crate::telemetry;

/// Width of a line, in cells, where the output is no terminal.
const WIDTH: usize = 120;

/// The width is that of `COLUMNS`, else that of the terminal: most shells do not export `COLUMNS`.
pub(super) fn style() -> Style {
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let width = columns.filter(|&columns| columns > 0).or_else(|| {
        let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
        // A terminal that does not know its width says 0.
        Some(usize::from(width.0)).filter(|&width| width > 0)
    });
    Style { width: width.unwrap_or(WIDTH), colour: telemetry::takes_colour(&io::stdout()) }
}
