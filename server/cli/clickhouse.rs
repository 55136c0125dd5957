//! `clickhouse`: the embedded ClickHouse in the foreground, for demos, tests and other programs.

use std::{env, os::unix::process::parent_id, path::PathBuf, time::Duration};

use clap::Args;
use tracing::{error, warn};

use super::{
    failure::Failure,
    running::{Threads, block_on, print, signal},
};
use crate::{
    config::Log,
    embedded::{Confined, EmbeddedClickHouse, Ended, Options},
    telemetry,
};

/// Time between two checks whether the parent process is still alive.
const PARENT_POLL: Duration = Duration::from_millis(200);

/// The flags of `clickhouse`.
#[derive(Args, Debug)]
pub(super) struct ClickHouse {
    /// Directory of the data; made if it is not there, for its owner only. Who may read, and who may write, is told
    /// by two files that can be the --config of other commands: the lines "reader" and "writer" name them.
    #[arg(long)]
    data_dir: PathBuf,
    /// Port of HTTP on 127.0.0.1; a free one if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    http_port: Option<u16>,
}

impl ClickHouse {
    pub(super) fn run(self) -> Result<(), Failure> {
        let parent = parent_id();
        telemetry::init(&Log { level: "warn".to_owned(), ..Log::default() }).map_err(Failure::usage)?;
        let Self { data_dir, http_port } = self;
        let mut server = start(Some(data_dir), http_port)?;
        let [reader, writer] = server.write_access_files().map_err(Failure::work)?;
        let end = block_on(Threads::One, async {
            // Other commands take these files as their --config. The last line is for whoever waits.
            let (reader, writer) = (reader.display(), writer.display());
            print(&format!("reader {reader}\nwriter {writer}\nready {}\n", server.http_url()))?;
            tokio::select! {
                end = signal() => end.map_err(Failure::work),
                () = orphaned(parent) => Ok(()),
                died = died(&mut server) => Err(died),
            }
        });
        server.stop();
        end
    }
}

/// Starts the embedded ClickHouse; `None` is a temporary directory, or a free port. Blocks.
pub(super) fn start(
    data_dir: Option<PathBuf>,
    http_port: Option<u16>,
) -> Result<EmbeddedClickHouse, Failure> {
    let executable = env::current_exe().map_err(Failure::work)?;
    let options = Options { executable, data_dir, http_port, ..Options::default() };
    let server = EmbeddedClickHouse::start(options).map_err(Failure::usage)?;
    if server.confined() == Confined::Not {
        warn!(
            "this kernel cannot keep the embedded clickhouse in its directory (Landlock, Linux 5.19): whoever \
             learns a password of it can read files of this user"
        );
    }
    Ok(server)
}

/// Waits until the embedded ClickHouse ends although nobody asked it to. That is an error: nothing works without it,
/// and nothing starts it again.
pub(super) async fn died(server: &mut EmbeddedClickHouse) -> Failure {
    let url = server.http_url();
    match server.ended().await {
        Ok(Ended { how, words, logs }) => {
            error!(url, how, last_words = words, logs = %logs.display(), "the embedded clickhouse is gone");
            Failure::Work(format!(
                "the embedded ClickHouse is gone: {how}; its logs are in {}",
                logs.display()
            ))
        }
        Err(e) => Failure::Work(format!("the embedded ClickHouse cannot be watched: {e}")),
    }
}

/// Waits until the parent process has ended: then this process has another parent. Polls, because the signal that
/// Linux offers for this comes already when the parent's *thread* ends.
async fn orphaned(parent: u32) {
    while parent_id() == parent {
        tokio::time::sleep(PARENT_POLL).await;
    }
}
