//! Trees by their expected text.

use super::*;
use crate::contract::proto::CompletedTrace;

const PLAIN: Style = Style { width: 72, colour: false };

/// A span: id, parent, source, observation point, name, start, duration.
fn span(id: &str, parent: &str, signal_source: i32, tap_side: &str, name: &str, times: (i64, i64)) -> Span {
    let protocol = if signal_source == 4 { "" } else { "HTTP" };
    Span {
        deepflow_span_id: id.into(),
        deepflow_parent_span_id: parent.into(),
        signal_source,
        tap_side: tap_side.into(),
        name: name.into(),
        request_resource: if signal_source == 4 { String::new() } else { name.into() },
        request_type: if signal_source == 4 { String::new() } else { "GET".into() },
        l7_protocol_str: protocol.into(),
        render_start_time_us: 1_000_000 + times.0,
        duration: times.1,
        ..Span::default()
    }
}

fn answer(tracing: Vec<Span>) -> CompleteTraceResponse {
    let data = CompletedTrace { tracing, ..CompletedTrace::default() };
    CompleteTraceResponse {
        opt_status: "SUCCESS".into(),
        data: Some(data),
        ..CompleteTraceResponse::default()
    }
}

fn shop() -> Vec<Span> {
    vec![
        span("1", "", 4, "c-app", "checkout", (0, 20_000)),
        span("2", "1", 3, "c-p", "/cart", (100, 19_500)),
        span("3", "2", 0, "c-nd", "/cart", (150, 19_400)),
        span("4", "3", 0, "s-nd", "/cart/a/very/long/path/that/does/not/fit", (200, 19_300)),
        span("5", "4", 3, "s-p", "/购物车/结账/支付/确认/完成/再来一次", (-5, 19_200)),
        span("6", "2", 3, "c-p", "/\x1b[31mred", (1_234_567, 0)),
        span("7", "", 4, "s-app", "other", (9_000, 1)),
    ]
}

#[test]
fn a_small_tree() {
    let mut answer = answer(shop());
    answer.data.as_mut().unwrap().host_clock_correction.insert("9".into(), -5);
    answer.opt_status = "PARTIAL_RESULT".into();
    answer.description = "the search ended early".into();
    let expected = "\
span                                 point  proto        start  duration
A checkout                           c-app            +0.000ms  20.000ms
└─S GET /cart                        c-p    HTTP      +0.100ms  19.500ms
  ├─N GET /cart                      c-nd   HTTP      +0.150ms  19.400ms
  │ └─N GET /cart/a/very/long/path…  s-nd   HTTP      +0.200ms  19.300ms
  │   └─S GET /购物车/结账/支付/确…  s-p    HTTP      -0.005ms  19.200ms
  └─S GET / [31mred                  c-p    HTTP   +1234.567ms   0.000ms
A other                              s-app            +9.000ms   0.001ms
7 spans: 2 A application, 3 S system, 2 N network
clocks corrected: agent 9 -5µs
PARTIAL_RESULT: the search ended early
";
    let drawn = draw(&answer, PLAIN);
    assert_eq!(drawn, expected, "\n{drawn}");
}

#[test]
fn the_points_of_one_exchange_are_one_step() {
    let seen = |id: &str, parent: &str, source, point: &str, seq| {
        let service = if point.starts_with('s') { "cart" } else { "shop" };
        Span {
            req_tcp_seq: seq,
            auto_service: service.into(),
            ..span(id, parent, source, point, "/cart", (0, 9_000))
        }
    };
    let spans = vec![
        Span { app_service: "shop".into(), ..span("1", "", 4, "app", "checkout", (0, 20_000)) },
        seen("2", "1", 3, "c-p", 77),
        seen("3", "2", 0, "s-nd", 77),
        seen("4", "3", 3, "s-p", 77),
        seen("5", "4", 3, "c-p", 88),
        seen("6", "1", 3, "c-p", 99),
    ];
    let style = Style { width: 109, colour: false };
    let remarks = ["way", "way", "new", "new", "new", "way"].map(|text| Remark { text, colour: 31 });
    let expected = "\
span                                                        service  point  proto     start  duration  remark
A checkout                                                  shop     app           +0.000ms  20.000ms  way
├─S GET /cart                                               shop     c-p    HTTP   +0.000ms   9.000ms  way
│↓N GET /cart                                               cart     s-nd   HTTP   +0.000ms   9.000ms  new
│↓S GET /cart                                               cart     s-p    HTTP   +0.000ms   9.000ms  new
│ └─S GET /cart                                             shop     c-p    HTTP   +0.000ms   9.000ms  new
└─S GET /cart                                               shop     c-p    HTTP   +0.000ms   9.000ms  way
6 spans: 1 A application, 4 S system, 1 N network
";
    let drawn = draw_with(&answer(spans.clone()), style, "remark", &remarks);
    assert_eq!(drawn, expected, "\n{drawn}");
    let colour = draw_with(&answer(spans.clone()), Style { colour: true, ..style }, "remark", &remarks);
    assert!(colour.contains("\x1b[31mnew   \x1b[0m"), "{colour}");
    let narrow = draw(&answer(spans), Style { width: 72, colour: false });
    assert!(!narrow.contains("service"), "{narrow}");
}

#[test]
fn every_line_fits() {
    for width in [72, 100, 200] {
        let mut spans = shop();
        for depth in 0..200 {
            let parent = if depth == 0 { "7".to_owned() } else { format!("d{}", depth - 1) };
            spans.push(span(
                &format!("d{depth}"),
                &parent,
                depth % 2,
                "s-gw-hv",
                &"x".repeat(300),
                (depth.into(), 5),
            ));
        }
        let drawn = draw(&answer(spans), Style { width, colour: false });
        for line in drawn.lines() {
            assert!(cells(line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn deep_levels_are_left_out_and_counted() {
    let spans: Vec<Span> = (0..30)
        .map(|i| {
            let parent = if i == 0 { String::new() } else { (i - 1).to_string() };
            span(&i.to_string(), &parent, 0, "c", "x", (0, 0))
        })
        .collect();
    let drawn = draw(&answer(spans), Style { width: 60, colour: false });
    let lines: Vec<&str> = drawn.lines().map(|line| &line[..line.find("  c ").unwrap_or(0)]).collect();
    assert_eq!(lines[2].trim_end(), "└─N GET x", "\n{drawn}");
    assert_eq!(lines[30].trim_end(), "⋯25       └─N GET x", "\n{drawn}");
}

#[test]
fn colour_is_for_the_letters_only() {
    let plain = draw(&answer(shop()), PLAIN);
    let colour = draw(&answer(shop()), Style { colour: true, ..PLAIN });
    assert!(colour.contains("\x1b[1;32mA\x1b[0m checkout"));
    let stripped = ["\x1b[1;32m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[0m"]
        .iter()
        .fold(colour, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain);
}

#[test]
fn an_empty_answer() {
    assert_eq!(draw(&answer(vec![]), PLAIN), "0 spans: 0 A application, 0 S system, 0 N network\n");
}

#[test]
fn unknown_parents_and_cycles_lose_no_span() {
    let spans = vec![
        span("1", "nope", 4, "app", "a", (0, 0)),
        span("2", "3", 4, "app", "b", (0, 0)),
        span("3", "2", 4, "app", "c", (0, 0)),
    ];
    assert_eq!(draw(&answer(spans), PLAIN).matches("\n").count(), 5);
}
