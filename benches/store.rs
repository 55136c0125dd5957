//! What a completion costs the flow log: questions, rows that ClickHouse reads and returns, time; with what
//! the deviations of the default mode add: `cargo bench --bench store`.
//!
//! The demo's trace, among a million rows of other requests in the same minute.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Instant;

use trace_completion::{
    completion,
    config::{Compatibility, Tracing, TracingSource},
    demo::World,
    embedded::{EmbeddedClickHouse, Options},
    flow::CompletionRequest,
    flow_log::{FlowWriter, StoredRow},
    store::{ClickHouseStore, ReadContext},
};

/// Rows of other requests.
const BACKGROUND_ROWS: u64 = 1_000_000;

fn main() {
    let background = if std::env::args().any(|arg| arg == "--bench") { BACKGROUND_ROWS } else { 1_000 };
    let executable = env!("CARGO_BIN_EXE_trace-completion").into();
    let options = Options { executable, ..Options::default() };
    let clickhouse = EmbeddedClickHouse::start(options).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&clickhouse, background));
    drop(runtime);
    clickhouse.stop();
}

async fn measure(clickhouse: &EmbeddedClickHouse, background: u64) {
    let settings = clickhouse.store_settings();
    let writer = FlowWriter::new(&settings).unwrap();
    let world = World::new();
    writer.write(&world.rows).await.unwrap();
    for chunk in 0..background.div_ceil(100_000) {
        let to = ((chunk + 1) * 100_000).min(background);
        let rows: Vec<StoredRow> = (chunk * 100_000..to).map(|n| other(n, &world)).collect();
        writer.write(&rows).await.unwrap();
    }
    let store = ClickHouseStore::new(&settings).unwrap();
    let dns = vec![
        TracingSource::TraceId,
        TracingSource::Syscall,
        TracingSource::TcpSeq,
        TracingSource::XRequestId,
        TracingSource::Dns,
    ];
    let modes = [
        ("original", Tracing { compatibility: Compatibility::Original, ..Tracing::default() }),
        ("default", Tracing::default()),
        ("default, no late spans", Tracing { late_span_margin_s: 0, ..Tracing::default() }),
        ("default, with dns", Tracing { tracing_source: dns, ..Tracing::default() }),
    ];
    println!("| mode | queries | rows read | rows returned | spans | ms |\n|---|---|---|---|---|---|");
    for (name, tracing) in modes {
        let request = CompletionRequest {
            max_iteration: tracing.max_iteration,
            network_delay_us: tracing.network_delay_us,
            host_clock_offset_us: tracing.host_clock_offset_us,
            explain: false,
            app_spans: world.app_spans.clone(),
        };
        let context = ReadContext::new("bench", tracing.l7_tracing_limit);
        let mut best = f64::MAX;
        let mut line = String::new();
        for _ in 0..5 {
            let start = Instant::now();
            let found = completion::complete(&store, &tracing, &request, &context).await.unwrap();
            best = best.min(start.elapsed().as_secs_f64() * 1_000.0);
            let returned: usize = found.rounds.iter().map(|round| round.rows).sum();
            let spans = found.completed.spans.len();
            line = format!("{} | {} | {returned} | {spans}", found.queries, found.read_rows);
        }
        println!("| {name} | {line} | {best:.1} |");
    }
}

/// A row of another request, in the minute around the demo's.
fn other(n: u64, world: &World) -> StoredRow {
    let first = world.rows.first().map_or(0, |row| row.time);
    let time = first - 30 + (n % 60) as u32;
    let end_time = i64::from(time) * 1_000_000 + (n % 1_000_000) as i64;
    StoredRow {
        _id: u64::from(time) << 32 | (n & 0x3f_ffff) | 1 << 23,
        time,
        start_time: end_time - 1_000,
        end_time,
        agent_id: (n % 50) as u16 + 100,
        observation_point: "c".to_owned(),
        protocol: 6,
        l7_protocol: 20,
        r#type: 2,
        flow_id: n,
        req_tcp_seq: (n as u32).wrapping_mul(2_654_435_761),
        resp_tcp_seq: (n as u32).wrapping_mul(2_246_822_519),
        trace_id: format!("{n:032x}"),
        ..StoredRow::default()
    }
}
