//! Range checks of the configuration.

use super::error::ConfigError;

/// A number of the configuration and the range it must be in, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Path of the key: `limits.max_streams`.
    pub key: &'static str,
    /// What it is set to.
    pub value: i64,
    /// Least value.
    pub min: i64,
    /// Largest value; `None` if only its type limits it.
    pub max: Option<i64>,
}

/// Makes a [`Range`].
pub fn range(key: &'static str, value: impl Into<i64>, min: i64, max: i64) -> Range {
    Range { key, value: value.into(), min, max: Some(max) }
}

/// Makes a [`Range`] without a largest value.
pub fn at_least(key: &'static str, value: impl Into<i64>, min: i64) -> Range {
    Range { key, value: value.into(), min, max: None }
}

impl Range {
    /// Whether the value is in the range.
    fn holds(&self) -> bool {
        self.value >= self.min && self.max.is_none_or(|max| self.value <= max)
    }

    /// What is wrong with a number that is not in the range, in words.
    pub(super) fn problem(&self, number: i64) -> String {
        match self.max {
            Some(max) => format!("{number} is not between {} and {max}", self.min),
            None if number < self.min => format!("{number} is less than {}", self.min),
            None => format!("{number} is too large"),
        }
    }
}

/// A table that knows the ranges of its numbers.
pub trait Ranges {
    /// The numbers and their ranges.
    fn ranges(&self) -> Vec<Range>;

    /// The first number that is out of its range, as an error.
    fn check_ranges(&self) -> Result<(), ConfigError> {
        match self.ranges().into_iter().find(|range| !range.holds()) {
            None => Ok(()),
            Some(range) => {
                Err(ConfigError::Value { key: range.key.to_owned(), problem: range.problem(range.value) })
            }
        }
    }
}
