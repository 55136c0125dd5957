//! `demo`: shows a completed trace. Everything that it needs runs in this process: a ClickHouse with rows, a server
//! over it, and a caller at each of its doors.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::transport::Endpoint;

use super::{
    ask::ask,
    clickhouse,
    failure::Failure,
    running::{Threads, block_on, print, signal},
    serve::listen,
    terminal, tree,
};
use crate::{
    api,
    config::{Config, Log, StoreSettings},
    contract::{REST_PATH, answer, proto::CompleteTraceResponse},
    demo::{Group, World, groups, question},
    embedded::EmbeddedClickHouse,
    flow::{RowId, Texts},
    flow_log::FlowWriter,
    store::{ClickHouseStore, FlowStore, ReadContext},
    telemetry,
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The flags of `demo`.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Go on serving until a signal comes.
    #[arg(long)]
    keep: bool,
    /// Address and port of the server; a free port if not given.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Directory of ClickHouse; a temporary one if not given. serve --embedded can use it afterwards.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Print the request of the demo as the REST door takes it, and end.
    #[arg(long)]
    request: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let world = World::new();
        let body =
            serde_json::to_string_pretty(&question::body(&world.app_spans)).map_err(Failure::work)? + "\n";
        if self.request {
            return print(&body);
        }
        let log = Log { level: "warn".to_owned(), ..Log::default() };
        telemetry::init(&log).map_err(Failure::usage)?;

        // Comes first: where the port is taken, nothing has been started yet that must be ended again.
        let listener = listen(&self.listen)?;
        let begin = Instant::now();
        // Lives until the end of this function: dropping it ends the child, and the store must have closed its
        // connections before that.
        let mut clickhouse = clickhouse::start(self.data_dir.clone(), None)?;
        let (url, directory) = (clickhouse.http_url(), clickhouse.data_dir().display());
        print(&format!("clickhouse  {url} runs after {}, data in {directory}\n", ms(begin.elapsed())))?;
        block_on(Threads::Many, self.show(&world, &body, listener, &mut clickhouse))
    }

    async fn show(
        &self,
        world: &World,
        body: &str,
        listener: TcpListener,
        clickhouse: &mut EmbeddedClickHouse,
    ) -> Result<(), Failure> {
        print(&fill(world, &clickhouse.store_settings()).await?)?;

        let server = Server::start(listener, &clickhouse.reader_settings()).await?;
        let url = format!("http://{}", server.address);
        print(&format!("server      {url} serves gRPC and REST\n"))?;
        let shown = self.complete(world, body, &url).await;
        let kept = match shown {
            Ok(()) if self.keep => {
                print(&format!("Serving {url} until Ctrl-C.\n"))?;
                tokio::select! {
                    end = signal() => end.map_err(Failure::work),
                    died = clickhouse::died(clickhouse) => Err(died),
                }
            }
            end => end,
        };
        server.stop().await?;
        kept
    }

    async fn complete(&self, world: &World, body: &str, url: &str) -> Result<(), Failure> {
        let given = world.app_spans.len();
        let begin = Instant::now();
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(Failure::work)?;
        let answer = ask(endpoint, question::message(&world.app_spans));
        let answer = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(|_| Failure::work("gRPC: no answer in time"))??;
        let spans = answer.data.as_ref().map(|data| data.tracing.as_slice()).unwrap_or_default();
        let count = spans.len();
        print(&format!("gRPC        {given} spans asked, {count} answered in {}\n", ms(begin.elapsed())))?;

        let begin = Instant::now();
        let over_rest = post(url, body).await?;
        let over_grpc = serde_json::to_value(&answer).map_err(Failure::work)?;
        if over_rest != over_grpc {
            return Err(Failure::work("REST and gRPC gave different answers to the same question"));
        }
        print(&format!("REST        the same {count} spans in {}\n\n", ms(begin.elapsed())))?;

        let groups = groups::groups(spans);
        check(&answer, &groups)?;
        let remarks: Vec<tree::Remark> = groups.iter().map(|&group| remark(group)).collect();
        print(&tree::draw_with(&answer, terminal::style(), "group", &remarks))?;
        print(&legend(&groups))?;
        let again = if self.keep { url } else { "http://127.0.0.1:20418" };
        print(&how_to_ask(again, self.keep))
    }
}

