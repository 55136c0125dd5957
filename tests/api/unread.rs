//! Answers that are known before the request is read. None gets lost, and none is delayed for long.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use trace_completion::{api::Drained, contract::REST_PATH};

use crate::harness::{Does, QUESTION, Server, pass, patiently, read_all, start, without_time};

/// Kinds of HTTP/2 frames, and their flags.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// How long the server waits for the next piece of a request that it no longer needs.
const SILENCE: Duration = Duration::from_millis(200);
/// How long it reads such a request in all.
const READING: Duration = Duration::from_secs(2);

/// One request over HTTP/2, frame by frame: a library would hide the order in which things come.
struct Stream {
    connection: TcpStream,
    /// Whether the head of the answer has come.
    head: bool,
    body: Vec<u8>,
    ended: bool,
    reset: bool,
}

impl Stream {
    /// Sends the head of a request with a body.
    async fn post(server: &Server, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut connection = server.connect().await;
        // Each frame leaves at once, rather than with the next one.
        connection.set_nodelay(true).unwrap();
        connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut stream = Stream { connection, head: false, body: Vec::new(), ended: false, reset: false };
        stream.send(SETTINGS, 0, &[]).await;
        // POST and http are sent as their index in HPACK's table, all other headers as literals.
        let mut block = vec![0x83, 0x86];
        let mut literal = |name: &str, value: &str| {
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
                block.extend(text.bytes());
            }
        };
        literal(":path", path);
        literal(":authority", "x");
        headers.iter().for_each(|(name, value)| literal(name, value));
        stream.send(HEADERS, END_HEADERS, &block).await;
        stream
    }

    async fn send(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let of_connection = [SETTINGS, PING].contains(&kind);
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags];
        frame.extend([0, 0, 0, u8::from(!of_connection)]);
        frame.extend(payload);
        self.connection.write_all(&frame).await.unwrap();
    }

    /// Reads one frame. Returns whether it is the answer to a ping.
    async fn take(&mut self) -> bool {
        let mut head = [0; 9];
        self.connection.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.connection.read_exact(&mut payload).await.unwrap();
        let (kind, flags) = (head[3], head[4]);
        match kind {
            HEADERS => self.head = true,
            DATA => self.body.extend(payload),
            RST_STREAM => self.reset = true,
            _ => {}
        }
        self.ended |= [HEADERS, DATA].contains(&kind) && flags & END_STREAM != 0;
        kind == PING && flags & ACK != 0
    }

    /// Reads everything that the server has to say now.
    async fn catch_up(&mut self) {
        // When the second ping is answered, the server has done all that the first one let it do.
        for _ in 0..2 {
            self.send(PING, 0, &[0; 8]).await;
            while !self.take().await {}
        }
    }

    async fn answered(&mut self) {
        let answered = async {
            while !self.ended {
                self.take().await;
            }
        };
        patiently("the answer", answered).await;
    }
}

/// Sends a body of twenty bytes, one by one. Returns the answer, or `None` if it came before all of them were
/// sent.
async fn answer_after_the_body(server: &Server, path: &str, headers: &[(&str, &str)]) -> Option<String> {
    let mut stream = Stream::post(server, path, headers).await;
    for _ in 0..20 {
        stream.catch_up().await;
        if stream.head {
            return None;
        }
        stream.send(DATA, 0, b" ").await;
    }
    stream.send(DATA, END_STREAM, b"").await;
    stream.answered().await;
    stream.catch_up().await;
    assert!(!stream.reset, "the stream was reset after the answer");
    Some(String::from_utf8(stream.body).unwrap())
}

