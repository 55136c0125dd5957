//! The configuration of the embedded server: two files, because the engine silently ignores users and
//! profiles in the first one.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::options::User;

/// Writes both files for a server on `data_dir` into `run_dir`, both absolute. Returns the file to start
/// with.
pub(super) fn write(
    data_dir: &Path,
    run_dir: &Path,
    http_port: u16,
    tcp_port: u16,
    users: &[User],
) -> io::Result<PathBuf> {
    for name in ["data", "tmp", "user_files", "format_schemas"] {
        fs::create_dir_all(data_dir.join(name))?;
    }
    fs::create_dir_all(run_dir)?;
    let config = run_dir.join("config.xml");
    fs::write(&config, server_xml(data_dir, run_dir, http_port, tcp_port))?;
    fs::write(run_dir.join("users.xml"), users_xml(users))?;
    Ok(config)
}

/// `log-level` stands outside of `logger`, because the engine ignores the level inside and would log
/// everything. The ports are on loopback only: the session that keeps the server running logs in as the user
/// `default`, which therefore cannot have a password.
fn server_xml(data_dir: &Path, run_dir: &Path, http_port: u16, tcp_port: u16) -> String {
    let path = |dir: &Path, name: &str| escape(&dir.join(name).to_string_lossy());
    format!(
        r"<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http_port}</http_port>
  <tcp_port>{tcp_port}</tcp_port>
  <path>{data}/</path>
  <tmp_path>{tmp}/</tmp_path>
  <user_files_path>{user_files}/</user_files_path>
  <format_schema_path>{format_schemas}/</format_schema_path>
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
    <df_cluster><shard><replica><host>127.0.0.1</host><port>{tcp_port}</port></replica></shard></df_cluster>
  </remote_servers>
</clickhouse>
",
        data = path(data_dir, "data"),
        tmp = path(data_dir, "tmp"),
        user_files = path(data_dir, "user_files"),
        format_schemas = path(data_dir, "format_schemas"),
        users = path(run_dir, "users.xml"),
        log = path(run_dir, "server.log"),
    )
}

/// `http_max_field_value_size` has an effect in a profile only, not in a query.
fn users_xml(users: &[User]) -> String {
    let mut xml = String::from(
        r"<clickhouse>
  <profiles>
    <default><http_max_field_value_size>16777216</http_max_field_value_size></default>
    <readonly><http_max_field_value_size>16777216</http_max_field_value_size><readonly>2</readonly></readonly>
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <access_management>1</access_management>
    </default>
",
    );
    for user in users {
        let profile = if user.readonly { "readonly" } else { "default" };
        let grants = user.grants.iter().fold(String::new(), |mut grants, grant| {
            let _ = write!(grants, "<query>{}</query>", escape(grant));
            grants
        });
        let grants = if grants.is_empty() { grants } else { format!("<grants>{grants}</grants>") };
        let _ = writeln!(
            xml,
            "    <{name}><password>{password}</password><networks><ip>127.0.0.1</ip></networks>\
             <profile>{profile}</profile><quota>default</quota>{grants}</{name}>",
            name = user.name,
            password = escape(&user.password),
        );
    }
    xml.push_str("  </users>\n</clickhouse>\n");
    xml
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let xml = users_xml(&[User {
            name: "reader".into(),
            password: "a<b&c".into(),
            readonly: true,
            grants: vec!["GRANT SELECT ON flow_log.*".into()],
        }]);
        assert!(xml.contains("<password>a&lt;b&amp;c</password>"), "{xml}");
        assert!(xml.contains("<profile>readonly</profile>"), "{xml}");
        assert!(xml.contains("<grants><query>GRANT SELECT ON flow_log.*</query></grants>"), "{xml}");
        assert!(
            server_xml(Path::new("/a&b"), Path::new("/run"), 1, 2).contains("<path>/a&amp;b/data/</path>")
        );
    }
}
