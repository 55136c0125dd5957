//! The one line of each request in the log.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use crate::harness::{Does, QUESTION, start};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn durations_have_no_noise() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // Of this thread, on which the whole server runs here.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = start(Does::Nothing, |_| {}).await;
    for _ in 0..20 {
        assert_eq!(server.post(QUESTION).await.status, 200);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let durations: Vec<&str> =
        log.split("duration_ms=").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
    assert_eq!(durations.len(), 20, "{log}");
    for duration in durations {
        let (whole, fraction) = duration.split_once('.').unwrap_or((duration, ""));
        assert!(whole.parse::<u64>().is_ok() && fraction.len() <= 3, "{duration}");
    }
}
