//! Reads the rest of a request whose answer is known early: an unknown path, a body that is too large, a message that is
//! refused at its first byte.
//!
//! An answer that is sent before the request has ended may get lost. Over HTTP/1 the connection is closed while the
//! caller still writes, and most clients then report a broken pipe. Over HTTP/2 the stream must be reset after the
//! answer, and some clients then throw the answer away. So the server reads the rest first, within bounds: a caller that
//! sends for ever, or sends nothing more, gets its answer after that.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::Response,
};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{sync::oneshot, time::timeout};

use crate::config::Limits;

/// Longest time of reading.
const TOTAL: Duration = Duration::from_secs(2);
/// Longest wait for the next piece. A gRPC caller may keep its side open until it has the answer.
const IDLE: Duration = Duration::from_millis(200);
/// Most bytes that are read, as a multiple of `max_request_bytes`. It is above 1 so that a caller whose request is a
/// little too large still gets the error that says so.
const REQUESTS: u64 = 4;

/// How much of a body that nobody needs is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    bytes: u64,
    total: Duration,
    idle: Duration,
}

impl Bounds {
    pub(super) fn new(limits: &Limits) -> Self {
        Bounds { bytes: REQUESTS * u64::from(limits.max_request_bytes), total: TOTAL, idle: IDLE }
    }

    /// Reads a body to its end, or to a bound.
    async fn read(self, mut body: Body) {
        // A body that is announced as longer than the bound would be cut in the end. It is not read at all.
        if body.size_hint().lower() > self.bytes {
            return;
        }
        let reading = async {
            let mut left = self.bytes;
            // An error means that the caller is gone.
            while let Ok(Some(Ok(frame))) = timeout(self.idle, body.frame()).await {
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                match left.checked_sub(size) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        timeout(self.total, reading).await.ok();
    }
}

/// The middleware around all routes. It leaves a body alone that is still in use when the head of the answer is known:
/// that of a stream of questions.
pub(super) async fn read_rest(State(bounds): State<Bounds>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let expects = request.headers().contains_key(header::EXPECT);
    let (back, mut given_back) = oneshot::channel();
    let lent = |body| Body::new(Lent { body, asked: false, ended: false, back: Some(back) });
    let response = next.run(request.map(lent)).await;
    if let Ok(rest) = given_back.try_recv() {
        // A caller that expects "100 Continue" has not begun to send. Reading now would ask it for the body.
        if rest.asked || !expects {
            bounds.read(rest.body).await;
        }
    }
    response
}

/// A body that was not read to its end.
struct Unread {
    body: Body,
    /// Whether anybody began to read it.
    asked: bool,
}

/// The body of a request, which comes back when it is dropped before its end.
struct Lent {
    body: Body,
    asked: bool,
    ended: bool,
    back: Option<oneshot::Sender<Unread>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.asked = true;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.ended = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.ended || self.body.is_end_stream() {
            return;
        }
        if let Some(back) = self.back.take() {
            // This fails where the head of the answer has been sent already. Nobody waits for the body then.
            back.send(Unread { body: std::mem::take(&mut self.body), asked: self.asked }).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
    };

    use tokio::time::Instant;
    use tokio_stream::StreamExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A body of endless pieces of 10 bytes, and how many of them were read.
    fn endless(pause: Option<Duration>) -> (Body, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&read);
        let pieces = tokio_stream::iter(std::iter::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>("0123456789")
        }));
        let body = match pause {
            Some(pause) => Body::from_stream(Box::pin(pieces.throttle(pause))),
            None => Body::from_stream(pieces),
        };
        (body, read)
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_bytes() {
        let bounds = Bounds { bytes: 100, total: LONG, idle: LONG };
        let (body, read) = endless(None);
        bounds.read(body).await;
        assert_eq!(read.load(Ordering::Relaxed), 11, "the piece that is over the bound is the last");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_for_the_total_time() {
        let bounds = Bounds { bytes: u64::MAX, total: Duration::from_millis(100), idle: LONG };
        let (body, read) = endless(Some(Duration::from_millis(5)));
        let start = Instant::now();
        bounds.read(body).await;
        assert!(start.elapsed() >= bounds.total);
        assert!((1..=21).contains(&read.load(Ordering::Relaxed)), "{read:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_which_nothing_comes_is_given_up() {
        let bounds = Bounds { bytes: u64::MAX, total: LONG, idle: Duration::from_millis(20) };
        let start = Instant::now();
        bounds.read(Body::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>())).await;
        assert!((bounds.idle..LONG).contains(&start.elapsed()));
    }

    #[tokio::test]
    async fn a_body_that_is_announced_as_too_long_is_not_read() {
        /// Knows its size, and may not be read.
        struct Announced;

        impl HttpBody for Announced {
            type Data = Bytes;
            type Error = Infallible;

            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                unreachable!("the body is read")
            }

            fn size_hint(&self) -> SizeHint {
                SizeHint::with_exact(101)
            }
        }

        let bounds = Bounds { bytes: 100, total: LONG, idle: LONG };
        bounds.read(Body::new(Announced)).await;
    }

    #[test]
    fn the_bounds_in_force() {
        let Bounds { bytes, total, idle } = Bounds::new(&Limits::default());
        assert_eq!((bytes, total.as_millis(), idle.as_millis()), (16 << 20, 2000, 200));
    }
}
