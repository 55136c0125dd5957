//! Observation points (`tap_side`): where on its path an exchange was captured (algorithm 0.2).

/// An observation point.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ObservationPoint {
    /// `c-p`: client process.
    ClientProcess,
    /// `c`: client NIC.
    ClientNic,
    /// `c-nd`: client pod node.
    ClientNode,
    /// `c-hv`: client hypervisor.
    ClientHypervisor,
    /// `c-gw-hv`: client gateway hypervisor.
    ClientGatewayHypervisor,
    /// `c-gw`: client gateway.
    ClientGateway,
    /// `s-gw`: server gateway.
    ServerGateway,
    /// `s-gw-hv`: server gateway hypervisor.
    ServerGatewayHypervisor,
    /// `s-hv`: server hypervisor.
    ServerHypervisor,
    /// `s-nd`: server pod node.
    ServerNode,
    /// `s`: server NIC.
    ServerNic,
    /// `s-p`: server process.
    ServerProcess,
    /// `rest`: a NIC of neither side.
    Rest,
    /// `local`: loopback.
    Local,
    /// `c-app`: a client or producer span.
    ClientApp,
    /// `s-app`: a server or consumer span.
    ServerApp,
    /// `app`: an internal span.
    App,
    /// Any other text; keeps whether it starts with `c` or `s`, which some rules ask.
    Other {
        /// The text starts with `c`.
        client: bool,
        /// The text starts with `s`.
        server: bool,
    },
}

impl ObservationPoint {
    /// Reads the text of a `tap_side`.
    pub fn parse(text: &str) -> Self {
        match text {
            "c-p" => Self::ClientProcess,
            "c" => Self::ClientNic,
            "c-nd" => Self::ClientNode,
            "c-hv" => Self::ClientHypervisor,
            "c-gw-hv" => Self::ClientGatewayHypervisor,
            "c-gw" => Self::ClientGateway,
            "s-gw" => Self::ServerGateway,
            "s-gw-hv" => Self::ServerGatewayHypervisor,
            "s-hv" => Self::ServerHypervisor,
            "s-nd" => Self::ServerNode,
            "s" => Self::ServerNic,
            "s-p" => Self::ServerProcess,
            "rest" => Self::Rest,
            "local" => Self::Local,
            "c-app" => Self::ClientApp,
            "s-app" => Self::ServerApp,
            "app" => Self::App,
            other => Self::Other { client: other.starts_with('c'), server: other.starts_with('s') },
        }
    }

    /// Place on the path from client (1) to server (12), 13 for points beside it. Points without a
    /// rank sort last (14), where the original fails.
    pub fn rank(self) -> u8 {
        match self {
            Self::ClientProcess => 1,
            Self::ClientNic => 2,
            Self::ClientNode => 3,
            Self::ClientHypervisor => 4,
            Self::ClientGatewayHypervisor => 5,
            Self::ClientGateway => 6,
            Self::ServerGateway => 7,
            Self::ServerGatewayHypervisor => 8,
            Self::ServerHypervisor => 9,
            Self::ServerNode => 10,
            Self::ServerNic => 11,
            Self::ServerProcess => 12,
            Self::Rest | Self::Local => 13,
            Self::ClientApp | Self::ServerApp | Self::App | Self::Other { .. } => 14,
        }
    }

    /// The text starts with `c`.
    pub fn starts_with_c(self) -> bool {
        match self {
            Self::Other { client, .. } => client,
            Self::ClientApp => true,
            _ => self.rank() <= 6,
        }
    }

    /// The text starts with `s`.
    pub fn starts_with_s(self) -> bool {
        match self {
            Self::Other { server, .. } => server,
            Self::ServerApp => true,
            _ => (7..=12).contains(&self.rank()),
        }
    }

    /// A server-side point in the sense of R-NET-7.
    pub fn is_server_side(self) -> bool {
        (7..=12).contains(&self.rank())
    }

    /// `c-p` or `s-p`.
    pub fn is_process(self) -> bool {
        matches!(self, Self::ClientProcess | Self::ServerProcess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_follow_the_text() {
        for text in [
            "c-p", "c", "c-nd", "c-hv", "c-gw-hv", "c-gw", "s-gw", "s-gw-hv", "s-hv", "s-nd", "s", "s-p",
            "rest", "local", "c-app", "s-app", "app", "", "cx", "sx", "é",
        ] {
            let point = ObservationPoint::parse(text);
            assert_eq!(point.starts_with_c(), text.starts_with('c'), "{text}");
            assert_eq!(point.starts_with_s(), text.starts_with('s'), "{text}");
        }
    }
}
