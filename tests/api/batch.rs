//! Many questions on one stream.

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use trace_completion::{
    api::Drained,
    config::Config,
    contract::proto::{
        BatchCompleteTraceRequest, BatchCompleteTraceResponse, CompleteTraceRequest,
        batch_complete_trace_response::Result as Outcome,
    },
};

use crate::{
    errors::check_reason,
    harness::{Does, Server, pass, patiently, question, start},
};

/// A time in which everything happens that needs no more input. It passes at once.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Both sides of a batch.
struct Batch {
    questions: mpsc::Sender<BatchCompleteTraceRequest>,
    answers: Streaming<BatchCompleteTraceResponse>,
}

impl Batch {
    async fn open(server: &Server) -> Batch {
        let (questions, receiver) = mpsc::channel(100);
        let mut client = server.grpc().await;
        let answers = client.batch_complete_trace(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Batch { questions, answers }
    }

    async fn ask(&self, id: &str, request: Option<CompleteTraceRequest>) {
        let question = BatchCompleteTraceRequest { correlation_id: id.to_owned(), request };
        self.questions.send(question).await.unwrap();
    }

    /// The next answer: its id, and its status.
    async fn next(&mut self) -> Result<Option<(String, Status)>, Status> {
        let answer = patiently("an answer of the batch", self.answers.message()).await?;
        Ok(answer.map(|answer| {
            let status = match answer.result.unwrap() {
                Outcome::Response(response) => {
                    assert_eq!(response.opt_status, "SUCCESS");
                    assert_eq!(response.data.unwrap().tracing.len(), 1);
                    Status::ok("")
                }
                Outcome::Error(error) => {
                    let details = prost::Message::encode_to_vec(&error).into();
                    Status::with_details(Code::from_i32(error.code), error.message, details)
                }
            };
            (answer.correlation_id, status)
        }))
    }

    /// Reads to the end of the stream. Returns the codes by id, and how the stream ended.
    async fn rest(mut self) -> (BTreeMap<String, Code>, Status) {
        drop(self.questions);
        let (questions, _) = mpsc::channel(1);
        self.questions = questions;
        let mut codes = BTreeMap::new();
        loop {
            match self.next().await {
                Ok(Some((id, status))) => assert_eq!(codes.insert(id, status.code()), None),
                Ok(None) => return (codes, Status::ok("")),
                Err(status) => return (codes, status),
            }
        }
    }
}

#[tokio::test]
async fn answers_come_as_they_finish() {
    let server = start(Does::Hang, |_| {}).await;
    let mut batch = Batch::open(&server).await;
    batch.ask("slow", Some(question())).await;
    server.hanging().await;
    server.store.now(Does::Nothing);
    batch.ask("quick", Some(question())).await;
    assert_eq!(batch.next().await.unwrap().unwrap().0, "quick");
    batch.ask("", Some(question())).await;
    assert_eq!(batch.next().await.unwrap().unwrap().0, "");
    server.store.release();
    assert_eq!(batch.next().await.unwrap().unwrap().0, "slow");
    let (codes, end) = batch.rest().await;
    assert!(codes.is_empty());
    assert_eq!(end.code(), Code::Ok);
}

#[tokio::test]
async fn a_bad_question_does_not_end_the_stream() {
    let server = start(Does::Nothing, |_| {}).await;
    let mut batch = Batch::open(&server).await;
    for (id, request, message) in [
        ("empty", Some(CompleteTraceRequest::default()), "app_spans: at least 1 span is required"),
        ("none", None, "request: required"),
        (
            &*"i".repeat(1025),
            Some(question()),
            "correlation_id: 1025 bytes, at most 1024 are allowed (limits.max_string_bytes)",
        ),
    ] {
        batch.ask(id, request).await;
        let (answered, status) = batch.next().await.unwrap().unwrap();
        assert_eq!(answered, id);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
        let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
        assert_eq!(info.reason, "ERROR_REASON_INVALID_REQUEST");
        // The request id is that of the stream with the number of the question.
        assert!(info.metadata["request_id"].contains('.'), "{info:?}");
        assert!(tonic_types::StatusExt::get_details_bad_request(&status).is_some());
    }
    server.store.now(Does::Panic);
    batch.ask("panic", Some(question())).await;
    assert_eq!(batch.next().await.unwrap().unwrap().1.code(), Code::Internal);
    server.store.now(Does::Nothing);
    batch.ask("good", Some(question())).await;
    let (codes, end) = batch.rest().await;
    assert_eq!((codes["good"], end.code()), (Code::Ok, Code::Ok));
}

#[tokio::test]
async fn questions_in_flight_are_bounded() {
    let server = start(Does::Hang, |config| config.limits.batch_in_flight = 2).await;
    let batch = Batch::open(&server).await;
    for i in 0..5 {
        batch.ask(&i.to_string(), Some(question())).await;
    }
    server.hanging().await;
    server.hanging().await;
    pass(A_MOMENT).await;
    assert_eq!(server.store.hanging.available_permits(), 0, "a third question was read");
    server.store.release();
    let (codes, end) = batch.rest().await;
    assert_eq!((codes.len(), end.code()), (5, Code::Ok), "{codes:?}");
}

#[tokio::test]
async fn what_runs_is_finished_after_the_caller_has_closed_its_side() {
    let server = start(Does::Hang, |_| {}).await;
    let batch = Batch::open(&server).await;
    batch.ask("a", Some(question())).await;
    batch.ask("b", Some(question())).await;
    server.hanging().await;
    server.hanging().await;
    let rest = tokio::spawn(batch.rest());
    pass(A_MOMENT).await;
    server.store.release();
    let (codes, end) = rest.await.unwrap();
    assert_eq!((codes.len(), end.code()), (2, Code::Ok));
}

#[tokio::test]
async fn each_question_takes_a_place_and_gives_it_back() {
    let change = |config: &mut Config| {
        config.limits.max_concurrent = 1;
        config.limits.max_waiting = 0;
    };
    let server = start(Does::Hang, change).await;
    let mut batch = Batch::open(&server).await;
    batch.ask("first", Some(question())).await;
    server.hanging().await;
    batch.ask("second", Some(question())).await;
    let (id, status) = batch.next().await.unwrap().unwrap();
    assert_eq!((id.as_str(), status.code()), ("second", Code::ResourceExhausted));
    assert!(tonic_types::StatusExt::get_details_retry_info(&status).is_some());

    // If the caller goes away, its questions end and give their places back.
    drop(batch);
    server.store.now(Does::Nothing);
    server.until_answered().await;
}

#[tokio::test]
async fn each_question_has_its_own_deadline() {
    let server = start(Does::Hang, |config| config.limits.max_request_ms = 5000).await;
    let mut batch = Batch::open(&server).await;
    for id in ["a", "b"] {
        batch.ask(id, Some(question())).await;
        server.hanging().await;
        pass(Duration::from_millis(5000)).await;
        let (answered, status) = batch.next().await.unwrap().unwrap();
        assert_eq!((answered.as_str(), status.code()), (id, Code::DeadlineExceeded));
    }
    server.store.now(Does::Nothing);
    batch.ask("c", Some(question())).await;
    assert_eq!(batch.next().await.unwrap().unwrap().1.code(), Code::Ok);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_ends_the_stream_after_what_runs() {
    let server = start(Does::Hang, |config| config.limits.max_request_bytes = 2000).await;
    let batch = Batch::open(&server).await;
    batch.ask("good", Some(question())).await;
    server.hanging().await;
    batch.ask(&"x".repeat(3000), None).await;
    let rest = tokio::spawn(batch.rest());
    pass(A_MOMENT).await;
    server.store.release();
    let (codes, end) = rest.await.unwrap();
    assert_eq!(codes.len(), 1);
    assert_eq!(end.code(), Code::ResourceExhausted);
    assert_eq!(end.message(), "the message is over 2000 bytes (limits.max_request_bytes)");
    assert!(tonic_types::StatusExt::get_details_error_info(&end).is_some());
}

#[tokio::test]
async fn the_end_of_the_server_ends_the_stream_after_what_runs() {
    let mut server = start(Does::Hang, |_| {}).await;
    let mut batch = Batch::open(&server).await;
    batch.ask("running", Some(question())).await;
    server.hanging().await;
    let store = server.store.clone();
    server.stop();
    pass(A_MOMENT).await;
    store.release();
    assert_eq!(batch.next().await.unwrap().unwrap().0, "running");
    let status = batch.next().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server is shutting down"));
    check_reason_of_stream(&status);
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

/// Checks the reason only. The head with the id of the request came long before.
fn check_reason_of_stream(status: &Status) {
    let mut headed = status.clone();
    let info = tonic_types::StatusExt::get_details_error_info(status).unwrap();
    headed.metadata_mut().insert("x-request-id", info.metadata["request_id"].parse().unwrap());
    check_reason(&headed, "SHUTTING_DOWN");
}
