//! The ports of the server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::{error::EmbeddedError, options::Options};

/// Ports on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) http: u16,
    /// Of the native protocol, where the options ask for it.
    pub(super) native: Option<u16>,
}

impl Ports {
    /// The given port, checked to be free, or free ones.
    pub(super) fn choose(options: &Options) -> Result<Self, EmbeddedError> {
        // Both listeners are kept until both ports are known: they must differ.
        let http = listen(options.http_port.unwrap_or(0))?;
        let native = options.opens_native_port.then(|| listen(0)).transpose()?;
        let port = |listener: &TcpListener| {
            let address = listener.local_addr();
            address
                .map(|address| address.port())
                .map_err(|source| EmbeddedError::Io { doing: "find a free port".to_owned(), source })
        };
        Ok(Self { http: port(&http)?, native: native.as_ref().map(port).transpose()? })
    }

    /// All of them.
    pub(super) fn all(self) -> impl Iterator<Item = u16> {
        [Some(self.http), self.native].into_iter().flatten()
    }
}

fn listen(port: u16) -> Result<TcpListener, EmbeddedError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .map_err(|source| EmbeddedError::Io { doing: format!("cannot listen on {address}"), source })
}
