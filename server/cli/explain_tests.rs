//! Explanations by their expected text.

use super::*;
use crate::contract::proto::{CompletedTrace, RefusedParent};

fn span(id: &str, parent: &str, signal_source: i32, tap_side: &str, name: &str) -> Span {
    Span {
        deepflow_span_id: id.into(),
        deepflow_parent_span_id: parent.into(),
        signal_source,
        tap_side: tap_side.into(),
        name: name.into(),
        request_resource: name.into(),
        start_time_us: 1_000_000,
        ..Span::default()
    }
}

fn because(id: &str, rule: &str, confidence: &str, matched: &[&str]) -> SpanReason {
    SpanReason {
        deepflow_span_id: id.into(),
        rule: rule.into(),
        confidence: confidence.into(),
        matched: matched.iter().map(|&text| text.to_owned()).collect(),
        refused: Vec::new(),
    }
}

fn root(id: &str, refused: &[(&str, &str)]) -> SpanReason {
    let refused = refused
        .iter()
        .map(|&(id, reason)| RefusedParent { deepflow_span_id: id.into(), reason: reason.into() })
        .collect();
    SpanReason { refused, ..because(id, "", "", &[]) }
}

fn shop() -> CompleteTraceResponse {
    let round = |iteration, question: &str, rows, truncated| SearchRound {
        iteration,
        question: question.into(),
        keys: 3,
        rows,
        read_rows: 123_456_789,
        kept: rows - 1,
        known: 1,
        truncated,
        elapsed_us: 12_345,
        ..SearchRound::default()
    };
    let explanation = Explanation {
        search: vec![round(1, "trace_id", 7, false), round(1, "association", 1000, true)],
        spans: vec![
            root("1", &[]),
            because("2", "R-PSS-2", "strong", &["span_id=abc", "starts_after_us=100"]),
            because("3", "R-NET-9", "weak", &["req_tcp_seq=77", "resp_tcp_seq=88", "starts_after_us=1000"]),
            because("4", "R-CONN-1", "strong", &[]),
            root(
                "5",
                &[("2", "related by network, but starts 3 µs later"), ("", "the ring was opened here")],
            ),
        ],
        pruned: vec![PrunedTree {
            root_row_id: "4294967297".into(),
            spans: 1,
            start_time_us: 1_002_000,
            end_time_us: 999_999,
            reason: "apart in time".into(),
        }],
        clocks: vec![
            ClockReason {
                agent: "7".into(),
                correction_us: -15,
                parent_deepflow_span_id: "2".into(),
                child_deepflow_span_id: "3".into(),
            },
            ClockReason { agent: "8".into(), correction_us: 4, ..ClockReason::default() },
        ],
    };
    let tracing = vec![
        span("1", "", 4, "c-app", "check\x1bout"),
        span("2", "1", 3, "c-p", "/cart"),
        span("3", "2", 0, "s-nd", "/cart"),
        span("4", "1", 3, "c-p", "/pay"),
        span("5", "", 4, "s-app", "other"),
    ];
    let data = CompletedTrace { tracing, explanation: Some(explanation), ..CompletedTrace::default() };
    CompleteTraceResponse { data: Some(data), ..CompleteTraceResponse::default() }
}

#[test]
fn a_small_case() {
    let expected = "
why each span is where it is
A check out                                             c-app
│ root: nothing found is related to it
├─S /cart                                               c-p
│ │ R-PSS-2, strong: span_id=abc, starts_after_us=100
│ └─N /cart                                             s-nd
│     R-NET-9, weak: req_tcp_seq=77, resp_tcp_seq=88,
│       starts_after_us=1000
└─S /pay                                                c-p
    R-CONN-1, strong
A other                                                 s-app
  root: not below 2: related by network, but starts 3 µs later
  not below the parent it had: the ring was opened here

what the search asked the flow log
iteration  question     keys   rows  kept  known  foreign
           unrelated  read_rows   elapsed
        1  trace_id        3      7     6      1        0
                   0  123456789  12.345ms
        1  association     3  1000+   999      1        0
                   0  123456789  12.345ms
+ the flow log had more rows than a question may return
  (l7_tracing_limit)

trees left out
root row 4294967297: 1 span, from +2.000ms to -0.001ms: apart
  in time

clocks corrected
agent 7 -15µs, so that 2 holds its child 3
agent 8 +4µs, by spans that are not in the answer
";
    let explained = explain(&shop(), Style { width: 64, colour: false });
    assert_eq!(explained, expected, "\n{explained}");
    let wide = explain(&shop(), Style { width: 100, colour: false });
    let line = "        1  association     3  1000+   999      1        0          0  123456789  12.345ms\n";
    assert!(wide.contains(line), "{wide}");
}

#[test]
fn every_line_fits() {
    for width in [72, 100, 160] {
        let mut answer = shop();
        let data = answer.data.as_mut().unwrap();
        let explanation = data.explanation.as_mut().unwrap();
        for depth in 0..200 {
            let (id, parent) = (format!("d{depth}"), format!("d{}", depth - 1));
            let parent = if depth == 0 { "5" } else { &parent };
            data.tracing.push(span(&id, parent, depth % 2, "a-long-point", &"x".repeat(300)));
            let matched = ["x_request_id=".to_owned() + &"y".repeat(200), "starts_after_us=1".to_owned()];
            let matched: Vec<&str> = matched.iter().map(String::as_str).collect();
            explanation.spans.push(because(&id, "evidence/own-request-by-x-request-id", "strong", &matched));
        }
        explanation.spans.push(root("x", &[("购物车", "x")]));
        let explained = explain(&answer, Style { width, colour: false });
        for line in explained.lines() {
            assert!(cells(line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colour_is_for_the_reasons() {
    let style = Style { width: 90, colour: false };
    let colour = explain(&shop(), Style { colour: true, ..style });
    assert!(colour.contains("\x1b[2mR-CONN-1, strong\x1b[0m"), "{colour}");
    let codes = ["\x1b[1;32m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[2m", "\x1b[0m"];
    let stripped = codes.iter().fold(colour, |text, code| text.replace(code, ""));
    assert_eq!(stripped, explain(&shop(), style));
}

#[test]
fn an_answer_without_an_explanation_says_so() {
    let mut answer = shop();
    answer.data.as_mut().unwrap().explanation = None;
    let explained = explain(&answer, Style { width: 80, colour: false });
    assert_eq!(explained, "\nthe answer carries no explanation\n");
    answer.data = None;
    assert_eq!(explain(&answer, Style { width: 80, colour: false }), "");
}
