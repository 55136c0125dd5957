//! The two ports of the server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::{error::EmbeddedError, options::Options};

/// Ports on 127.0.0.1.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) http: u16,
    pub(super) tcp: u16,
}

impl Ports {
    /// The given ports, checked to be free, and free ones where none is given.
    pub(super) fn choose(options: &Options) -> Result<Self, EmbeddedError> {
        if let (Some(http), Some(tcp)) = (options.http_port, options.tcp_port)
            && http == tcp
        {
            return Err(EmbeddedError::SamePort(http));
        }
        // If another ClickHouse listened on a given port, it would answer our pings in place of the child.
        // All listeners are kept until both ports are known, so that no free port is one of the given ones.
        let http = options.http_port.map(listen).transpose()?;
        let tcp = options.tcp_port.map(listen).transpose()?;
        let (http, tcp) = (http.map_or_else(|| listen(0), Ok)?, tcp.map_or_else(|| listen(0), Ok)?);
        let port = |listener: &TcpListener| {
            let address = listener.local_addr();
            address
                .map(|address| address.port())
                .map_err(|source| EmbeddedError::Io { doing: "find a free port".to_owned(), source })
        };
        Ok(Self { http: port(&http)?, tcp: port(&tcp)? })
    }
}

fn listen(port: u16) -> Result<TcpListener, EmbeddedError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .map_err(|source| EmbeddedError::Io { doing: format!("cannot listen on {address}"), source })
}
