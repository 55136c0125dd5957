//! The statements that create the schema.

use std::fmt::Write as _;

use super::{
    columns::{self, Index},
    dictionaries::NAME_DICTIONARIES,
    enumerations,
};

/// The statements that create the schema, in order. Each may be run again.
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
    for names in &NAME_DICTIONARIES {
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

/// Database and name of each table and dictionary that [`statements_of`] creates.
pub fn names_of(prefix: &str) -> Vec<(String, &'static str)> {
    let tables = [("flow_log", "l7_flow_log_local"), ("flow_log", "l7_flow_log")];
    let names = NAME_DICTIONARIES
        .iter()
        .flat_map(|names| [("flow_tag", names.table), ("flow_tag", names.dictionary)]);
    tables.into_iter().chain(names).map(|(database, name)| (format!("{prefix}{database}"), name)).collect()
}

/// The statements after which the dictionaries have read their tables again.
pub fn reload_statements(prefix: &str) -> Vec<String> {
    NAME_DICTIONARIES
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_all_statements() {
        let text = text();
        assert_eq!(text.matches(";\n\n").count(), statements().len());
        assert!(text.contains("CREATE TABLE IF NOT EXISTS `flow_log`.l7_flow_log_local"));
        for (database, name) in names_of("") {
            assert!(text.contains(&format!("IF NOT EXISTS `{database}`.{name}")), "{name}");
        }
        assert_eq!(
            text.matches("CREATE TABLE").count() + text.matches("CREATE DICTIONARY").count(),
            names_of("").len()
        );
        assert!(statements_of("0002_").iter().all(|statement| statement.contains("`0002_flow_")));
    }
}
