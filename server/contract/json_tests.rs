//! The validation table of the REST body. Adapted from what the original accepts and refuses; where our
//! contract is stricter or kinder, the case says so.

use super::*;
use crate::{
    config::{Limits, Tracing},
    contract::validate::KINDS,
    flow::{AppSpan, SpanKind},
};

/// A good span; `CHANGE` in a case stands for further keys.
const SPAN_FIELDS: [(&str, &str); 6] = [
    ("trace_id", "\"t1\""),
    ("span_id", "\"aaaaaaaaaaaaaaaa\""),
    ("parent_span_id", "\"\""),
    ("span_kind", "3"),
    ("start_time_us", "1766999999999000"),
    ("end_time_us", "1767000000002000"),
];

fn read(body: &[u8]) -> Result<CompletionRequest, Violations> {
    let limits = Limits { max_app_spans: 3, ..Limits::default() };
    super::body(body, Rules { limits: &limits, tracing: &Tracing::default() })
}

fn faults(body: &[u8]) -> Vec<String> {
    read(body).err().unwrap_or_default().list.iter().map(ToString::to_string).collect()
}

/// A body of one span in which `field` has the raw JSON `value`, or is missing where that is empty.
fn with_field(field: &str, value: &str) -> String {
    let mut fields: Vec<(&str, &str)> = SPAN_FIELDS.into_iter().filter(|(name, _)| *name != field).collect();
    if !value.is_empty() {
        fields.push((field, value));
    }
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{\"app_spans\": [{{{}}}]}}", fields.join(", "))
}

/// A body of one good span and further keys beside the list.
fn with_key(keys: &str) -> String {
    let body = with_field("", "");
    format!("{}, {keys}}}", &body[..body.len() - 1])
}

/// Checks the faults of `field` = `value` in the first span; `""` is none.
fn check_field(field: &str, value: &str, expected: &str) {
    let expected: Vec<String> =
        if expected.is_empty() { Vec::new() } else { vec![format!("app_spans[0].{field}: {expected}")] };
    assert_eq!(faults(with_field(field, value).as_bytes()), expected, "{field} = {value}");
}

/// Checks the faults of a body with further keys; `""` is none.
fn check_key(keys: &str, expected: &[&str]) {
    assert_eq!(faults(with_key(keys).as_bytes()), expected, "{keys}");
}

