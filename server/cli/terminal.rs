//! What the terminal can show.

use std::{env, io};

use super::tree::Style;
use crate::telemetry;

/// Cells of a line where nothing says how many there are, as in a file.
const WIDTH: usize = 120;

/// As wide as `COLUMNS` says, or else the terminal itself: shells do not export what they know.
pub(super) fn style() -> Style {
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let width = columns.filter(|&columns| columns > 0).or_else(|| {
        let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
        // a terminal that does not know says 0
        Some(usize::from(width.0)).filter(|&width| width > 0)
    });
    Style { width: width.unwrap_or(WIDTH), colour: telemetry::takes_colour(&io::stdout()) }
}
