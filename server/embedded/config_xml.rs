//! The configuration of the embedded server: two files, because the engine silently ignores users and profiles
//! in the first one.

use std::{fmt::Write as _, io, path::Path};

use super::{
    access::{Account, OWN_GRANTS},
    directories::write_private,
    ended::SERVER_LOG,
    ports::Ports,
};

/// The configuration to start with, in the directory of a run.
pub(super) const CONFIG: &str = "config.xml";
/// Users and profiles, beside it.
const USERS: &str = "users.xml";
/// Directories of the engine in the data directory.
pub(super) const DIRECTORIES: [&str; 2] = ["data", "tmp"];

/// Settings with which a query could name a file to read or write. The engine checks no rights for them.
const SETTINGS_WITH_FILES: [&str; 6] = [
    "format_schema",
    "format_schema_source",
    "format_template_resultset",
    "format_template_row",
    "input_format_record_errors_file_path",
    "output_format_schema",
];

/// Writes both files for a server on `data_dir` into `run_dir`, both absolute.
pub(super) fn write(data_dir: &Path, run_dir: &Path, ports: Ports, accounts: &[Account]) -> io::Result<()> {
    write_private(&run_dir.join(CONFIG), &server_xml(data_dir, run_dir, ports, accounts))?;
    write_private(&run_dir.join(USERS), &users_xml(accounts))
}

/// `log-level` stands outside of `logger`, because the engine ignores the level inside and would log everything.
///
/// There is one rule for requests, and no other path, not even `/ping`. `Host` keeps out pages whose name was made
/// to point to this machine, the empty `Origin` all other pages. A user that is named in a header cannot be named
/// in another way at the same time, so nobody becomes `default`, who has no password.
///
/// A replica named `localhost` without a port is this very server, and is asked without a connection.
fn server_xml(data_dir: &Path, run_dir: &Path, ports: Ports, accounts: &[Account]) -> String {
    let path = |dir: &Path, name: &str| escape(&dir.join(name).to_string_lossy());
    let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    format!(
        r"<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port>{native}
  <http_handlers>
    <rule>
      <methods>POST</methods>
      <url>/</url>
      <headers>
        <Host>regex:(127\.0\.0\.1|localhost)(:[0-9]+)?</Host>
        <Origin></Origin>
        <X-ClickHouse-User>regex:{names}</X-ClickHouse-User>
      </headers>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>
  </http_handlers>
  <path>{data}/</path>
  <tmp_path>{tmp}/</tmp_path>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <timezone>UTC</timezone>
  <max_server_memory_usage>4294967296</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <log-level>error</log-level>
  <logger>
    <console>0</console>
    <log>{log}</log>
    <size>16M</size>
    <count>1</count>
  </logger>
  <query_log>
    <database>system</database>
    <table>query_log</table>
    <flush_interval_milliseconds>1000</flush_interval_milliseconds>
  </query_log>
  <remote_servers>
    <df_cluster><shard><replica><host>localhost</host></replica></shard></df_cluster>
  </remote_servers>
</clickhouse>
",
        http = ports.http,
        native = ports.native.map(|port| format!("\n  <tcp_port>{port}</tcp_port>")).unwrap_or_default(),
        names = names.join("|"),
        data = path(data_dir, DIRECTORIES[0]),
        tmp = path(data_dir, DIRECTORIES[1]),
        users = path(run_dir, USERS),
        log = path(run_dir, SERVER_LOG),
    )
}

/// `http_max_field_value_size` has an effect in a profile only, not in a query.
fn users_xml(accounts: &[Account]) -> String {
    let constraints = SETTINGS_WITH_FILES.map(|setting| format!("<{setting}><const/></{setting}>")).concat();
    let common = format!(
        "<http_max_field_value_size>16777216</http_max_field_value_size><constraints>{constraints}</constraints>"
    );
    let mut xml = format!(
        r"<clickhouse>
  <profiles>
    <default>{common}</default>
    <readonly>{common}<readonly>2</readonly></readonly>
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>{}</default>
",
        grants_xml(OWN_GRANTS)
    );
    for Account { name, password, readonly, grants } in accounts {
        let profile = if *readonly { "readonly" } else { "default" };
        let _ = writeln!(
            xml,
            "    <{name}><password>{password}</password><networks><ip>127.0.0.1</ip></networks>\
             <profile>{profile}</profile><quota>default</quota>{grants}</{name}>",
            password = escape(password.expose()),
            grants = grants_xml(grants),
        );
    }
    xml.push_str("  </users>\n</clickhouse>\n");
    xml
}

/// An empty list means all rights.
fn grants_xml<T: AsRef<str>>(grants: impl IntoIterator<Item = T>) -> String {
    let queries = grants.into_iter().fold(String::new(), |mut queries, grant| {
        let _ = write!(queries, "<query>{}</query>", escape(grant.as_ref()));
        queries
    });
    if queries.is_empty() { queries } else { format!("<grants>{queries}</grants>") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let account = Account {
            name: "reader".into(),
            password: "a<b&c".to_owned().into(),
            readonly: true,
            grants: vec!["GRANT SELECT ON flow_log.*".into()],
        };
        let xml = users_xml(std::slice::from_ref(&account));
        assert!(xml.contains("<reader><password>a&lt;b&amp;c</password>"), "{xml}");
        assert!(xml.contains("<profile>readonly</profile>"), "{xml}");
        assert!(xml.contains("<grants><query>GRANT SELECT ON flow_log.*</query></grants>"), "{xml}");
        let ports = Ports { http: 1, native: None };
        let xml = server_xml(Path::new("/a&b"), Path::new("/run"), ports, &[account]);
        assert!(xml.contains("<path>/a&amp;b/data/</path>"), "{xml}");
    }
}
