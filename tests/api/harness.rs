//! A server, a fake flow log that does as it is told, and clients for both doors.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
};
use tonic::transport::Channel;
use trace_completion::{
    api::{self, Drained},
    config::Config,
    contract::{
        REST_PATH,
        proto::{
            AppSpan, CompleteTraceRequest, trace_completion_service_client::TraceCompletionServiceClient,
        },
    },
    flow::{FlowRow, KeyRow, RowId, Texts},
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};

/// How long a test waits for something before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Lets a time pass without waiting for it. Everything that is ready runs first. Then the clock is put forward
/// to the next timer, again and again, until the time has passed. After that the clock runs as usual, so a
/// timer that was set late still ends, in real time.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::sleep(time).await;
    tokio::time::resume();
}

/// Runs a future while the clock stands still, so that no time limit of the server ends, however slow this
/// machine is.
pub(crate) async fn without_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let (ended, end) = std::sync::mpsc::sync_channel::<()>(0);
    // A paused clock is not put forward while such a thread runs. If the future takes longer than the patience,
    // the thread ends, the clock goes on, and the timeouts of the test end it.
    let hold = tokio::task::spawn_blocking(move || end.recv_timeout(PATIENCE));
    let result = future.await;
    drop(ended);
    hold.await.unwrap().unwrap_err();
    tokio::time::resume();
    result
}

/// Waits for something, and fails if it does not come.
pub(crate) async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited {} s in vain: {what}", PATIENCE.as_secs()))
}

/// What the flow log does when asked.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// It has no rows.
    Nothing,
    Fail(StoreError),
    /// It says that there are more rows than it may return.
    Truncate,
    /// It waits for [`FakeStore::release`], and then has no rows.
    Hang,
    Panic,
}

/// A fake flow log that does as it is told.
pub(crate) struct FakeStore {
    does: Mutex<Does>,
    /// Whether pings are answered.
    pub(crate) answers: AtomicBool,
    /// One permit for each question that hangs.
    pub(crate) hanging: Semaphore,
    released: Notify,
}

impl FakeStore {
    pub(crate) fn new(does: Does) -> Arc<Self> {
        let released = Notify::new();
        let (does, answers) = (Mutex::new(does), AtomicBool::new(true));
        Arc::new(FakeStore { does, answers, hanging: Semaphore::new(0), released })
    }

    pub(crate) fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// From now on nothing hangs.
    pub(crate) fn release(&self) {
        self.now(Does::Nothing);
        self.released.notify_waiters();
    }

    async fn ask<T>(&self) -> Result<Page<T>, StoreError> {
        let released = self.released.notified();
        let does = self.does.lock().unwrap().clone();
        match does {
            Does::Nothing => Ok(Page::default()),
            Does::Truncate => Ok(Page { truncated: true, ..Page::default() }),
            Does::Fail(error) => Err(error),
            Does::Hang => {
                self.hanging.add_permits(1);
                released.await;
                Ok(Page::default())
            }
            Does::Panic => panic!("secret row data"),
        }
    }
}

impl FlowStore for FakeStore {
    async fn search(&self, _: &ReadContext, _: &Question, _: &mut Texts) -> Result<Page<KeyRow>, StoreError> {
        self.ask().await
    }

    async fn fetch(&self, _: &ReadContext, _: &[RowId], _: &mut Texts) -> Result<Page<FlowRow>, StoreError> {
        self.ask().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answers = self.answers.load(Ordering::Relaxed);
        if answers { Ok(()) } else { Err(StoreError::Unreachable("refused".to_owned())) }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<FakeStore>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<io::Result<Drained>>,
}

/// Starts a server with a changed configuration.
pub(crate) async fn start(does: Does, change: impl FnOnce(&mut Config)) -> Server {
    start_over(FakeStore::new(does), change).await
}

/// Starts a server over this flow log.
pub(crate) async fn start_over(store: Arc<FakeStore>, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::default();
    config.server.ready_interval_ms = 10;
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = Arc::clone(&store);
    let done = tokio::spawn(async move {
        let shutdown = async {
            stopped.await.ok();
        };
        api::run(listener, shutdown, served, &config).await
    });
    Server { address, store, stop: Some(stop), done }
}

impl Server {
    /// Asks the server to end.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the end.
    pub(crate) async fn ended(self) -> Drained {
        let Server { stop, done, .. } = self;
        let ended = patiently("the end of the server", done).await.unwrap().unwrap();
        drop(stop);
        ended
    }

    /// Waits until a question of a completion hangs in the flow log.
    pub(crate) async fn hanging(&self) {
        patiently("a question that hangs", self.store.hanging.acquire()).await.unwrap().forget();
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn grpc(&self) -> TraceCompletionServiceClient<Channel> {
        TraceCompletionServiceClient::new(self.channel().await)
    }

    /// Posts a completion to the REST door.
    pub(crate) async fn post(&self, body: impl Into<Vec<u8>>) -> Reply {
        self.http("POST", REST_PATH, "", body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.http("GET", path, "", "").await
    }

    /// One HTTP/1 request on a connection of its own.
    pub(crate) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let body = body.into();
        let length = body.len();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n")
                .into_bytes();
        request.extend(body);
        self.raw(&request).await
    }

    /// Sends bytes, and reads an HTTP/1 answer up to the end of the connection.
    pub(crate) async fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = self.connect().await;
        // A server that refuses the request early may not read all of it.
        stream.write_all(request).await.ok();
        Reply::parse(&read_all(&mut stream).await)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Asks again and again until a place is free and the completion is answered.
    pub(crate) async fn until_answered(&self) {
        let ask = async { while self.post(QUESTION).await.status != 200 {} };
        patiently("a free place", ask).await;
    }

    /// Asks again and again until the path answers with the status.
    pub(crate) async fn until(&self, path: &str, status: u16) {
        let look = async { while self.get(path).await.status != status {} };
        patiently(&format!("{status} at {path}"), look).await;
    }
}

/// Everything that comes until the connection ends.
pub(crate) async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..count]);
        }
    };
    patiently("the end of the connection", read).await;
    bytes
}

/// An HTTP/1 answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Reply {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|l| l.split_once(": ").unwrap())
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect();
        Reply { status, headers, body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }
}

/// A valid question in its two forms.
pub(crate) fn question() -> CompleteTraceRequest {
    let span = AppSpan {
        trace_id: "t".into(),
        span_id: "s".into(),
        start_time_us: 5,
        end_time_us: 9,
        ..AppSpan::default()
    };
    CompleteTraceRequest { app_spans: vec![span], ..CompleteTraceRequest::default() }
}

pub(crate) const QUESTION: &str = r#"{"app_spans": [{"trace_id": "t", "span_id": "s", "parent_span_id": "",
    "span_kind": 2, "start_time_us": 5, "end_time_us": 9}]}"#;

/// A question of many spans, of about 300 bytes each in the answer.
pub(crate) fn large_question(spans: usize) -> CompleteTraceRequest {
    let span = |i: usize| AppSpan {
        span_id: format!("s{i}"),
        parent_span_id: if i == 0 { String::new() } else { format!("s{}", (i - 1) / 10) },
        name: format!("work {i} {}", "x".repeat(200)),
        ..question().app_spans.remove(0)
    };
    CompleteTraceRequest { app_spans: (0..spans).map(span).collect(), ..CompleteTraceRequest::default() }
}
