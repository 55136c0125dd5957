//! `replay`: runs a recorded completion again, without a flow log.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{
    complete::{CaseLimit, Show},
    failure::Failure,
    running::{Threads, block_on},
};
use crate::replay::{self, Case, Replayed};

/// Differences that are shown.
const MAX_SHOWN: usize = 20;

/// The flags of `replay`.
#[derive(Args, Debug)]
pub(super) struct Replay {
    /// The file that `complete --record` wrote.
    case: PathBuf,
    /// Write this answer into the file as the recorded one.
    #[arg(long)]
    accept: bool,
    #[command(flatten)]
    limit: CaseLimit,
    #[command(flatten)]
    show: Show,
}

impl Replay {
    pub(super) fn run(self) -> Result<(), Failure> {
        let name = self.case.display();
        let mut case = Case::read(&self.case, self.limit.max_case_bytes)
            .map_err(|e| Failure::Usage(format!("{name}: {e}")))?;
        let replayed = block_on(Threads::Many, async {
            replay::replay(&case, self.show.explain).await.map_err(|e| Failure::Work(format!("{name}: {e}")))
        })?;
        self.show.answer(&replayed.response)?;
        let Replayed { differences, remarks, answer, .. } = replayed;
        let lines: Vec<&String> = remarks.iter().chain(&differences).collect();
        let mut out = std::io::stderr().lock();
        // Standard error may be closed. The exit code says the same.
        for line in lines.iter().take(MAX_SHOWN) {
            writeln!(out, "{line}").ok();
        }
        if lines.len() > MAX_SHOWN {
            writeln!(out, "and {} more", lines.len() - MAX_SHOWN).ok();
        }
        if self.accept {
            case.answer = answer;
            let max_bytes = self.limit.max_case_bytes;
            return case.write(&self.case, max_bytes).map_err(|e| Failure::Usage(format!("{name}: {e}")));
        }
        match differences.len() {
            0 => Ok(()),
            1 => Err(Failure::Work(format!("{name}: the answer differs from the recorded one in one place"))),
            count => Err(Failure::Work(format!(
                "{name}: the answer differs from the recorded one in {count} places"
            ))),
        }
    }
}
