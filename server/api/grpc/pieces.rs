//! A streamed answer: work, and the messages that it sends. The work runs on its own task; it waits when the
//! one-message buffer is full, it ends when the caller goes away, and it fails when the caller does not read for too
//! long.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::Stream;
use tonic::Status;

use crate::api::{error::ApiError, refusal::Refusal, scope::Scope};

/// Messages in the buffer between the work and the connection. Besides them, one may be on its way to the caller and
/// one in the making.
const BUFFERED: usize = 1;

/// Where the work sends its messages.
#[derive(Debug)]
pub(super) struct Sink<T> {
    messages: mpsc::Sender<T>,
    /// Longest wait for room in the buffer.
    stall: Duration,
}

impl<T> Sink<T> {
    /// Sends a message as soon as the buffer has room. Fails where the caller does not read for `stall`.
    pub(super) async fn send(&self, message: T) -> Result<(), ApiError> {
        // A closed channel means that the caller is gone: this task is about to be aborted.
        match tokio::time::timeout(self.stall, self.messages.send(message)).await {
            Ok(_) => Ok(()),
            Err(_) => {
                let ms = self.stall.as_millis();
                let message = format!("the stream was not read for {ms} ms (limits.stream_stall_ms)");
                Err(ApiError::Deadline(message))
            }
        }
    }

    /// Sends a message if the buffer has room now, else drops it.
    pub(super) fn offer(&self, message: T) {
        self.messages.try_send(message).ok();
    }
}

/// The messages of a streamed answer, and at the end its status. Dropping it ends the work.
#[derive(Debug)]
pub(in crate::api) struct Pieces<T> {
    /// The first message, which was read before the head of the answer was sent.
    first: Option<T>,
    messages: mpsc::Receiver<T>,
    work: JoinHandle<Result<(), Status>>,
    /// The final status has been given out.
    ended: bool,
}

/// Starts the work of a streamed answer.
pub(super) fn start<T, F>(
    scope: Arc<Scope>,
    stall_ms: u32,
    work: impl FnOnce(Arc<Scope>, Sink<T>) -> F,
) -> Pieces<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    let (sender, messages) = mpsc::channel(BUFFERED);
    let sink = Sink { messages: sender, stall: Duration::from_millis(stall_ms.into()) };
    let work = work(Arc::clone(&scope), sink);
    let work = tokio::spawn(async move {
        scope.caught(work).await.map_err(|error| Refusal::of(&scope, &error).status())
    });
    Pieces { first: None, messages, work, ended: false }
}

impl<T: Unpin> Pieces<T> {
    /// Waits for the first message. A failure before it still becomes the head of the answer, so that a client may
    /// retry.
    pub(super) async fn begun(mut self) -> Result<Self, Status> {
        match std::future::poll_fn(|context| Pin::new(&mut self).poll_next(context)).await {
            Some(Ok(message)) => self.first = Some(message),
            Some(Err(status)) => return Err(status),
            None => {}
        }
        Ok(self)
    }
}

impl<T: Unpin> Stream for Pieces<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = self.first.take() {
            return Poll::Ready(Some(Ok(message)));
        }
        if let Some(message) = ready!(self.messages.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        // The sender has been dropped, so the work is ending.
        let end = ready!(pin!(&mut self.work).poll(context));
        self.ended = true;
        Poll::Ready(match end {
            Ok(Ok(())) => None,
            Ok(Err(status)) => Some(Err(status)),
            // This happens only at the end of the runtime: panics are caught inside the work.
            Err(_) => Some(Err(Refusal::unsupervised(&ApiError::Internal).status())),
        })
    }
}

impl<T> Drop for Pieces<T> {
    fn drop(&mut self) {
        self.work.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio_stream::StreamExt;

    use super::*;

    fn scope() -> Arc<Scope> {
        Scope::new("id".to_owned(), "grpc", "StreamCompleteTrace", Duration::from_secs(60))
    }

    #[tokio::test]
    async fn the_work_waits_for_the_reader() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let mut pieces = start(scope(), 60_000, async |_, sink| {
            for piece in 0..100 {
                MADE.fetch_add(1, Ordering::Relaxed);
                sink.send(piece).await?;
            }
            Ok(())
        })
        .begun()
        .await
        .unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(MADE.load(Ordering::Relaxed), 3, "one is read, one in the channel, one waits");
        for piece in 0..100 {
            assert_eq!(pieces.next().await.unwrap().unwrap(), piece);
        }
        assert!(pieces.next().await.is_none());
        assert!(pieces.next().await.is_none());
    }

    #[tokio::test]
    async fn the_work_ends_with_the_reader() {
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let pieces = start(scope(), 60_000, async move |_, sink: Sink<()>| {
            sink.send(()).await?;
            std::future::pending::<()>().await;
            drop(holds);
            Ok(())
        });
        let pieces = pieces.begun().await.unwrap();
        drop(pieces);
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn failures_come_after_the_messages_or_in_their_place() {
        let fails = async |_, sink: Sink<u8>| {
            sink.send(1).await?;
            Err(ApiError::StoreUnreachable)
        };
        let mut pieces = start(scope(), 60_000, fails).begun().await.unwrap();
        assert_eq!(pieces.next().await.unwrap().unwrap(), 1);
        assert_eq!(pieces.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
        assert!(pieces.next().await.is_none());

        let status = start(scope(), 60_000, async |_, _: Sink<u8>| Err(ApiError::StoreUnreachable));
        assert_eq!(status.begun().await.unwrap_err().code(), tonic::Code::Unavailable);
        let status = start(scope(), 60_000, async |_, _: Sink<u8>| panic!("secret"));
        assert_eq!(status.begun().await.unwrap_err().message(), "internal error, request id id");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_cut() {
        let mut pieces = start(scope(), 20, async |_, sink| {
            for piece in 0..9 {
                sink.send(piece).await?;
            }
            Ok(())
        });
        while !pieces.work.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(pieces.next().await.unwrap().unwrap(), 0);
        let status = pieces.next().await.unwrap().unwrap_err();
        assert_eq!(status.message(), "the stream was not read for 20 ms (limits.stream_stall_ms)");
    }
}
