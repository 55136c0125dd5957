//! Newtypes of the ids and protocol numbers of the flow log (data-model sections 3 and 8).

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Id of a row: `end_second << 32 | analyzer << 22 | counter`. Request spans get one of 48 bits.
    RowId(u64)
}
number! {
    /// The agent that captured a row. Rows of one agent share a clock. 0 on request spans.
    AgentId(u16)
}
number! {
    /// TCP sequence number of the first byte of a request or response; 0 where not seen.
    TcpSeq(u32)
}
number! {
    /// eBPF correlation id of the data of a request or response, comparable within one agent; 0 is none.
    SyscallTraceId(u64)
}
number! {
    /// Application protocol (data-model section 8.3).
    L7Protocol(u8)
}
number! {
    /// IP protocol.
    L4Protocol(u8)
}
number! {
    /// Where a row comes from.
    SignalSource(u16)
}
number! {
    /// What a row saw of an exchange.
    LogType(u8)
}

impl RowId {
    /// The second in which the row ends, equal to its `time` column.
    pub fn second(self) -> i64 {
        (self.0 >> 32) as i64
    }
}

impl TcpSeq {
    /// Not TCP, or not seen.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl SyscallTraceId {
    /// No correlation.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl L7Protocol {
    /// HTTP/2.
    pub const HTTP2: Self = Self(21);
    /// gRPC.
    pub const GRPC: Self = Self(41);
    /// ISO 8583.
    pub const ISO8583: Self = Self(48);
    /// WebSphere MQ.
    pub const WEBSPHERE_MQ: Self = Self(108);
    /// DNS.
    pub const DNS: Self = Self(120);

    /// HTTP/2 or gRPC: one stream may be labelled either way at different points.
    pub fn is_grpc_like(self) -> bool {
        self == Self::HTTP2 || self == Self::GRPC
    }
}

impl L4Protocol {
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
}

impl SignalSource {
    /// Captured packets: a network span.
    pub const PACKET: Self = Self(0);
    /// eBPF: a system span.
    pub const EBPF: Self = Self(3);
    /// OpenTelemetry: an application span.
    pub const OTEL: Self = Self(4);
}

impl LogType {
    /// Only the request was seen.
    pub const REQUEST: Self = Self(0);
    /// Only the response was seen.
    pub const RESPONSE: Self = Self(1);
    /// Both were seen.
    pub const SESSION: Self = Self(2);
}
