//! Whether the server answers.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// Whether a ClickHouse answers on this port of 127.0.0.1.
pub(super) fn answers_ping(port: u16) -> bool {
    ping(port).unwrap_or(false)
}

fn ping(port: u16) -> io::Result<bool> {
    const PATIENCE: Duration = Duration::from_millis(500);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.windows(3).any(|window| window == b"Ok."))
}
