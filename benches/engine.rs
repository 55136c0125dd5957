//! Time of the engine by shape and size, and how it grows: `cargo bench --bench engine`.
//!
//! Each figure is the quickest of several runs. Growth is time at this size by time at a tenth of it: 10
//! is linear, 100 is quadratic.

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
