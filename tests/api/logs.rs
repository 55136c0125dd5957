//! The one log line of each request, as the program writes it. (A subscriber in the thread of a test would miss
//! events that other threads met first.)

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
};

use trace_completion::contract::REST_PATH;

/// What stands behind `name` in a line, up to the next blank.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(name)?.1.split_whitespace().next()
}

#[test]
fn durations_have_no_noise() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_trace-completion"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("NO_COLOR", "1")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.find_map(|line| field(&line, "listening address=").map(str::to_owned)).unwrap();
    for _ in 0..20 {
        let mut caller = TcpStream::connect(&address).unwrap();
        let head =
            format!("POST {REST_PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n");
        caller.write_all(format!("{head}{{}}").as_bytes()).unwrap();
        caller.read_to_string(&mut String::new()).unwrap();
    }
    let durations = lines.filter_map(|line| field(&line, "duration_ms=").map(str::to_owned)).take(20);
    let durations: Vec<String> = durations.collect();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(durations.len(), 20);
    for duration in durations {
        let (whole, fraction) = duration.split_once('.').unwrap_or((duration.as_str(), ""));
        assert!(whole.parse::<u64>().is_ok() && fraction.len() <= 3, "{duration}");
    }
}
