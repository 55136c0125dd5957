//! Quotes for names that stand in the text of a query. Values of a caller are never quoted here: they are
//! bound.

/// A quoted name.
pub(super) fn identifier(name: &str) -> String {
    quoted(name, '`')
}

/// A quoted text, for names in places where no value can be bound.
pub(super) fn literal(text: &str) -> String {
    quoted(text, '\'')
}

/// Doubles question marks: the `clickhouse` crate would take a single one for the place of a bound value.
fn quoted(text: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for c in text.chars() {
        match c {
            '\\' | '`' | '\'' => quoted.push('\\'),
            '?' => quoted.push('?'),
            _ => {}
        }
        quoted.push(c);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(identifier("flow`log"), "`flow\\`log`");
        assert_eq!(literal("a'b\\c?"), "'a\\'b\\\\c??'");
    }
}
