//! `complete`: asks a running server over gRPC, or completes a trace in this process over a flow log, and
//! shows the answer.

use std::{
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use tonic::transport::Endpoint;

use super::{
    ask::ask,
    explain,
    failure::Failure,
    running::{Threads, block_on, config_file, print},
    terminal, tree,
};
use crate::{
    completion,
    config::{Config, Limits, Tracing},
    contract::{
        Rules, answer, json,
        proto::{CompleteTraceRequest, CompleteTraceResponse},
    },
    flow::CompletionRequest,
    replay::{self, Case, RecordError},
    store::{ClickHouseStore, ReadContext},
};

/// Longest wait for a connection; `--timeout-ms` may be less.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// The server that is asked where `--server` is not given.
const SERVER: &str = "http://127.0.0.1:20418";

/// The flags of `complete`.
#[derive(Args, Debug)]
pub(super) struct Complete {
    /// Address of the server [default: http://127.0.0.1:20418].
    #[arg(long)]
    server: Option<String>,
    /// Complete in this process, over the flow log of the ClickHouse at this URL (store.url). There is no
    /// server then.
    #[arg(long, conflicts_with = "server")]
    clickhouse_url: Option<String>,
    /// Complete in this process with this configuration (TOML), and the one of the environment.
    #[arg(long, conflicts_with = "server")]
    config: Option<PathBuf>,
    /// The request in the JSON of the REST door; - is standard input.
    #[arg(long)]
    file: PathBuf,
    /// Write all that the flow log said to a file that `replay` runs without it. Needs a completion in this
    /// process.
    #[arg(long, value_name = "CASE")]
    record: Option<PathBuf>,
    /// Put pseudonyms into that file for ids, names, resources, addresses and texts of errors. Numbers such
    /// as times, sequence numbers and ports are kept.
    #[arg(long, requires = "record")]
    redact: bool,
    #[command(flatten)]
    case: CaseLimit,
    #[command(flatten)]
    show: Show,
    /// Longest wait for the answer, in ms.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
}

/// How an answer is shown.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Show {
    /// How to show the answer.
    #[arg(long, value_enum, default_value_t = Format::Tree)]
    format: Format,
    /// Say why the answer looks as it does: what put each span where it is, and what the search found.
    #[arg(long)]
    pub(super) explain: bool,
}

/// How large the file of a case may be.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct CaseLimit {
    /// Largest file of a recorded case, in bytes.
    #[arg(long, default_value_t = replay::MAX_CASE_BYTES, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_case_bytes: u64,
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
        let alone = self.clickhouse_url.is_some() || self.config.is_some();
        if self.record.is_some() && !alone {
            let why = "--record needs --clickhouse-url or --config: a server's rows do not leave it";
            return Err(Failure::usage(why));
        }
        let answer = if alone { self.complete_alone()? } else { self.ask_server()? };
        self.show.answer(&answer)
    }

    fn ask_server(&self) -> Result<CompleteTraceResponse, Failure> {
        let mut request = request(&self.file)?;
        request.explain |= self.show.explain;
        let server = self.server.as_deref().unwrap_or(SERVER);
        let endpoint = Endpoint::from_shared(server.to_owned())
            .map_err(|e| Failure::Usage(format!("--server {server}: {e}")))?
            .connect_timeout(CONNECT_PATIENCE);
        if endpoint.uri().scheme_str() != Some("http") || endpoint.uri().host().is_none() {
            return Err(Failure::Usage(format!("--server {server}: an http:// URL is expected")));
        }
        let patience = Duration::from_millis(self.timeout_ms);
        block_on(Threads::One, async {
            tokio::time::timeout(patience, ask(endpoint, request)).await.map_err(|_| {
                Failure::Work(format!("{server}: no answer within {} ms (--timeout-ms)", self.timeout_ms))
            })?
        })
    }

    /// Completes the trace as a server with this configuration would.
    fn complete_alone(&self) -> Result<CompleteTraceResponse, Failure> {
        let mut config =
            Config::load(config_file(&self.config).as_deref(), env::vars_os()).map_err(Failure::usage)?;
        if let Some(url) = &self.clickhouse_url {
            config.store.url.clone_from(url);
        }
        config.check().map_err(Failure::usage)?;
        let rules = Rules { limits: &config.limits, tracing: &config.tracing };
        let mut request = json::body(&read(&self.file)?, rules)
            .map_err(|violations| Failure::Usage(format!("{}: {violations}", self.file.display())))?;
        request.explain |= self.show.explain;
        block_on(Threads::Many, self.complete_over(&config, &request))
    }

    async fn complete_over(
        &self,
        config: &Config,
        request: &CompletionRequest,
    ) -> Result<CompleteTraceResponse, Failure> {
        let Config { tracing, server, store, .. } = config;
        let store = ClickHouseStore::new(store).map_err(Failure::usage)?;
        let region = &server.region_name;
        let context = ReadContext {
            request_id: format!("complete-{}", std::process::id()),
            limit_rows: tracing.l7_tracing_limit,
            deadline: Some(tokio::time::Instant::now() + Duration::from_millis(self.timeout_ms)),
        };
        let Some(path) = &self.record else {
            let found = completion::complete(&store, tracing, request, &context).await;
            return Ok(answer::response(&found.map_err(Failure::work)?, region));
        };
        let fault = |error: RecordError| Failure::work(error);
        let (answer, case) =
            replay::record(store, tracing, region, request, &context).await.map_err(fault)?;
        let case = if self.redact { replay::redact(&case).await.map_err(fault)? } else { case };
        self.write(&case, path)?;
        Ok(answer)
    }

    fn write(&self, case: &Case, path: &Path) -> Result<(), Failure> {
        case.write(path, self.case.max_case_bytes)
            .map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
    }
}

impl Show {
    /// Prints an answer.
    pub(super) fn answer(self, answer: &CompleteTraceResponse) -> Result<(), Failure> {
        match self.format {
            Format::Tree => {
                let style = terminal::style();
                print(&tree::draw(answer, style))?;
                if self.explain { print(&explain::explain(answer, style)) } else { Ok(()) }
            }
            Format::Json => print(&(serde_json::to_string_pretty(answer).map_err(Failure::work)? + "\n")),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().lock().read_to_end(&mut bytes).map(drop),
        _ => fs::read(file).map(|read| bytes = read),
    };
    read.map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?;
    Ok(bytes)
}

fn request(file: &Path) -> Result<CompleteTraceRequest, Failure> {
    let bytes = read(file)?;
    // Only the form is checked here. The limits are the server's.
    let limits = Limits {
        max_app_spans: u32::MAX,
        max_string_bytes: u32::MAX,
        max_iteration: u32::MAX,
        ..Limits::default()
    };
    let rules = Rules { limits: &limits, tracing: &Tracing::default() };
    json::message(&bytes, rules)
        .map_err(|violations| Failure::Usage(format!("{}: {violations}", file.display())))
}
