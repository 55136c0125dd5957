//! Range checks of the configuration.

use super::ConfigError;

/// A number of the configuration and the range it must be in, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Path of the key: `limits.max_streams`.
    pub key: &'static str,
    /// What it is set to.
    pub value: i64,
    /// Least value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

/// Makes a [`Range`].
pub fn range(key: &'static str, value: impl Into<i64>, min: i64, max: i64) -> Range {
    Range { key, value: value.into(), min, max }
}

/// A table that knows the ranges of its numbers.
pub trait Ranges {
    /// The numbers and their ranges.
    fn ranges(&self) -> Vec<Range>;

    /// The first number out of its range, as an error.
    fn check_ranges(&self) -> Result<(), ConfigError> {
        match self.ranges().into_iter().find(|r| !(r.min..=r.max).contains(&r.value)) {
            None => Ok(()),
            Some(Range { key, value, min, max }) => Err(ConfigError::Value {
                key: key.to_owned(),
                problem: format!("{value} is not in {min} to {max}"),
            }),
        }
    }
}
