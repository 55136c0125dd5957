//! Whether a port is listened to by our child. Another user's program may take a free port before the engine does;
//! it must not be sent a password.

use std::{fs, io};

/// State of a listening socket in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// Whether a process listens on a port of this machine, and it alone.
pub(super) fn listens_alone(process_id: u32, port: u16) -> io::Result<bool> {
    let sockets = listening_sockets(&fs::read_to_string("/proc/net/tcp")?, port);
    if sockets.is_empty() {
        return Ok(false);
    }
    let mut own = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process_id}/fd"))? {
        // A descriptor may be closed while we look.
        own.extend(entry.and_then(|entry| fs::read_link(entry.path())).ok());
    }
    let is_own =
        |socket: &String| own.iter().any(|link| link.to_str() == Some(&format!("socket:[{socket}]")));
    Ok(sockets.iter().all(is_own))
}

/// The inodes of the sockets that listen on a port, out of the text of `/proc/net/tcp`.
fn listening_sockets(table: &str, port: u16) -> Vec<String> {
    let ending = format!(":{port:04X}");
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&ending) && *fields.get(3)? == LISTENS;
            listens.then(|| fields.get(9).map(|&inode| inode.to_owned()))?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection_and_from_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens_alone(std::process::id(), port).unwrap());
        // Process 1 is another, and is not always ours to look at.
        assert!(!listens_alone(1, port).unwrap_or(false));
        drop(listener);
        assert!(!listens_alone(std::process::id(), port).unwrap());
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1\n\
                     1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 78 1\n";
        assert_eq!(
            (listening_sockets(table, 8080), listening_sockets(table, 80)),
            (vec!["77".to_owned()], vec![])
        );
    }
}
