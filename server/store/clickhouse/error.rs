//! Why a read failed, from the errors of the server and the network. Only this file reads the server's error
//! texts. They are not passed on, because they may quote rows.

use clickhouse::error::Error as ClientError;
use hyper_util::client::legacy::Error as HttpError;

use crate::store::error::StoreError;

/// Why a read failed, and whether to try again.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// The error code of ClickHouse, if the server failed.
    pub(super) code: Option<u32>,
    /// An open connection broke; a new one may work.
    pub(super) broken_connection: bool,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::BadResponse(text) => match server_code(&text) {
                Some(code @ (16 | 47)) => {
                    Self { error: lacks_column(&text, code), code: Some(code), broken_connection: false }
                }
                Some(code) => Self { error: from_code(code), code: Some(code), broken_connection: false },
                None => Self::plain(StoreError::Nonsense(
                    "an answer without an error code of ClickHouse".to_owned(),
                )),
            },
            ClientError::Network(source) => {
                let connecting = source.downcast_ref::<HttpError>().is_some_and(HttpError::is_connect);
                Self {
                    error: StoreError::Unreachable(chain(&*source)),
                    code: None,
                    broken_connection: !connecting,
                }
            }
            ClientError::TimedOut => Self::plain(StoreError::Timeout),
            ClientError::SchemaMismatch(_) | ClientError::InvalidColumnsHeader(_) => {
                Self::plain(StoreError::Nonsense("other columns than those asked for".to_owned()))
            }
            ClientError::NotEnoughData | ClientError::Decompression(_) => {
                Self::plain(StoreError::Nonsense("an answer that ends in the middle".to_owned()))
            }
            _ => Self::plain(StoreError::Nonsense("an answer that cannot be decoded".to_owned())),
        }
    }
}

impl Failure {
    fn plain(error: StoreError) -> Self {
        Self { error, code: None, broken_connection: false }
    }

    pub(super) fn timeout() -> Self {
        Self::plain(StoreError::Timeout)
    }

    /// Whether a changed schema may be the cause: a column, table or dictionary was removed. Limits, time,
    /// network and credentials have nothing to do with the schema.
    pub(super) fn may_be_the_schema(&self) -> bool {
        self.code.is_some_and(|code| code == DENIED_RIGHT || not_the_schema(code).is_none())
    }
}

/// An error of the client in our own terms.
pub(crate) fn store_error(error: ClientError) -> StoreError {
    Failure::from(error).error
}

/// A missing right. It may be the right to one dictionary only.
const DENIED_RIGHT: u32 = 497;

/// The errors that have nothing to do with the schema. Codes that are not listed may come from a schema that
/// we do not expect: a dictionary passes on any error of its source.
fn not_the_schema(code: u32) -> Option<StoreError> {
    Some(match code {
        159 | 160 => StoreError::Timeout,
        158 => exhausted("rows to read", code),
        201 => exhausted("the user's quota", code),
        202 => exhausted("concurrent queries", code),
        241 => exhausted("memory", code),
        307 => exhausted("bytes to read", code),
        396 => exhausted("size of the answer", code),
        439 => exhausted("threads", code),
        192..=194 | 516 => StoreError::Denied(format!("user or password (code {code})")),
        164 | 452 => {
            StoreError::Denied(format!("per-query settings; the user needs readonly = 2 (code {code})"))
        }
        DENIED_RIGHT => StoreError::Denied(format!("a right on a table or column (code {code})")),
        209 | 210 | 279 | 519 => {
            StoreError::Unreachable(format!("a shard or replica does not answer (code {code})"))
        }
        _ => return None,
    })
}

fn exhausted(what: &str, code: u32) -> StoreError {
    StoreError::Exhausted(format!("{what} (code {code})"))
}

fn from_code(code: u32) -> StoreError {
    not_the_schema(code).unwrap_or_else(|| match code {
        60 => StoreError::Schema("a table (code 60)".to_owned()),
        81 => StoreError::Schema("a database (code 81)".to_owned()),
        _ => StoreError::Nonsense(format!("error code {code} of ClickHouse")),
    })
}

