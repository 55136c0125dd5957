//! Whether the server answers.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::access::Account;

/// Whether the ClickHouse on this port of 127.0.0.1 answers a question of this account. There is no answer to
/// anybody else, not even to a ping.
pub(super) fn answers(port: u16, account: &Account) -> bool {
    ask(port, account).unwrap_or(false)
}

fn ask(port: u16, account: &Account) -> io::Result<bool> {
    const PATIENCE: Duration = Duration::from_millis(500);
    const QUESTION: &str = "EXISTS flow_log.l7_flow_log";
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-ClickHouse-User: {}\r\n\
         X-ClickHouse-Key: {}\r\nContent-Length: {}\r\n\r\n{QUESTION}",
        account.name,
        account.password.expose(),
        QUESTION.len(),
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}
