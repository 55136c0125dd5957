//! The signal that the server ends, as connections and streams wait for it.

use tokio::sync::watch;

/// Waits until the server ends.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone already.
    stopping.wait_for(|stopping| *stopping).await.ok();
}
