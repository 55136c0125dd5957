//! The `[server]` table: where the server listens, and how it starts to serve and ends.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::check::{Ranges, range};

/// Where and how the server serves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port of both doors. Default `127.0.0.1:20418`, the port of the original service: there is
    /// neither TLS nor authentication, so that it takes a word to be reached from elsewhere.
    pub listen: String,
    /// Name of the region whose flow log this is: `_querier_region` of stored spans. Default empty.
    pub region_name: String,
    /// Time between two looks at whether the store answers, in ms. Default 2000.
    pub ready_interval_ms: u32,
    /// Time that the store has for that answer, in ms. Default 2000.
    pub ready_timeout_ms: u32,
    /// Looks in a row that must fail before the server counts as not ready: one slow moment of the
    /// store must not take a server out of service. Default 3. One success brings it back.
    pub ready_failures: u32,
    /// Time between "not ready" and the end of accepting at a shutdown, in ms, for balancers to notice.
    /// Default 0; set it to a few seconds behind a balancer.
    pub shutdown_delay_ms: u32,
    /// Time that requests in flight have to finish at a shutdown, in ms; then they are cut. Default 10000.
    pub drain_timeout_ms: u32,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "127.0.0.1:20418".to_owned(),
            region_name: String::new(),
            ready_interval_ms: 2000,
            ready_timeout_ms: 2000,
            ready_failures: 3,
            shutdown_delay_ms: 0,
            drain_timeout_ms: 10_000,
        }
    }
}

impl Server {
    /// Whether `listen` has the form of an address, or a host's name, and a port. Whether the name is known is
    /// found out when it is listened on: a configuration can be checked elsewhere.
    pub(super) fn check_listen(&self) -> Result<(), String> {
        let named = || {
            let (host, port) = self.listen.rsplit_once(':')?;
            let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
            // only digits and dots is an address, and a wrong one
            let has_letter = host.contains(|c: char| c.is_ascii_alphabetic());
            (is_name && has_letter && port.parse::<u16>().is_ok()).then_some(())
        };
        if self.listen.parse::<SocketAddr>().is_ok() || named().is_some() {
            return Ok(());
        }
        Err(format!("{:?} is no address and port, such as 127.0.0.1:20418 or localhost:20418", self.listen))
    }
}

impl Ranges for Server {
    fn ranges(&self) -> Vec<super::check::Range> {
        vec![
            range("server.ready_interval_ms", self.ready_interval_ms, 10, 600_000),
            range("server.ready_timeout_ms", self.ready_timeout_ms, 10, 600_000),
            range("server.ready_failures", self.ready_failures, 1, 1000),
            range("server.shutdown_delay_ms", self.shutdown_delay_ms, 0, 600_000),
            range("server.drain_timeout_ms", self.drain_timeout_ms, 0, 600_000),
        ]
    }
}
