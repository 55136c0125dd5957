//! The server that all doors ask: the program, over a real ClickHouse that holds the rows of the demo world.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use trace_completion::{
    demo::World,
    embedded::{EmbeddedClickHouse, Options},
    flow_log::FlowWriter,
};

use super::case;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trace-completion");

/// When it is dropped, it ends before its flow log does.
pub(crate) struct Server {
    /// Host and port of both doors.
    pub(crate) address: String,
    _serve: Ended,
    _clickhouse: EmbeddedClickHouse,
}

/// A child process of a test. It is ended when the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Server {
    pub(crate) fn start() -> Server {
        let options = Options { executable: PathBuf::from(PROGRAM), ..Options::default() };
        let clickhouse = EmbeddedClickHouse::start(options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let writer = FlowWriter::new(&clickhouse.store_settings()).unwrap();
            writer.write(&World::new().rows).await.unwrap();
        });

        let store = clickhouse.reader_settings();
        let mut serve = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--clickhouse-url", &store.url, "--config"])
            .arg(case::folder().join("server.toml"))
            .env("TRACE_COMPLETION_STORE_USER", &store.user)
            .env("TRACE_COMPLETION_STORE_PASSWORD", store.password.expose())
            .env("TRACE_COMPLETION_LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .map(Ended)
            .unwrap();
        // A client may look whether the server is ready before it asks.
        let log = BufReader::new(serve.0.stderr.take().unwrap());
        let (mut address, mut said) = (None, String::new());
        for line in log.lines().map(Result::unwrap) {
            said += &format!("{line}\n");
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            match event["message"].as_str() {
                Some("listening") => address = event["address"].as_str().map(str::to_owned),
                Some("the flow log answers, ready") => break,
                _ => {}
            }
        }
        let address = address.unwrap_or_else(|| panic!("the server did not start:\n{said}"));
        Server { address, _serve: serve, _clickhouse: clickhouse }
    }
}
