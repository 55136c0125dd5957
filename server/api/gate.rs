//! The gate: how many completions work at the same time, and how many wait for a place. It is one for
//! all connections and both doors. Waiting is short and bounded. A caller for whom no place becomes free is told to
//! come back later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::config::Limits;

/// Bounds how many completions are at work.
#[derive(Debug)]
pub struct Gate {
    /// A permit for each place.
    places: Arc<Semaphore>,
    /// How many callers wait now.
    waiting: AtomicUsize,
    /// How many callers may wait.
    max_waiting: usize,
    /// Longest wait.
    max_wait: Duration,
}

/// A place for a completion. Dropping it gives it back.
#[derive(Debug)]
pub struct Place(#[allow(dead_code)] OwnedSemaphorePermit);

impl Gate {
    /// A gate with the configured limits.
    pub fn new(limits: &Limits) -> Self {
        Gate {
            places: Arc::new(Semaphore::new(limits.max_concurrent as usize)),
            waiting: AtomicUsize::new(0),
            max_waiting: limits.max_waiting as usize,
            max_wait: Duration::from_millis(limits.max_wait_ms.into()),
        }
    }

    /// Takes a place; waits for one where none is free. Fails with [`ApiError::Busy`].
    pub async fn enter(&self) -> Result<Place, ApiError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place(permit));
        }
        let _waiting = Waiting::new(&self.waiting, self.max_waiting)?;
        match tokio::time::timeout(self.max_wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            // The semaphore is never closed.
            Ok(Err(_)) => Err(ApiError::Internal),
            Err(_) => {
                let ms = self.max_wait.as_millis();
                Err(ApiError::Busy(format!("no place became free in {ms} ms (limits.max_wait_ms)")))
            }
        }
    }
}

/// Counts a waiting caller until dropped, because a caller may go away while it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize, max: usize) -> Result<Self, ApiError> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let counted = Waiting(waiting);
        if before >= max {
            let wait = match max {
                0 => "no request may wait for a place".to_owned(),
                1 => "1 request waits already".to_owned(),
                max => format!("{max} requests wait already"),
            };
            return Err(ApiError::Busy(format!("{wait} (limits.max_waiting)")));
        }
        Ok(counted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(max_waiting: u32, max_wait_ms: u32) -> Gate {
        Gate::new(&Limits { max_concurrent: 1, max_waiting, max_wait_ms, ..Limits::default() })
    }

    #[tokio::test]
    async fn a_place_is_given_on() {
        let gate = gate(1, 60_000);
        let place = gate.enter().await.unwrap();
        let (next, ()) = tokio::join!(gate.enter(), async { drop(place) });
        assert!(next.is_ok());
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_is_bounded_in_number_and_time() {
        for (max_waiting, message) in [
            (0, "no request may wait for a place"),
            (1, "1 request waits already"),
            (2, "2 requests wait already"),
        ] {
            let full = gate(max_waiting, 60_000);
            let _place = full.enter().await.unwrap();
            full.waiting.store(max_waiting as usize, Ordering::Relaxed);
            let shed = full.enter().await.unwrap_err();
            assert_eq!(shed.to_string(), format!("the server is busy: {message} (limits.max_waiting)"));
        }

        let slow = gate(1, 1);
        let _place = slow.enter().await.unwrap();
        let shed = slow.enter().await.unwrap_err();
        assert_eq!(shed.to_string(), "the server is busy: no place became free in 1 ms (limits.max_wait_ms)");
    }
}
