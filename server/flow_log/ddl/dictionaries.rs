//! The dictionaries of names, each over a table of its own.

use std::fmt::Write as _;

/// A dictionary of names: its name, the table under it, its key, and the attribute that holds the name.
pub(super) struct NameDictionary {
    pub(super) dictionary: &'static str,
    pub(super) table: &'static str,
    key: &'static [(&'static str, &'static str)],
    attribute: &'static str,
}

/// The dictionaries that we read, and `string_enum_map`, which DeepFlow has beside them.
pub(super) const NAME_DICTIONARIES: [NameDictionary; 6] = [
    NameDictionary {
        dictionary: "device_map",
        table: "ch_device",
        key: &[("devicetype", "UInt64"), ("deviceid", "UInt64")],
        attribute: "name",
    },
    NameDictionary {
        dictionary: "subnet_map",
        table: "ch_subnet",
        key: &[("id", "UInt64")],
        attribute: "name",
    },
    NameDictionary {
        dictionary: "gprocess_map",
        table: "ch_gprocess",
        key: &[("id", "UInt64")],
        attribute: "name",
    },
    NameDictionary {
        dictionary: "tap_type_map",
        table: "ch_tap_type",
        key: &[("value", "UInt64")],
        attribute: "name",
    },
    NameDictionary {
        dictionary: "int_enum_map",
        table: "ch_int_enum",
        key: &[("tag_name", "String"), ("value", "UInt64")],
        attribute: "name_en",
    },
    NameDictionary {
        dictionary: "string_enum_map",
        table: "ch_string_enum",
        key: &[("tag_name", "String"), ("value", "String")],
        attribute: "name_en",
    },
];

impl NameDictionary {
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

    /// The table under the dictionary. A name may be written again: the last one counts.
    pub(super) fn create_table(&self, prefix: &str) -> String {
        let Self { table, .. } = self;
        let (columns, key) = (self.columns(), self.key_names());
        format!(
            "CREATE TABLE IF NOT EXISTS `{prefix}flow_tag`.{table} ({columns})\n\
             ENGINE = ReplacingMergeTree ORDER BY ({key})"
        )
    }

    /// The dictionary. It reads its table as the user `default` without a password, as ClickHouse does where
    /// no user is named.
    pub(super) fn create_dictionary(&self, prefix: &str) -> String {
        let Self { dictionary, table, attribute, .. } = self;
        let (columns, key) = (self.columns(), self.key_names());
        // HASHED takes any id; FLAT none above 500,000.
        let layout = if self.key.len() == 1 { "HASHED()" } else { "COMPLEX_KEY_HASHED()" };
        format!(
            "CREATE DICTIONARY IF NOT EXISTS `{prefix}flow_tag`.{dictionary} ({columns})\nPRIMARY KEY {key}\n\
             SOURCE(CLICKHOUSE(QUERY 'SELECT {key}, {attribute} FROM `{prefix}flow_tag`.{table} FINAL'))\n\
             LIFETIME(MIN 30 MAX 60) LAYOUT({layout})"
        )
    }
}