#[tokio::test]
async fn an_http2_answer_does_not_overtake_its_request() {
    let server = start(Does::Nothing, |config| config.limits.max_request_bytes = 15).await;
    let grpc = ("content-type", "application/grpc");
    for (path, header, says) in [
        ("/nope", ("x", "y"), "NOT_FOUND"),
        ("/healthz", ("x", "y"), "NOT_ALLOW_METHOD"),
        (REST_PATH, ("content-length", "20"), "limits.max_request_bytes"),
        (REST_PATH, ("x", "y"), "limits.max_request_bytes"),
        // A gRPC error is in the head of the answer, and has no body.
        ("/x.Y/Z", grpc, ""),
        ("/tracecompletion.v1.TraceCompletionService/Nope", grpc, ""),
    ] {
        // The server waits for the rest of a body, but only for a short time, which must not end here.
        let answer = without_time(answer_after_the_body(&server, path, &[header])).await;
        let answer = answer.unwrap_or_else(|| panic!("{path}: answered before the request was there"));
        assert!(answer.contains(says), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_grpc_caller_that_keeps_its_side_open_is_answered() {
    let server = start(Does::Nothing, |_| {}).await;
    let mut stream = Stream::post(&server, "/x.Y/Z", &[("content-type", "application/grpc")]).await;
    without_time(stream.catch_up()).await;
    assert!(!stream.head, "the server waits for the rest of the request");
    pass(SILENCE).await;
    stream.answered().await;
}

#[tokio::test]
async fn a_stream_of_questions_is_left_alone() {
    let server = start(Does::Nothing, |_| {}).await;
    let path = "/tracecompletion.v1.TraceCompletionService/BatchCompleteTrace";
    let mut stream = Stream::post(&server, path, &[("content-type", "application/grpc")]).await;
    while !stream.head {
        stream.take().await;
    }
    // An empty question is sent after the head of the answer has come.
    stream.send(DATA, 0, &[0; 5]).await;
    while stream.body.is_empty() {
        stream.take().await;
    }
    let answer = String::from_utf8_lossy(&stream.body);
    assert!(answer.contains("request: required"), "{answer:?}");
    stream.send(DATA, END_STREAM, b"").await;
    stream.answered().await;
}

/// Most clients write the whole request before they read.
#[tokio::test]
async fn an_http1_caller_writes_its_request_to_the_end() {
    let server = start(Does::Nothing, |_| {}).await;
    let size = 12 << 20;
    let mut stream = server.connect().await;
    let head = format!("POST {REST_PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; size]).await.expect("all of the request is taken");
    // The connection can be used again.
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let answers = String::from_utf8(read_all(&mut stream).await).unwrap();
    assert!(answers.starts_with("HTTP/1.1 413 "), "{answers}");
    assert!(answers.contains("the body is over 4194304 bytes (limits.max_request_bytes)"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200 "), "{answers}");
}

/// Sends pieces of a body, with a pause between them, until there is an answer.
async fn answer_meanwhile(server: &Server, path: &str, piece: usize, pause: impl AsyncFn()) -> String {
    let (mut reader, mut writer) = server.connect().await.into_split();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let piece = format!("{piece:x}\r\n{}\r\n", " ".repeat(piece));
    let send = async {
        while writer.write_all(piece.as_bytes()).await.is_ok() {
            pause().await;
        }
        // The server reads no more: the answer is there, or it is lost.
        std::future::pending::<()>().await;
    };
    let mut status = [0; 12];
    let answer = async {
        tokio::select! {
            read = reader.read_exact(&mut status) => read.unwrap(),
            () = send => unreachable!(),
        }
    };
    patiently("the answer", answer).await;
    String::from_utf8(status.to_vec()).unwrap()
}

#[tokio::test]
async fn who_sends_without_end_is_answered_meanwhile() {
    let server = start(Does::Nothing, |config| config.limits.max_request_bytes = 1000).await;
    // The limit of bytes is reached before any time passes.
    let without_pause = answer_meanwhile(&server, "/nope", 1000, tokio::task::yield_now);
    let answer = without_time(without_pause).await;
    assert_eq!(answer, "HTTP/1.1 404");
    // The limit of time is reached long before that of bytes.
    tokio::time::pause();
    let start = Instant::now();
    let pause = || tokio::time::sleep(SILENCE / 10);
    assert_eq!(answer_meanwhile(&server, "/nope", 1, pause).await, "HTTP/1.1 404");
    assert!(start.elapsed() >= READING, "answered after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_that_will_be_thrown_away_is_not_asked_for() {
    let server = start(Does::Nothing, |_| {}).await;
    for (path, length, status) in [("/nope", 9, 404), (REST_PATH, 12 << 20, 413)] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        );
        assert_eq!(server.raw(head.as_bytes()).await.status, status);
    }

    // A body that will be read is asked for, and then read to its end.
    let mut stream = server.connect().await;
    let head = format!(
        "POST {REST_PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        QUESTION.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(QUESTION.as_bytes()).await.unwrap();
    assert!(read_all(&mut stream).await.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_shutdown_waits_for_the_rest_of_a_request_and_no_longer() {
    let mut server = start(Does::Nothing, |_| {}).await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST /nope HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    // This is answered only after the connection before it was accepted.
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop();
    let (answer, ()) = tokio::join!(read_all(&mut stream), pass(SILENCE));
    assert!(answer.starts_with(b"HTTP/1.1 404 "));
    assert_eq!(server.ended().await, Drained { cut: 0 });
}
