//! Rows with any value that fits a column. They are not meant to make sense.

use trace_completion::{
    flow::{AppSpan, CompletionRequest, SpanKind},
    flow_log::StoredRow,
};

use super::{World, options, random::Random, request_span_name};

pub fn world(random: &mut Random) -> World {
    let mut rows: Vec<StoredRow> = (0..random.range(0, 12)).map(|_| row(random)).collect();
    for position in 1..rows.len() {
        if random.chance(10) {
            rows[position]._id = rows[position - 1]._id;
        }
    }
    let app_spans = (0..random.range(1, 6)).map(|position| span(position as usize, random)).collect();
    let request = CompletionRequest {
        max_iteration: random.pick(&[1, 30, u32::MAX]),
        network_delay_us: random.pick(&[1, 50_000, i64::MAX]),
        host_clock_offset_us: random.pick(&[1, 10_000, i64::MAX]),
        explain: random.chance(20),
        app_spans,
    };
    World { rows, request, tracing: options(random), truth: Vec::new() }
}

fn text(random: &mut Random) -> String {
    match random.below(24) {
        0 => "x".repeat(64 * 1024),
        1 => "é".repeat(1025),
        2 => "a,b, ,c".to_owned(),
        3 => "\0\u{feff}'\"\\".to_owned(),
        4 => ",".to_owned(),
        5 => "root".to_owned(),
        6..12 => "a".to_owned(),
        12..15 => "b".to_owned(),
        _ => String::new(),
    }
}

fn number(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => u64::MAX,
        1 => 1 << 63,
        2 => random.next(),
        3 | 4 => 1,
        5 => 2,
        _ => 0,
    }
}

fn time(random: &mut Random) -> i64 {
    match random.below(10) {
        0 => i64::MAX,
        1 => i64::MIN,
        2 => -1,
        3 => 0,
        4 => random.next() as i64,
        _ => 1_767_000_000_000_000 + random.range(0, 5) * 10_000,
    }
}

fn row(random: &mut Random) -> StoredRow {
    let point = random.pick(&[
        "c-p",
        "s-p",
        "c-p",
        "s-p",
        "c",
        "s",
        "c-nd",
        "s-nd",
        "c-hv",
        "s-hv",
        "c-gw",
        "s-gw",
        "rest",
        "local",
        "c-app",
        "s-app",
        "app",
        "",
        "c-",
        "S-P",
        "серверу",
    ]);
    let port = number(random) as u16;
    let mut row = StoredRow {
        _id: if random.chance(80) { 1_767_000_000 << 32 | random.below(1000) as u64 } else { number(random) },
        time: if random.chance(80) { 1_767_000_000 } else { number(random) as u32 },
        agent_id: number(random) as u16,
        observation_point: point.to_owned(),
        signal_source: random.pick(&[0, 0, 3, 3, 3, 4, 4, 1, 2, u16::MAX]),
        capture_network_type_id: number(random) as u8,
        is_ipv4: number(random) as u8,
        protocol: random.pick(&[6, 6, 17, 0, 255]),
        server_port: port,
        flow_id: number(random),
        req_tcp_seq: number(random) as u32,
        resp_tcp_seq: number(random) as u32,
        start_time: time(random),
        end_time: time(random),
        ..StoredRow::default()
    };
    row.process_id_0 = number(random) as i32;
    row.process_id_1 = number(random) as i32;
    row.syscall_trace_id_request = number(random);
    row.syscall_trace_id_response = number(random);
    row.syscall_cap_seq_0 = number(random) as u32;
    row.syscall_cap_seq_1 = number(random) as u32;
    row.auto_instance_id_0 = number(random) as u32;
    row.auto_instance_id_1 = number(random) as u32;
    row.auto_instance_type_0 = random.pick(&[0, 10, 255, 1, 14, 77]);
    row.auto_instance_type_1 = random.pick(&[0, 10, 255, 1, 14, 77]);
    row.auto_service_type_0 = number(random) as u8;
    row.auto_service_type_1 = number(random) as u8;
    row.l7_protocol = random.pick(&[0, 20, 21, 41, 48, 60, 108, 120, 255]);
    row.r#type = random.pick(&[0, 1, 2, 2, 3, 255]);
    row.is_async = random.pick(&[0, 0, 1, 255]);
    row.request_id = random.pick(&[None, None, Some(0), Some(1), Some(u64::MAX)]);
    row.response_code = random.pick(&[None, Some(0), Some(i32::MIN), Some(i32::MAX)]);
    row.response_duration = number(random);
    for field in [
        &mut row.biz_protocol,
        &mut row.request_resource,
        &mut row.endpoint,
        &mut row.x_request_id_0,
        &mut row.x_request_id_1,
        &mut row.trace_id,
        &mut row._trace_id_2,
        &mut row.span_id,
        &mut row.parent_span_id,
        &mut row.app_service,
        &mut row.app_instance,
        &mut row.auto_instance_0,
        &mut row.auto_instance_1,
        &mut row.auto_service_0,
        &mut row.auto_service_1,
        &mut row.subnet_0,
    ] {
        *field = text(random);
    }
    row
}

/// A span of the request, as hostile as the doors let through.
fn span(position: usize, random: &mut Random) -> AppSpan {
    let start_time_us = time(random).max(0);
    AppSpan {
        trace_id: text(random),
        span_id: text(random),
        parent_span_id: text(random),
        span_kind: SpanKind::from_number(random.range(0, 5)).unwrap(),
        start_time_us,
        end_time_us: time(random).max(start_time_us),
        name: request_span_name(position),
        app_service: if random.chance(20) { text(random) } else { String::new() },
        app_instance: if random.chance(20) { text(random) } else { String::new() },
    }
}
