//! Our own schema of the flow log, for servers that have no DeepFlow: the table of DeepFlow v7.1.8 with all
//! its columns, and the dictionaries that we read, each over a table of its own. Reading never depends on it.
//!
//! It differs from DeepFlow's where a server alone differs from a deployment: no time to live, the default
//! storage policy, one server instead of a cluster, and dictionaries over local tables instead of MySQL.

mod columns;
mod enumerations;

use std::fmt::Write as _;

pub use enumerations::l7_protocol_name;

use self::columns::Index;

/// A dictionary of names: its name, the table under it, its key, the attribute that we read.
struct Names {
    dictionary: &'static str,
    table: &'static str,
    key: &'static [(&'static str, &'static str)],
    attribute: &'static str,
}

const NAMES: [Names; 6] = [
    Names {
        dictionary: "device_map",
        table: "ch_device",
        key: &[("devicetype", "UInt64"), ("deviceid", "UInt64")],
        attribute: "name",
    },
    Names { dictionary: "subnet_map", table: "ch_subnet", key: &[("id", "UInt64")], attribute: "name" },
    Names { dictionary: "gprocess_map", table: "ch_gprocess", key: &[("id", "UInt64")], attribute: "name" },
    Names {
        dictionary: "tap_type_map",
        table: "ch_tap_type",
        key: &[("value", "UInt64")],
        attribute: "name",
    },
    Names {
        dictionary: "int_enum_map",
        table: "ch_int_enum",
        key: &[("tag_name", "String"), ("value", "UInt64")],
        attribute: "name_en",
    },
    Names {
        dictionary: "string_enum_map",
        table: "ch_string_enum",
        key: &[("tag_name", "String"), ("value", "String")],
        attribute: "name_en",
    },
];

/// The statements that make the schema, in order. Each may be run again.
pub fn statements() -> Vec<String> {
    statements_of("")
}

/// [`statements`] for an organisation: `prefix` is what its databases begin with, such as `0002_`.
pub fn statements_of(prefix: &str) -> Vec<String> {
    let mut statements = vec![
        format!("CREATE DATABASE IF NOT EXISTS `{prefix}flow_log`"),
        format!("CREATE DATABASE IF NOT EXISTS `{prefix}flow_tag`"),
        local_table(prefix),
        format!(
            "CREATE TABLE IF NOT EXISTS `{prefix}flow_log`.l7_flow_log AS `{prefix}flow_log`.l7_flow_log_local\n\
             ENGINE = Merge('{prefix}flow_log', '^l7_flow_log_local$')"
        ),
    ];
    for names in &NAMES {
        statements.push(names.create_table(prefix));
        statements.push(names.create_dictionary(prefix));
    }
    let protocols =
        enumerations::L7_PROTOCOLS.map(|(number, name)| format!("('l7_protocol', {number}, '{name}')"));
    let points = enumerations::OBSERVATION_POINTS
        .map(|(point, name)| format!("('observation_point', '{point}', '{name}')"));
    for (table, values) in [("ch_int_enum", protocols.join(", ")), ("ch_string_enum", points.join(", "))] {
        statements.push(format!(
            "INSERT INTO `{prefix}flow_tag`.{table} (tag_name, value, name_en) VALUES\n{values}"
        ));
    }
    statements.extend(reload_statements(prefix));
    statements
}

/// The statements that make the dictionaries read their tables now.
pub fn reload_statements(prefix: &str) -> Vec<String> {
    NAMES
        .iter()
        .map(|names| format!("SYSTEM RELOAD DICTIONARY `{prefix}flow_tag`.{}", names.dictionary))
        .collect()
}

/// [`statements`] as one text that `clickhouse-client --multiquery` runs.
pub fn text() -> String {
    statements().iter().fold(String::new(), |mut text, statement| {
        let _ = write!(text, "{statement};\n\n");
        text
    })
}

fn local_table(prefix: &str) -> String {
    let mut text = format!("CREATE TABLE IF NOT EXISTS `{prefix}flow_log`.l7_flow_log_local\n(\n");
    for (name, kind, _) in columns::columns() {
        let _ = writeln!(text, "    `{name}` {kind},");
    }
    let indexes: Vec<String> = columns::columns()
        .filter_map(|(name, _, index)| {
            let kind = match index {
                Index::None => return None,
                Index::Range => "minmax",
                Index::Values => "set(300)",
                Index::Bloom => "bloom_filter",
            };
            Some(format!("    INDEX `{name}_idx` `{name}` TYPE {kind} GRANULARITY 2"))
        })
        .collect();
    let _ = write!(
        text,
        "{}\n)\nENGINE = MergeTree\nPARTITION BY toStartOfHour(time)\n\
         ORDER BY (time, l7_protocol, l3_epc_id_1, ip4_1, ip6_1, server_port)",
        indexes.join(",\n")
    );
    text
}

impl Names {
    fn columns(&self) -> String {
        self.key.iter().fold(String::new(), |mut text, (name, kind)| {
            let _ = write!(text, "{name} {kind}, ");
            text
        }) + self.attribute
            + " String"
    }

    fn key_names(&self) -> String {
        let names: Vec<&str> = self.key.iter().map(|&(name, _)| name).collect();
        names.join(", ")
    }

    /// A name may be written again: the last one counts.
    fn create_table(&self, prefix: &str) -> String {
        let Self { table, .. } = self;
        let (columns, key) = (self.columns(), self.key_names());
        format!(
            "CREATE TABLE IF NOT EXISTS `{prefix}flow_tag`.{table} ({columns})\n\
             ENGINE = ReplacingMergeTree ORDER BY ({key})"
        )
    }

    /// Reads its table as the user `default` without a password, which is what ClickHouse does when no user
    /// is named.
    fn create_dictionary(&self, prefix: &str) -> String {
        let Self { dictionary, table, attribute, .. } = self;
        let (columns, key) = (self.columns(), self.key_names());
        // takes any id, where FLAT ends at 500,000
        let layout = if self.key.len() == 1 { "HASHED()" } else { "COMPLEX_KEY_HASHED()" };
        format!(
            "CREATE DICTIONARY IF NOT EXISTS `{prefix}flow_tag`.{dictionary} ({columns})\nPRIMARY KEY {key}\n\
             SOURCE(CLICKHOUSE(QUERY 'SELECT {key}, {attribute} FROM `{prefix}flow_tag`.{table} FINAL'))\n\
             LIFETIME(MIN 30 MAX 60) LAYOUT({layout})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_all_statements() {
        let text = text();
        assert_eq!(text.matches(";\n\n").count(), statements().len());
        assert!(text.contains("CREATE TABLE IF NOT EXISTS `flow_log`.l7_flow_log_local"));
        assert!(statements_of("0002_").iter().all(|statement| statement.contains("`0002_flow_")));
    }
}
