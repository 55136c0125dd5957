//! Whether the store answers, as health checks see it. It takes several failures in a row to lose
//! readiness, so that one slow moment of the store takes no server out of service, and one success to
//! win it.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};

use super::panics::CatchPanic;
use crate::{config::Server, contract::proto::SERVICE_NAME, store::FlowStore, telemetry::panic_text};

/// Decides whether the server is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hysteresis {
    ready: bool,
    /// Failures since the last success.
    failures: u32,
    /// Failures that end readiness.
    max_failures: u32,
}

impl Hysteresis {
    /// Not ready until the first success.
    pub fn new(max_failures: u32) -> Self {
        Hysteresis { ready: false, failures: 0, max_failures }
    }

    /// Notes whether the store has answered. Returns whether the server is ready now.
    pub fn observe(&mut self, answered: bool) -> bool {
        if answered {
            self.failures = 0;
            self.ready = true;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.ready &= self.failures < self.max_failures;
        }
        self.ready
    }
}

/// Asks the store again and again, and publishes readiness. Ends when dropped.
pub(super) async fn watch_store<S: FlowStore>(
    store: Arc<S>,
    settings: Server,
    health: HealthReporter,
    ready: watch::Sender<bool>,
) {
    let mut hysteresis = Hysteresis::new(settings.ready_failures);
    let mut first = true;
    loop {
        let problem = ask(&*store, Duration::from_millis(settings.ready_timeout_ms.into())).await.err();
        let was = *ready.borrow();
        let is = hysteresis.observe(problem.is_none());
        if is != was {
            publish(&health, is).await;
            ready.send_replace(is);
        }
        match problem {
            None if !was => info!("the flow log answers, ready"),
            Some(problem) if first || was != is => warn!(problem, "the flow log does not answer, not ready"),
            _ => {}
        }
        first = false;
        tokio::time::sleep(Duration::from_millis(settings.ready_interval_ms.into())).await;
    }
}

async fn ask<S: FlowStore>(store: &S, time: Duration) -> Result<(), String> {
    match tokio::time::timeout(time, CatchPanic(Box::pin(store.ping()))).await {
        Ok(Ok(answer)) => answer.map_err(|e| e.to_string()),
        Ok(Err(panic)) => Err(format!("panic: {}", panic_text(&*panic))),
        Err(_) => Err(format!("no answer in {} ms (server.ready_timeout_ms)", time.as_millis())),
    }
}

/// Tells the health service, for the whole server and for the service by name.
pub(super) async fn publish(health: &HealthReporter, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in ["", SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_follows_the_store_with_hysteresis() {
        let mut hysteresis = Hysteresis::new(3);
        let seen: String =
            "..+..+...-..+".chars().map(|c| if hysteresis.observe(c == '+') { 'R' } else { '_' }).collect();
        assert_eq!(seen, "__RRRRRR____R");
    }
}
