//! Who may ask the server: each account has a password that is made anew for each run, and is known to this
//! process and to files that only its user can read.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{directories::write_private, options::User};
use crate::config::{Compression, Password, StoreSettings};

/// Reads the flow log, and nothing else. What serves requests has this account.
pub(super) const READER: &str = "trace_completion";
/// Reads the flow log, and writes rows and names. It cannot change the schema, which the server makes itself.
pub(super) const WRITER: &str = "trace_completion_writer";

/// Bytes of a password before they are written in hexadecimal.
const PASSWORD_BYTES: usize = 24;

/// What the user `default` may do: the session that keeps the server running logs in as it. It makes the schema,
/// opens the ports, waits for the end of standard input, and fills dictionaries.
pub(super) const OWN_GRANTS: [&str; 7] = [
    "GRANT SELECT, CREATE TEMPORARY TABLE, SYSTEM LISTEN, SYSTEM RELOAD DICTIONARY ON *.*",
    "GRANT ALL ON flow_log.*",
    "GRANT ALL ON flow_tag.*",
    "GRANT TABLE ENGINE ON MergeTree",
    "GRANT TABLE ENGINE ON ReplacingMergeTree",
    "GRANT TABLE ENGINE ON Merge",
    "GRANT READ ON FILE",
];

/// What an account may do: the profile of settings in the users file, and `GRANT` statements without `TO`.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) password: Password,
    pub(super) readonly: bool,
    pub(super) grants: Vec<String>,
}

impl Account {
    /// Somebody whom the server does not know.
    pub(super) fn stranger(name: &str) -> Self {
        Self { name: name.to_owned(), password: Password::default(), readonly: true, grants: Vec::new() }
    }
}

/// The two accounts that there always are, then those of the options.
pub(super) fn accounts(users: &[User]) -> io::Result<Vec<Account>> {
    let account = |name: &str, readonly: bool, grants: Vec<String>| -> io::Result<Account> {
        Ok(Account { name: name.to_owned(), password: new_password()?, readonly, grants })
    };
    let texts = |grants: &[&str]| grants.iter().map(|&grant| grant.to_owned()).collect::<Vec<_>>();
    // A user may end its own queries only where it sees them.
    let reads = [
        "GRANT SELECT ON flow_log.*",
        "GRANT SELECT, dictGet ON flow_tag.*",
        "GRANT SELECT ON system.processes",
    ];
    let writes = [
        "GRANT SELECT, INSERT ON flow_log.*",
        "GRANT SELECT, INSERT, dictGet ON flow_tag.*",
        "GRANT SELECT ON system.processes",
        "GRANT SYSTEM RELOAD DICTIONARY ON *.*",
    ];
    let mut accounts = vec![account(READER, true, texts(&reads))?, account(WRITER, false, texts(&writes))?];
    for User { name, password, readonly, grants } in users {
        let account = account(name, *readonly, grants.clone())?;
        let given = Some(password).filter(|password| !password.is_empty());
        accounts.push(Account {
            password: given.map_or(account.password, |given| given.clone().into()),
            ..account
        });
    }
    Ok(accounts)
}

/// How an account reaches the flow log.
pub(super) fn settings(account: &Account, http_port: u16) -> StoreSettings {
    StoreSettings {
        url: format!("http://127.0.0.1:{http_port}"),
        user: account.name.clone(),
        password: account.password.clone(),
        // Over loopback, compression only costs time.
        compression: Compression::None,
        ..StoreSettings::default()
    }
}

/// Writes a configuration file that only our user can read, with which another program reaches the flow log.
/// Returns its path.
pub(super) fn write_file(directory: &Path, file: &str, settings: &StoreSettings) -> io::Result<PathBuf> {
    let StoreSettings { url, user, password, .. } = settings;
    // None of these values can hold a quote: they are an address, a name of ours and hexadecimal digits.
    let text = format!(
        "[store]\nurl = \"{url}\"\nuser = \"{user}\"\npassword = \"{}\"\ncompression = \"none\"\n",
        password.expose()
    );
    let path = directory.join(file);
    write_private(&path, &text)?;
    Ok(path)
}

fn new_password() -> io::Result<Password> {
    let mut bytes = [0; PASSWORD_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_a_long_password_of_its_own_that_is_not_printed() {
        let accounts = accounts(&[User::with_all_rights("admin")]).unwrap();
        let passwords: Vec<&str> = accounts.iter().map(|account| account.password.expose()).collect();
        assert_eq!(passwords.len(), 3);
        assert!(passwords.iter().all(|password| password.len() == 2 * PASSWORD_BYTES), "{passwords:?}");
        assert!(passwords[0] != passwords[1] && passwords[1] != passwords[2] && passwords[0] != passwords[2]);
        let shown = format!("{accounts:?}");
        assert!(passwords.iter().all(|password| !shown.contains(password)), "{shown}");
    }
}
