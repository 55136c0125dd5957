//! Why a command did not do its work.

use std::fmt;

/// Why a command did not do its work, in one line.
#[derive(Debug)]
pub(super) enum Failure {
    /// The operator has to mend something first: exit code 2.
    Usage(String),
    /// The work failed: exit code 1.
    Work(String),
}

impl Failure {
    pub(super) fn usage(problem: impl fmt::Display) -> Self {
        Failure::Usage(problem.to_string())
    }

    pub(super) fn work(problem: impl fmt::Display) -> Self {
        Failure::Work(problem.to_string())
    }
}
