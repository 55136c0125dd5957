//! The dictionaries that give names to numbers.

use super::quoting;

/// A dictionary of the database of names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Dictionary {
    Device,
    Subnet,
    Gprocess,
    TapType,
    IntEnum,
}

impl Dictionary {
    pub(super) const ALL: [Self; 5] =
        [Self::Device, Self::Subnet, Self::Gprocess, Self::TapType, Self::IntEnum];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Device => "device_map",
            Self::Subnet => "subnet_map",
            Self::Gprocess => "gprocess_map",
            Self::TapType => "tap_type_map",
            Self::IntEnum => "int_enum_map",
        }
    }

    /// An expression that fails unless the dictionary exists, can be loaded, and may be read.
    pub(super) fn probe(self, tag_database: &str) -> String {
        self.lookup(tag_database, &["toUInt8(0)", "toUInt32(0)"])
    }

    /// The name that the dictionary has for these values. Where its key has one part, the second value is
    /// unused.
    pub(super) fn lookup(self, tag_database: &str, values: &[&str; 2]) -> String {
        let dictionary = quoting::literal(&format!("{tag_database}.{}", self.name()));
        let [first, second] = values;
        match self {
            Self::Device => format!("dictGet({dictionary}, 'name', (toUInt64({first}), toUInt64({second})))"),
            Self::Subnet | Self::Gprocess | Self::TapType => {
                format!("dictGet({dictionary}, 'name', toUInt64({first}))")
            }
            Self::IntEnum => format!(
                "dictGetOrDefault({dictionary}, 'name_en', ('l7_protocol', toUInt64({first})), toString({first}))"
            ),
        }
    }
}
