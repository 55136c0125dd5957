//! What tests may not do: sleep in the hope that something has happened by then, or need a port that
//! somebody else may have taken.

use std::collections::BTreeMap;

use crate::{
    load,
    places::{assert_none, assert_refused},
    root,
    source::{self, Body},
};

/// Files that may sleep, and why.
const SLEEP: [(&str, &str); 4] = [
    ("api/harness.rs", "puts a paused clock forward"),
    ("api/unread.rs", "on a paused clock"),
    ("embedded.rs", "between two looks at something that must come in a bounded time"),
    ("store/fixture.rs", "between two looks at something that must come in a bounded time"),
];

/// Files that may name a port, and why.
const PORTS: [(&str, &str); 3] = [
    ("cli.rs", "a configuration that is printed only"),
    ("replay.rs", "flags that are refused before anything is asked"),
    ("store/releases.rs", "a second node of a cluster, which ClickHouse must not reach"),
];

/// A file of `tests/`, read as tokens, and the line of each thing in it that is refused.
fn refused(
    texts: &BTreeMap<String, String>,
    what: fn(&Body) -> Vec<(String, usize)>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| !path.starts_with("invariants/")) {
        for body in bodies(&source::read(path, text)) {
            let lines = what(body).into_iter().map(|(what, line)| format!("tests/{path}:{line}: {what}"));
            found.extend(lines.map(|line| (path.clone(), line)));
        }
    }
    found
}

/// A file's module and those inside it.
fn bodies(body: &Body) -> Vec<&Body> {
    let inline = body.children.iter().filter_map(|child| match &child.what {
        source::ChildWhat::Inline(body) => Some(body),
        _ => None,
    });
    [body].into_iter().chain(inline.flat_map(bodies)).collect()
}

fn sleeps(body: &Body) -> Vec<(String, usize)> {
    let is_sleep = |word: &str| ["sleep", "sleep_until"].contains(&word);
    body.words.iter().filter(|(word, _)| is_sleep(word)).cloned().collect()
}

/// Strings such as `"127.0.0.1:1"` or `"20418"`: a port other than 0, which is any free one.
fn ports(body: &Body) -> Vec<(String, usize)> {
    let names_port = |text: &str| {
        let hosts = ["127.0.0.1:", "localhost:", "0.0.0.0:", "[::]:", "[::1]:"];
        let behind = hosts.iter().flat_map(|host| text.match_indices(host).map(|(at, _)| at + host.len()));
        let mut ports = behind.map(|at| &text[at..]);
        ports.any(|port| port.starts_with(|c: char| ('1'..='9').contains(&c)))
            || ["20418", "8123", "9000"].contains(&text.trim_matches('"'))
    };
    body.strings.iter().filter(|(text, _)| names_port(text)).cloned().collect()
}

/// What is not excepted, and exceptions that are not needed.
fn faults(found: Vec<(String, String)>, but: &[(&str, &str)]) -> Vec<String> {
    let idle = but.iter().filter(|(file, _)| !found.iter().any(|(path, _)| path == file));
    let mut faults: Vec<String> =
        idle.map(|(file, _)| format!("tests/{file} is an exception without need")).collect();
    let excepted = |path: &str| but.iter().any(|(file, _)| *file == path);
    faults.extend(found.into_iter().filter(|(path, _)| !excepted(path)).map(|(_, line)| line));
    faults
}

#[test]
fn no_test_sleeps_for_luck_or_needs_a_port() {
    let texts = load::rust_files(&root().join("tests"));
    assert_none(&faults(refused(&texts, sleeps), &SLEEP));
    assert_none(&faults(refused(&texts, ports), &PORTS));
}

#[test]
fn a_test_that_sleeps_or_needs_a_port_is_refused() {
    let text = "fn f() {\n tokio::time::sleep(x); }\nmod m { fn g() { bind(\"127.0.0.1:8080\"); bind(\"127.0.0.1:0\") } }";
    let texts = BTreeMap::from([("api/a.rs".to_owned(), text.to_owned())]);
    assert_eq!(faults(refused(&texts, sleeps), &[]), ["tests/api/a.rs:2: sleep"]);
    assert_eq!(faults(refused(&texts, ports), &[]), ["tests/api/a.rs:3: \"127.0.0.1:8080\""]);
    assert_eq!(faults(refused(&texts, sleeps), &[("api/a.rs", "")]), [""; 0]);
    assert_refused(&faults(Vec::new(), &[("api/a.rs", "")]), "tests/api/a.rs is an exception without need");
}
