//! Display names of numbers, as DeepFlow has them (data-model section 8).

/// Application protocols by number.
pub(super) const L7_PROTOCOLS: [(u8, &str); 33] = [
    (0, "N/A"),
    (20, "HTTP"),
    (21, "HTTP2"),
    (40, "Dubbo"),
    (41, "gRPC"),
    (43, "SofaRPC"),
    (44, "FastCGI"),
    (45, "bRPC"),
    (46, "Tars"),
    (47, "Some/IP"),
    (48, "ISO-8583"),
    (49, "Triple"),
    (50, "NetSign"),
    (60, "MySQL"),
    (61, "PostgreSQL"),
    (62, "Oracle"),
    (63, "Dameng"),
    (80, "Redis"),
    (81, "MongoDB"),
    (82, "Memcached"),
    (100, "Kafka"),
    (101, "MQTT"),
    (102, "AMQP"),
    (103, "OpenWire"),
    (104, "NATS"),
    (105, "Pulsar"),
    (106, "ZMTP"),
    (107, "RocketMQ"),
    (108, "WebSphereMQ"),
    (120, "DNS"),
    (121, "TLS"),
    (122, "Ping"),
    (127, "Custom"),
];

/// Observation points by their text.
pub(super) const OBSERVATION_POINTS: [(&str, &str); 17] = [
    ("c-app", "Client Application"),
    ("c-p", "Client Process"),
    ("c", "Client NIC"),
    ("c-nd", "Client K8s Node"),
    ("c-hv", "Client VM Hypervisor"),
    ("c-gw-hv", "Client-side Gateway Hypervisor"),
    ("c-gw", "Client-side Gateway"),
    ("s-gw", "Server-side Gateway"),
    ("s-gw-hv", "Server-side Gateway Hypervisor"),
    ("s-hv", "Server VM Hypervisor"),
    ("s-nd", "Server K8s Node"),
    ("s", "Server NIC"),
    ("s-p", "Server Process"),
    ("s-app", "Server Application"),
    ("app", "Application"),
    ("local", "Local NIC"),
    ("rest", "Other NIC"),
];

/// Display name of an application protocol.
pub fn l7_protocol_name(number: u8) -> Option<&'static str> {
    let at = L7_PROTOCOLS.binary_search_by_key(&number, |&(known, _)| known).ok()?;
    L7_PROTOCOLS.get(at).map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_found_by_its_number() {
        for (number, name) in L7_PROTOCOLS {
            assert_eq!(l7_protocol_name(number), Some(name));
        }
        assert_eq!(l7_protocol_name(99), None);
    }
}