/// Writes the rows, unless a former run has written them. Returns a line about it.
async fn fill(world: &World, settings: &StoreSettings) -> Result<String, Failure> {
    let rows = &world.rows;
    let ids: Vec<RowId> = rows.iter().map(|row| RowId(row._id)).collect();
    let context = ReadContext::new("demo", u32::MAX);
    let there = ClickHouseStore::new(settings)
        .map_err(Failure::usage)?
        .fetch(&context, &ids, &mut Texts::new())
        .await
        .map_err(Failure::work)?
        .rows
        .len();
    let (all, of_the_trace) = (rows.len(), world.of_the_trace.len());
    let what = format!("{all} rows: {of_the_trace} of the trace, {} of another request", all - of_the_trace);
    if there == all {
        return Ok(format!("flow log    has the {what}\n"));
    }
    let begin = Instant::now();
    let writer = FlowWriter::new(settings).map_err(Failure::usage)?;
    writer.write(rows).await.map_err(Failure::work)?;
    Ok(format!("flow log    got {what}, in {}\n", ms(begin.elapsed())))
}

/// A server in this process.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<std::io::Result<api::Drained>>,
}

impl Server {
    async fn start(listener: TcpListener, settings: &StoreSettings) -> Result<Server, Failure> {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::work)?;
        let address = listener.local_addr().map_err(Failure::work)?;
        let store = Arc::new(ClickHouseStore::new(settings).map_err(Failure::usage)?);
        let config = Config { store: settings.clone(), ..Config::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // An error means that the sender is gone: the server ends then too.
            stopped.await.ok();
        };
        let done = tokio::spawn(async move { api::run(listener, shutdown, store, &config).await });
        Ok(Server { address, stop, done })
    }

    async fn stop(self) -> Result<(), Failure> {
        // Fails only where the server has ended already. The next line says why.
        self.stop.send(()).ok();
        self.done.await.map_err(Failure::work)?.map_err(Failure::work)?;
        Ok(())
    }
}

/// Asks the REST door.
async fn post(url: &str, body: &str) -> Result<Value, Failure> {
    let request = http::Request::post(format!("{url}{REST_PATH}"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .map_err(Failure::work)?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = async {
        let response = client.request(request).await.map_err(Failure::work)?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(Failure::work)?.to_bytes();
        match status {
            http::StatusCode::OK => serde_json::from_slice(&bytes).map_err(Failure::work),
            status => Err(Failure::Work(format!("REST: {status}: {}", String::from_utf8_lossy(&bytes)))),
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.map_err(|_| Failure::work("REST: no answer in time"))?
}

/// Fails where the answer does not show all that the demo is meant to show.
fn check(answer: &CompleteTraceResponse, groups: &[Group]) -> Result<(), Failure> {
    if answer.opt_status != answer::SUCCESS {
        return Err(Failure::Work(format!("{}: {}", answer.opt_status, answer.description)));
    }
    match Group::ALL.iter().find(|group| !groups.contains(group)) {
        Some(missing) => {
            Err(Failure::Work(format!("the answer has no span of the group {}", missing.name())))
        }
        None => Ok(()),
    }
}

/// The colours of the picture in the original's documentation, as far as a terminal has them.
fn remark(group: Group) -> tree::Remark {
    let colour = match group {
        Group::Given => 39,
        Group::Between => 34,
        Group::Infrastructure => 32,
        Group::Neighbour => 31,
    };
    tree::Remark { text: group.name(), colour }
}

fn legend(groups: &[Group]) -> String {
    let line = |group: Group| {
        let count = groups.iter().filter(|&&of| of == group).count();
        format!("{count:>4} {:<15} {}\n", group.name(), group.meaning())
    };
    Group::ALL.map(line).concat() + "   ↓ the next point that saw the same request\n\n"
}

fn how_to_ask(url: &str, keep: bool) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "trace-completion".to_owned());
    let serve = if keep {
        String::new()
    } else {
        format!(
            "{program} demo --data-dir .cache/demo && {program} serve --embedded --data-dir .cache/demo\n"
        )
    };
    format!(
        "Ask yourself{}:\n{serve}{program} demo --request | curl -sS -XPOST {url}{REST_PATH} -d @-\n",
        if keep { "" } else { ", in two terminals" }
    )
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
