//! What each question of a search brought.

/// One question, and what became of the rows that answered it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Round {
    /// Iteration, from 1; 0 is the lookup of the entry row.
    pub iteration: u32,
    /// Kind of question: `entry`, `trace_id`, `association` or `late`.
    pub question: &'static str,
    /// Keys asked for.
    pub keys: usize,
    /// Rows that the store returned.
    pub rows: usize,
    /// Rows that the store read to find them.
    pub read_rows: u64,
    /// Time from question to answer, in µs. Measured by the caller, since the search reads no clock.
    pub elapsed_us: u64,
    /// The store had more rows than it may return.
    pub truncated: bool,
    /// New rows that belong to the trace.
    pub kept: usize,
    /// Rows that were found before.
    pub known: usize,
    /// Rows dropped because they carry another trace id, or none.
    pub foreign_trace: usize,
    /// Rows dropped because no other row is related to them (R-SEARCH-12).
    pub unrelated: usize,
}

/// What it took to answer a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// The store had more rows than it may return.
    pub truncated: bool,
    /// Rows that the store read, 0 where it does not say.
    pub read_rows: u64,
    /// Time from question to answer, in µs.
    pub elapsed_us: u64,
}

impl Round {
    pub(super) fn new(iteration: u32, rows: usize, cost: Cost) -> Self {
        let Cost { truncated, read_rows, elapsed_us } = cost;
        Round { iteration, rows, read_rows, elapsed_us, truncated, ..Round::default() }
    }
}
