//! `complete`: asks a running server over gRPC, and shows the answer.

use std::{
    env,
    error::Error,
    fs,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use tonic::transport::Endpoint;

use super::{Failure, Threads, block_on, print, tree};
use crate::{
    api::{
        Rules, json,
        proto::{
            CompleteTraceRequest, CompleteTraceResponse,
            trace_completion_service_client::TraceCompletionServiceClient,
        },
    },
    config::{Limits, Tracing},
};

/// Largest answer that is taken, in bytes: what a server sends at most unless it is told to send more.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The flags of `complete`.
#[derive(Args, Debug)]
pub(super) struct Complete {
    /// Address of the server.
    #[arg(long, default_value = "http://127.0.0.1:20418")]
    server: String,
    /// The request in the JSON of the REST door; - is standard input.
    #[arg(long)]
    file: PathBuf,
    /// How to show the answer.
    #[arg(long, value_enum, default_value_t = Format::Tree)]
    format: Format,
    /// Longest wait for the answer, in ms.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// A call tree for the terminal.
    Tree,
    /// The JSON of the REST door.
    Json,
}

impl Complete {
    pub(super) fn run(self) -> Result<(), Failure> {
        let request = request(&self.file)?;
        let endpoint = Endpoint::from_shared(self.server.clone())
            .map_err(|e| Failure::Usage(format!("--server {}: {e}", self.server)))?
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_millis(self.timeout_ms));
        if endpoint.uri().scheme_str() != Some("http") || endpoint.uri().host().is_none() {
            return Err(Failure::Usage(format!("--server {}: an http:// URL is expected", self.server)));
        }
        let answer = block_on(Threads::One, ask(endpoint, request))?;
        match self.format {
            Format::Tree => print(&tree::draw(&answer, terminal())),
            Format::Json => print(&(serde_json::to_string_pretty(&answer).map_err(Failure::work)? + "\n")),
        }
    }
}

fn request(file: &Path) -> Result<CompleteTraceRequest, Failure> {
    let mut bytes = Vec::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().lock().read_to_end(&mut bytes).map(drop),
        _ => fs::read(file).map(|read| bytes = read),
    };
    let name = file.display();
    read.map_err(|e| Failure::Usage(format!("{name}: {e}")))?;
    // The form is checked here; how much is too much is for the server to say.
    let limits = Limits {
        max_app_spans: u32::MAX,
        max_string_bytes: u32::MAX,
        max_iteration: u32::MAX,
        ..Limits::default()
    };
    let rules = Rules { limits: &limits, tracing: &Tracing::default() };
    json::message(&bytes, rules).map_err(|violations| Failure::Usage(format!("{name}: {violations}")))
}

pub(super) async fn ask(
    endpoint: Endpoint,
    request: CompleteTraceRequest,
) -> Result<CompleteTraceResponse, Failure> {
    let uri = endpoint.uri().clone();
    let channel =
        endpoint.connect().await.map_err(|e| Failure::Work(format!("{uri}: {}", with_causes(&e))))?;
    let mut client = TraceCompletionServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let answer = client.complete_trace(request).await;
    let answer =
        answer.map_err(|status| Failure::Work(format!("{:?}: {}", status.code(), status.message())))?;
    Ok(answer.into_inner())
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// How the terminal wants it: `COLUMNS` wide, coloured unless `NO_COLOR` says otherwise.
pub(super) fn terminal() -> tree::Style {
    let width = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tree::Style { width: width.unwrap_or(120), colour: io::stdout().is_terminal() && !plain }
}
