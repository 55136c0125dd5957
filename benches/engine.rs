//! Time of the engine by shape and size, and how it grows: `cargo bench --bench engine`.
//!
//! Each figure is the quickest of several runs. Growth is time at this size by time at a tenth of it: 10
//! is linear, 100 is quadratic. `--once SHAPE SPANS [--explain]` completes one trace and ends, for tools that count
//! what a program does; `scripts/explain-cost.sh` is one.

#![allow(missing_docs)]

#[path = "shapes.rs"]
mod shapes;

use std::time::{Duration, Instant};

use shapes::{SHAPES, Shape, World, world};
use trace_completion::{
    config::{Compatibility, Tracing},
    engine,
};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--once") {
        return once(&arguments[at + 1..]);
    }
    // `cargo test --benches` only wants to know that it runs.
    let sizes: &[usize] =
        if std::env::args().any(|arg| arg == "--bench") { &[100, 1_000, 10_000, 100_000] } else { &[100] };
    println!("| mode | shape | spans | answer | µs | ns a span | growth |");
    println!("|---|---|---|---|---|---|---|");
    for (mode, compatibility) in [("default", Compatibility::Off), ("original", Compatibility::Original)] {
        for shape in SHAPES {
            let mut before: Option<Duration> = None;
            for &size in sizes {
                let (spans, time) = measure(shape, size, compatibility);
                let growth = before.map_or(String::new(), |before| {
                    format!("{:.1}", time.as_secs_f64() / before.as_secs_f64().max(1e-9))
                });
                let each = time.as_nanos() / spans.max(1) as u128;
                let us = time.as_micros();
                println!("| {mode} | {shape:?} | {size} | {spans} | {us} | {each} | {growth} |");
                before = Some(time);
            }
        }
    }
}

/// Completes one trace.
fn once(arguments: &[String]) {
    let shape = SHAPES.into_iter().find(|shape| arguments.first() == Some(&format!("{shape:?}")));
    let size = arguments.get(1).and_then(|size| size.parse().ok());
    let (Some(shape), Some(size)) = (shape, size) else {
        eprintln!("usage: --once {SHAPES:?} SPANS [--explain]");
        #[expect(clippy::disallowed_methods, reason = "nothing is open yet")]
        std::process::exit(2);
    };
    let World { rows, mut texts, mut request } = world(shape, size);
    request.explain = arguments.iter().any(|argument| argument == "--explain");
    let completed = engine::complete(rows, &request, &Tracing::default(), &mut texts);
    println!("{} spans, explained: {}", completed.spans.len(), completed.explanation.is_some());
}

fn measure(shape: Shape, size: usize, compatibility: Compatibility) -> (usize, Duration) {
    let tracing = Tracing { compatibility, ..Tracing::default() };
    let runs = (200_000 / size).clamp(3, 200);
    let mut best = Duration::MAX;
    let mut spans = 0;
    let World { rows, texts, request } = world(shape, size);
    for _ in 0..runs {
        let (rows, mut texts) = (rows.clone(), texts.clone());
        let start = Instant::now();
        let completed = engine::complete(rows, &request, &tracing, &mut texts);
        best = best.min(start.elapsed());
        spans = completed.spans.len();
    }
    (spans, best)
}
