//! `clickhouse`: the embedded ClickHouse in the foreground, for demos, tests and other programs.

use std::{env, os::unix::process::parent_id, path::PathBuf, time::Duration};

use clap::Args;
use tracing::error;

use super::{
    failure::Failure,
    running::{Threads, block_on, print, signal},
};
use crate::{
    config::Log,
    embedded::{EmbeddedClickHouse, Ended, Options},
    telemetry,
};

/// Time between two checks whether the parent process is still alive.
const PARENT_POLL: Duration = Duration::from_millis(200);

/// The flags of `clickhouse`.
#[derive(Args, Debug)]
pub(super) struct ClickHouse {
    /// Directory of the data; made if it is not there.
    #[arg(long)]
    data_dir: PathBuf,
    /// Port of HTTP on 127.0.0.1; a free one if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    http_port: Option<u16>,
    /// Port of the native protocol on 127.0.0.1; a free one if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    tcp_port: Option<u16>,
}

impl ClickHouse {
    pub(super) fn run(self) -> Result<(), Failure> {
        let parent = parent_id();
        telemetry::init(&Log { level: "warn".to_owned(), ..Log::default() }).map_err(Failure::usage)?;
        let Self { data_dir, http_port, tcp_port } = self;
        let mut server = start(Some(data_dir), http_port, tcp_port)?;
        let end = block_on(Threads::One, async {
            server.create_schema().await.map_err(Failure::work)?;
            print(&format!("ready {}\n", server.http_url()))?;
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
    tcp_port: Option<u16>,
) -> Result<EmbeddedClickHouse, Failure> {
    let executable = env::current_exe().map_err(Failure::work)?;
    let options = Options { executable, data_dir, http_port, tcp_port, ..Options::default() };
    EmbeddedClickHouse::start(options).map_err(Failure::usage)
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
