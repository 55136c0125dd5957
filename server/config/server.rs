//! The `[server]` table: where the server listens, and how it starts to serve and ends.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{
    check::{Range, Ranges, range},
    error::ConfigError,
};

/// Where and how the server serves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port of both doors. Default `127.0.0.1:20418`, with the port of the original service.
    /// There is neither TLS nor authentication, so an address that other machines reach must be configured
    /// explicitly.
    pub listen: String,
    /// Name of the region whose flow log this is: `_querier_region` of stored spans. Default empty.
    pub region_name: String,
    /// Time between two checks whether the store answers, in ms. Default 2000.
    pub ready_interval_ms: u32,
    /// Time that the store has to answer such a check, in ms. Default 2000.
    pub ready_timeout_ms: u32,
    /// Checks in a row that must fail before the server counts as not ready, so that one slow moment of the
    /// store does not take a server out of service. Default 3. One success makes it ready again.
    pub ready_failures: u32,
    /// Time at a shutdown during which the server says "not ready" and still accepts connections, in ms, so
    /// that load balancers notice. Default 0; set it to a few seconds behind a load balancer.
    pub shutdown_delay_ms: u32,
    /// Time that running requests have to finish at a shutdown, in ms; then they are cut. Default 10000.
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
    /// Checks ranges, and that `listen` has the form of an address or a host's name, and a port. Whether the
    /// name can be resolved is found out when the server starts: a configuration can be checked on another
    /// machine.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_ranges()?;
        let named = || {
            let (host, port) = self.listen.rsplit_once(':')?;
            let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
            // A text of digits and dots only was meant as an address, and is not one.
            let has_letter = host.contains(|c: char| c.is_ascii_alphabetic());
            (is_name && has_letter && port.parse::<u16>().is_ok()).then_some(())
        };
        if self.listen.parse::<SocketAddr>().is_ok() || named().is_some() {
            return Ok(());
        }
        Err(ConfigError::Value {
            key: "server.listen".to_owned(),
            problem: format!(
                "{:?} is no address and port, such as 127.0.0.1:20418 or localhost:20418",
                self.listen
            ),
        })
    }
}

impl Ranges for Server {
    fn ranges(&self) -> Vec<Range> {
        vec![
            range("server.ready_interval_ms", self.ready_interval_ms, 10, 600_000),
            range("server.ready_timeout_ms", self.ready_timeout_ms, 10, 600_000),
            range("server.ready_failures", self.ready_failures, 1, 1000),
            range("server.shutdown_delay_ms", self.shutdown_delay_ms, 0, 600_000),
            range("server.drain_timeout_ms", self.drain_timeout_ms, 0, 600_000),
        ]
    }
}
