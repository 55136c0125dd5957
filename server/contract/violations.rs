//! The faults of a request: each with its path and the limit that it breaks. Bounded in number.

use std::fmt;

/// Faults kept of one request; further ones are counted.
pub const MAX_VIOLATIONS: usize = 100;

/// One fault of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Where, as the caller wrote it: `app_spans[3].end_time_us`. Empty for the request as a whole.
    pub path: String,
    /// What is wrong, and the limit.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// The faults of a request, in the order met.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Violations {
    /// The first [`MAX_VIOLATIONS`].
    pub list: Vec<Violation>,
    /// How many more there are.
    pub more: usize,
}

impl Violations {
    /// Only one fault.
    pub fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        let mut violations = Violations::default();
        violations.push(path, message);
        violations
    }

    /// Adds a fault, or counts it.
    pub fn push(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.list.len() < MAX_VIOLATIONS {
            self.list.push(Violation { path: path.into(), message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// Puts a fault before those from `at` on.
    pub(super) fn insert(&mut self, at: usize, fault: Violation) {
        if self.list.len() >= MAX_VIOLATIONS && self.list.pop().is_some() {
            self.more += 1;
        }
        self.list.insert(at.min(self.list.len()), fault);
    }

    /// Adds the fault that ended the reading, which is told however many there are.
    pub(super) fn push_last(&mut self, fault: Violation) {
        self.insert(usize::MAX, fault);
    }

    /// The first faults, as many as have room in `budget` bytes of text, but at least one; the others
    /// are counted.
    pub fn fitting(&self, mut budget: usize) -> Violations {
        let fits = |violation: &&Violation| {
            let size = violation.path.len() + violation.message.len();
            let fits = size <= budget;
            budget = budget.saturating_sub(size);
            fits
        };
        let count = self.list.iter().take_while(fits).count().max(1).min(self.list.len());
        Violations { list: self.list[..count].to_vec(), more: self.more + self.list.len() - count }
    }

    /// No fault.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