/// Names the column, if the message begins with a column of our own query, as it does for a distributed table
/// whose local tables are older than itself. Nothing else is taken from the message.
fn lacks_column(text: &str, code: u32) -> StoreError {
    let quoted = ["Missing columns: ", "dentifier "].iter().find_map(|words| {
        let (_, rest) = text.split_once(words)?;
        let (name, _) = rest.strip_prefix(['\'', '`'])?.split_once(['\'', '`'])?;
        Some(name.rsplit_once('.').map_or(name, |(_, column)| column))
    });
    let is_name = |name: &&str| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    StoreError::Schema(match quoted.filter(is_name) {
        Some(name) => format!("column `{name}` (code {code})"),
        None => format!("a column (code {code})"),
    })
}

/// The number in `Code: N`.
fn server_code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("Code: ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..digits)?.parse().ok()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let failure = Failure::from(ClientError::BadResponse(text.to_owned()));
        assert_eq!(failure.error.to_string(), want, "{text}");
    }

    #[test]
    fn a_missing_column_is_named() {
        for (text, want) in [
            ("Missing columns: 'is_tls' while processing: 'SELECT is_tls'", "column `is_tls` (code 47)"),
            (
                "Received from 10.0.0.1:9000. DB::Exception: Identifier '__table1.is_tls' cannot be resolved",
                "column `is_tls` (code 47)",
            ),
            ("Unknown expression identifier `is_tls` in scope SELECT", "column `is_tls` (code 47)"),
            ("Missing columns: 'card 4111' while", "a column (code 47)"),
            ("Missing columns: is_tls", "a column (code 47)"),
            ("Identifier '' cannot", "a column (code 47)"),
            ("", "a column (code 47)"),
        ] {
            check(&format!("Code: 47. DB::Exception: {text}"), &format!("the flow log lacks {want}"));
        }
    }

    #[test]
    fn codes_become_errors_without_the_text_of_the_server() {
        let cases = [
            ("60", "the flow log lacks a table (code 60)"),
            ("81", "the flow log lacks a database (code 81)"),
            ("47", "the flow log lacks a column (code 47)"),
            ("16", "the flow log lacks a column (code 16)"),
            ("159", "the flow log did not answer in time"),
            ("160", "the flow log did not answer in time"),
            ("158", "the flow log is out of resources: rows to read (code 158)"),
            ("202", "the flow log is out of resources: concurrent queries (code 202)"),
            ("241", "the flow log is out of resources: memory (code 241)"),
            ("396", "the flow log is out of resources: size of the answer (code 396)"),
            ("516", "the flow log refused access: user or password (code 516)"),
            ("192", "the flow log refused access: user or password (code 192)"),
            ("193", "the flow log refused access: user or password (code 193)"),
            (
                "164",
                "the flow log refused access: per-query settings; the user needs readonly = 2 (code 164)",
            ),
            ("497", "the flow log refused access: a right on a table or column (code 497)"),
            ("279", "the flow log is unreachable: a shard or replica does not answer (code 279)"),
            ("36", "the flow log gave an unusable answer: error code 36 of ClickHouse"),
            ("999999", "the flow log gave an unusable answer: error code 999999 of ClickHouse"),
        ];
        for (code, want) in cases {
            check(&format!("Code: {code}. DB::Exception: near 'card 4111' Code: 1. (NAME)"), want);
        }
        check("Code: 60", "the flow log lacks a table (code 60)");
        for text in ["", "502 Bad Gateway", "Code: ", "Code: x", "Code: 99999999999999999999"] {
            check(
                text,
                "the flow log gave an unusable answer: an answer without an error code of ClickHouse",
            );
        }
    }

    #[test]
    fn only_what_the_schema_may_explain_asks_for_another_look() {
        let may =
            |code: u32| Failure::from(ClientError::BadResponse(format!("Code: {code}."))).may_be_the_schema();
        for code in [36, 16, 47, 60, 81, 497, 1000] {
            assert!(may(code), "{code}");
        }
        for code in [159, 241, 202, 396, 516, 164, 279] {
            assert!(!may(code), "{code}");
        }
        assert!(!Failure::timeout().may_be_the_schema());
    }
}