#[test]
fn a_good_body() {
    let request =
        read(with_key(r#""max_iteration": 7, "network_delay_us": 5, "host_clock_offset_us": 6"#).as_bytes());
    let span = AppSpan {
        trace_id: "t1".into(),
        span_id: "aaaaaaaaaaaaaaaa".into(),
        span_kind: SpanKind::Client,
        start_time_us: 1_766_999_999_999_000,
        end_time_us: 1_767_000_000_002_000,
        ..AppSpan::default()
    };
    let expected = CompletionRequest {
        explain: false,
        max_iteration: 7,
        network_delay_us: 5,
        host_clock_offset_us: 6,
        app_spans: vec![span],
    };
    assert_eq!(request, Ok(expected));
    let defaults = read(with_field("", "").as_bytes()).unwrap();
    assert_eq!(
        (defaults.max_iteration, defaults.network_delay_us, defaults.host_clock_offset_us),
        (30, 3_000_000, 10_000)
    );
}

#[test]
fn required_fields() {
    for (field, _) in SPAN_FIELDS {
        check_field(field, "", "required");
        check_field(field, "null", "required");
    }
    for field in ["name", "app_service", "app_instance"] {
        check_field(field, "null", "");
        check_field(field, "\"x\"", "");
    }
}

#[test]
fn integers() {
    const END: &str = "1767000000002000 is less than start_time_us, ";
    for (value, expected) in [
        ("0", ""),
        ("-0", ""),
        ("1767000000002000", ""),
        ("1766999999999000.0", ""),
        ("1.766999999999e15", ""),
        ("\"1766999999999000\"", ""),
        ("\"0\"", ""),
        ("-1", "-1 is less than 0"),
        ("\"-1\"", "-1 is less than 0"),
        ("1.5", "1.5 is not an exact integer"),
        ("1e300", "1e300 is more than 9223372036854775807"),
        ("1e999", "1e999 is more than 9223372036854775807"),
        ("-1e999", "-1e999 is less than -9223372036854775808"),
        ("1e-999", ""),
        ("1.5e-999999999999999999999", ""),
        ("9223372036854775807.0", "9223372036854775807.0 is not an exact integer"),
        ("18446744073709551616", "18446744073709551616 is more than 9223372036854775807"),
        ("-9223372036854775809", "-9223372036854775809 is less than -9223372036854775808"),
        ("9007199254740994.0", "9007199254740994.0 is not an exact integer"),
        ("18446744073709551615", "18446744073709551615 is more than 9223372036854775807"),
        ("99999999999999999999", "99999999999999999999 is more than 9223372036854775807"),
        (
            "12345678901234567890123456789012345678901",
            "1234567890123456789012345678901234567890… is more than 9223372036854775807",
        ),
        // The original takes booleans for 0 and 1, and blanks around the digits.
        ("true", "a boolean, an integer is expected"),
        ("\" 5 \"", "\" 5 \" is not an integer"),
        ("\"abc\"", "\"abc\" is not an integer"),
        ("\"5.0\"", "\"5.0\" is not an integer"),
        ("\"+5\"", "\"+5\" is not an integer"),
        ("\"05\"", "\"05\" is not an integer"),
        ("\"\"", "\"\" is not an integer"),
        ("\"-\"", "\"-\" is not an integer"),
        ("\"9223372036854775808\"", "9223372036854775808 is more than 9223372036854775807"),
        ("[1]", "a list, an integer is expected"),
        ("{\"a\": 1}", "an object, an integer is expected"),
    ] {
        check_field("start_time_us", value, expected);
    }
    // The original takes an end before the start.
    let found = faults(with_field("start_time_us", "9223372036854775807").as_bytes());
    assert_eq!(found, [format!("app_spans[0].end_time_us: {END}9223372036854775807")]);
    check_field("end_time_us", "1766999999999000", "");
}

#[test]
fn kinds() {
    for good in ["0", "5", "5.0", "\"3\"", "\"SPAN_KIND_SERVER\"", "\"SPAN_KIND_UNSPECIFIED\""] {
        check_field("span_kind", good, "");
    }
    check_field("span_kind", "9", &format!("9 is no span kind: {KINDS}"));
    check_field("span_kind", "-1", &format!("-1 is no span kind: {KINDS}"));
    check_field("span_kind", "\"server\"", &format!("\"server\" is not an integer: {KINDS}"));
    check_field("span_kind", "true", "a boolean, an integer is expected");
}

#[test]
fn strings() {
    check_field("trace_id", "\"\"", "");
    check_field("trace_id", "\"\\u0000\\ud83d\\ude00'\\\\\"", "");
    // The original prints integers.
    check_field("trace_id", "5", "a number, a string is expected");
    check_field("trace_id", "true", "a boolean, a string is expected");
    check_field("trace_id", "[\"t1\"]", "a list, a string is expected");
    check_field("span_id", "{}", "an object, a string is expected");
    check_field("trace_id", &format!("\"{}\"", "x".repeat(1024)), "");
    check_field(
        "trace_id",
        &format!("\"{}\"", "x".repeat(1025)),
        "1025 bytes, at most 1024 are allowed (limits.max_string_bytes)",
    );
}

#[test]
fn keys_beside_the_list() {
    check_key(r#""max_iteration": 1"#, &[]);
    check_key(r#""MAX_ITERATION": 100, "NETWORK_DELAY_US": 1"#, &[]);
    // The original fails on a null here.
    check_key(r#""max_iteration": null, "network_delay_us": null, "host_clock_offset_us": null"#, &[]);
    check_key(r#""MAX_ITERATION": 0"#, &["MAX_ITERATION: 0 is less than 1"]);
    check_key(r#""max_iteration": 101"#, &["max_iteration: 101 is more than 100 (limits.max_iteration)"]);
    check_key(r#""max_iteration": "x""#, &["max_iteration: \"x\" is not an integer"]);
    check_key(r#""network_delay_us": 0"#, &["network_delay_us: 0 is less than 1"]);
    check_key(r#""network_delay_us": 9223372036854775807"#, &[]);
    check_key(r#""host_clock_offset_us": 0"#, &["host_clock_offset_us: 0 is less than 1"]);
    // Only the documented names have an upper-case spelling.
    check_key(r#""HOST_CLOCK_OFFSET_US": 5"#, &["HOST_CLOCK_OFFSET_US: unknown field"]);
    check_key(r#""FOO": {"a": [1, {"b": 2}]}"#, &["FOO: unknown field"]);
    check_key(r#""a\nb": 1"#, &["\"a\\nb\": unknown field"]);
    check_key(r#""maxIteration": 1"#, &["maxIteration: unknown field"]);
    check_key(r#""max_iteration": 1, "max_iteration": 1"#, &["max_iteration: given more than once"]);
    check_key(
        r#""max_iteration": 1, "MAX_ITERATION": 1"#,
        &["MAX_ITERATION: given more than once, also as max_iteration"],
    );
    check_key(r#""APP_SPANS": []"#, &["APP_SPANS: given more than once, also as app_spans"]);
}

#[test]
fn keys_of_a_span() {
    check_field("spanId", "\"x\"", "unknown field");
    let twice = with_field("trace_id", "\"a\", \"trace_id\": \"b\"");
    assert_eq!(faults(twice.as_bytes()), ["app_spans[0].trace_id: given more than once"]);
}

#[test]
fn lists_of_spans() {
    let span = with_field("", "");
    let span = &span["{\"app_spans\": [".len()..span.len() - 2];
    for (spans, expected) in [
        (format!("[{span}, {span}, {span}]"), None),
        ("[]".to_owned(), Some("app_spans: at least 1 span is required")),
        ("null".to_owned(), Some("app_spans: required")),
        (span.to_owned(), Some("app_spans: an object, a list is expected")),
        ("\"x\"".to_owned(), Some("app_spans: a string, a list is expected")),
        ("1".to_owned(), Some("app_spans: a number, a list is expected")),
        ("[1]".to_owned(), Some("app_spans[0]: a number, an object is expected")),
        (format!("[{span}, null]"), Some("app_spans[1]: null, an object is expected")),
        (format!("[{span}, [1]]"), Some("app_spans[1]: a list, an object is expected")),
        (
            format!("[{span}, {span}, {span}, 1, 2]"),
            Some("app_spans: 5 spans, at most 3 are allowed (limits.max_app_spans)"),
        ),
    ] {
        let found = faults(format!("{{\"app_spans\": {spans}}}").as_bytes());
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{spans}");
    }
    assert!(read(format!("{{\"APP_SPANS\": [{span}]}}").as_bytes()).is_ok());
    assert_eq!(faults(b"{\"APP_SPANS\": [1]}"), ["APP_SPANS[0]: a number, an object is expected"]);
}

#[test]
fn bodies_that_are_no_object() {
    for (body, expected) in [
        (&b""[..], "the body is empty, a JSON object is expected"),
        (b" \n ", "the body is empty, a JSON object is expected"),
        (b"{}", "app_spans: required"),
        (b"null", "the body is null, a JSON object is expected"),
        (b"[1]", "the body is a list, a JSON object is expected"),
        (b"5", "the body is a number, a JSON object is expected"),
        (b"\"x\"", "the body is a string, a JSON object is expected"),
        (b"true", "the body is a boolean, a JSON object is expected"),
        (b"{", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
        (b"NaN", "the body is not JSON: expected value at line 1 column 1"),
        (b"{\"a\": \"\xff\"}", "the body is not UTF-8: invalid byte at offset 7"),
    ] {
        assert_eq!(faults(body), [expected], "{}", String::from_utf8_lossy(body));
    }
    let deep = format!("{{\"app_spans\": {}", "[".repeat(100_000));
    assert_eq!(faults(deep.as_bytes()).len(), 1);
}

/// What JSON's grammar allows and no field holds is a fault like any other.
#[test]
fn halves_of_surrogate_pairs() {
    const FAULT: &str = "a surrogate (\\ud800 to \\udfff) without its other half";
    for value in [r#""\ud800""#, r#""a\udc00b""#, r#""\ud800\ud800""#, r#""\ud83dx""#] {
        check_field("trace_id", value, FAULT);
        check_field("name", value, FAULT);
    }
    check_field("end_time_us", r#""\ud800""#, "a string, an integer is expected");
    check_field("span_kind", r#""\ud800""#, "a string, an integer is expected");
    check_key(r#""explain": "\ud800""#, &["explain: a string, true or false is expected"]);
    check_key(r#""y": "\ud800""#, &["y: unknown field"]);
}

/// What is no JSON is told with its path, after all that was found before it.
#[test]
fn where_the_json_breaks_off() {
    for (body, expected) in [
        (
            "{\"app_spans\":\n nope}",
            &["app_spans: \"nope\" is not JSON: expected ident at line 2 column 3"][..],
        ),
        (
            r#"{"max_iteration": NaN}"#,
            &["max_iteration: \"NaN\" is not JSON: expected value at line 1 column 19"],
        ),
        (
            r#"{"explain": -Infinity}"#,
            &["explain: \"-Infinity\" is not JSON: invalid number at line 1 column 14"],
        ),
        (
            r#"{"y": [NaN]}"#,
            &["y: unknown field", "y: \"NaN\" is not JSON: expected value at line 1 column 8"],
        ),
        (
            r#"{"max_iteration": 0, "app_spans": [{"trace_id": 1, "start_time_us": -1, "x": 1, "end_time_us": 1.}]}"#,
            &[
                "app_spans[0].trace_id: a number, a string is expected",
                "app_spans[0].x: unknown field",
                "app_spans[0].start_time_us: -1 is less than 0",
                "max_iteration: 0 is less than 1",
                "app_spans[0].end_time_us: \"1.\" is not JSON: invalid number at line 1 column 98",
            ],
        ),
        (
            r#"{"app_spans": [1, 2, {"\ud800": 1}]}"#,
            &[
                "app_spans[0]: a number, an object is expected",
                "app_spans[1]: a number, an object is expected",
                "app_spans[2]: this is not JSON: unexpected end of hex escape at line 1 column 30",
            ],
        ),
        (
            r#"{"app_spans": [1, 2, 3, 4, NaN]}"#,
            &[
                "app_spans[0]: a number, an object is expected",
                "app_spans[1]: a number, an object is expected",
                "app_spans[2]: a number, an object is expected",
                "app_spans[4]: \"NaN\" is not JSON: expected value at line 1 column 28",
            ],
        ),
        (
            r#"{"app_spans": [], "max_iteration": 7"#,
            &[
                "app_spans: at least 1 span is required",
                "the body is not JSON: EOF while parsing an object at line 1 column 36",
            ],
        ),
        (
            r#"{"APP_SPANS": [{"trace_id": "a"#,
            &["APP_SPANS[0].trace_id: this is not JSON: EOF while parsing a string at line 1 column 30"],
        ),
        ("{} x", &["app_spans: required", "the body is not JSON: trailing characters at line 1 column 4"]),
    ] {
        assert_eq!(faults(body.as_bytes()), expected, "{body}");
    }
    // However many there are.
    let body = format!("{{{} \"z\": é}}", "\"y\": 1, ".repeat(1000));
    let violations = read(body.as_bytes()).unwrap_err();
    assert_eq!((violations.list.len(), violations.more), (100, 902));
    assert_eq!(violations.list[99].path, "z");
    assert_eq!(violations.list[99].message, "this is not JSON: expected value at line 1 column 8008");
}

#[test]
fn all_faults_at_once() {
    let body = br#"{"app_spans": [{"span_id": 1, "x": 2, "start_time_us": -4}, {"trace_id": null}], "max_iteration": 0, "y": 1}"#;
    assert_eq!(
        faults(body),
        [
            "app_spans[0].span_id: a number, a string is expected",
            "app_spans[0].x: unknown field",
            "app_spans[0].trace_id: required",
            "app_spans[0].parent_span_id: required",
            "app_spans[0].span_kind: required",
            "app_spans[0].end_time_us: required",
            "app_spans[0].start_time_us: -4 is less than 0",
            "app_spans[1].trace_id: required",
            "app_spans[1].span_id: required",
            "app_spans[1].parent_span_id: required",
            "app_spans[1].span_kind: required",
            "app_spans[1].start_time_us: required",
            "app_spans[1].end_time_us: required",
            "y: unknown field",
            "max_iteration: 0 is less than 1",
        ]
    );
}
