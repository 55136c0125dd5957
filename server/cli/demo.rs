//! `demo`: a trace to look at.

use clap::Args;

use super::Failure;

/// The flags of `demo`.
#[derive(Args, Debug)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        Err(Failure::work("the demo is not there yet"))
    }
}
