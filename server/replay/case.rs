//! The file of a case. JSON, as `layout` writes it:
//!
//! | key | holds |
//! |---|---|
//! | `version` | [`VERSION`]; another one is refused |
//! | `redacted` | whether identifying values are pseudonyms |
//! | `region`, `tracing` | the configuration: name of the region, the `[tracing]` table |
//! | `request` | the question in its REST shape, with the configured values for what it left out |
//! | `answers` | each question of the search in the order asked, and the rows, by id, that the flow log gave |
//! | `fetched` | the rows that it gave in the end, in full |
//! | `rows` | all these rows, as sparse JSON of [`StoredRow`](crate::flow_log::StoredRow) |
//! | `answer` | the whole answer, as the REST door gives it; times of questions are 0 in its explanation |

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::Path,
};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};

use super::{layout, question::CaseQuestion, row::CaseRow};
use crate::{
    config::{Limits, Tracing, check::Ranges},
    contract::{Rules, json as rest},
    flow::{AppSpan, CompletionRequest},
    store::StoreError,
};

/// The version of the file that this program writes, and the only one that it reads.
pub const VERSION: u64 = 1;

/// Largest file, in bytes, unless told otherwise: 64 MiB.
pub const MAX_CASE_BYTES: u64 = 64 << 20;

/// A recorded completion.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// Whether identifying values are pseudonyms.
    pub redacted: bool,
    /// Name of the flow log's region.
    pub region: String,
    /// How the trace was searched and put together.
    pub tracing: Tracing,
    /// The question.
    pub request: CompletionRequest,
    /// The recorded answer, in the shape of the REST door.
    pub answer: Value,
    pub(super) answers: Vec<CaseAnswer>,
    pub(super) fetched: CaseFetched,
    pub(super) rows: Vec<CaseRow>,
}

/// Why there is no case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// It has more bytes than allowed.
    #[error("the case has more than {max_bytes} bytes (--max-case-bytes)")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// It is not JSON, or something in it is missing or of a wrong type.
    #[error("not a recorded case: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by another version of this program.
    #[error("version {found} of a recorded case, this program reads version {VERSION}")]
    Version {
        /// The version that the file says it has.
        found: Value,
    },
    /// Its parts contradict each other.
    #[error("not a recorded case: {0}")]
    Invalid(String),
}

/// What the flow log answered to one question.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseAnswer {
    pub(super) question: CaseQuestion,
    #[serde(default)]
    pub(super) rows: Vec<RowName>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) truncated: bool,
    #[serde(default)]
    pub(super) read_rows: u64,
    /// Why it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<RecordedError>,
}

/// The rows that were fetched in the end.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseFetched {
    pub(super) rows: Vec<RowName>,
    #[serde(default)]
    pub(super) read_rows: u64,
}

/// Names a row of the case: its id, and which of the rows of that id it is, where there are several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct RowName {
    pub(super) id: u64,
    pub(super) variant: u32,
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            0 => write!(f, "{}", self.id),
            variant => write!(f, "{}/{variant}", self.id),
        }
    }
}

// As text: most JSON readers do not keep such large numbers exactly.
impl Serialize for RowName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (id, variant) = text.split_once('/').unwrap_or((&text, "0"));
        match (id.parse(), variant.parse()) {
            (Ok(id), Ok(variant)) => Ok(RowName { id, variant }),
            _ => Err(de::Error::custom(format!("{text:?} names no row"))),
        }
    }
}

/// A [`StoreError`] in a case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedError {
    kind: RecordedErrorKind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordedErrorKind {
    Unreachable,
    Denied,
    Timeout,
    Exhausted,
    Schema,
    Nonsense,
}

impl From<StoreError> for RecordedError {
    fn from(error: StoreError) -> Self {
        let (kind, text) = match error {
            StoreError::Unreachable(text) => (RecordedErrorKind::Unreachable, text),
            StoreError::Denied(text) => (RecordedErrorKind::Denied, text),
            StoreError::Timeout => (RecordedErrorKind::Timeout, String::new()),
            StoreError::Exhausted(text) => (RecordedErrorKind::Exhausted, text),
            StoreError::Schema(text) => (RecordedErrorKind::Schema, text),
            StoreError::Nonsense(text) => (RecordedErrorKind::Nonsense, text),
        };
        RecordedError { kind, text }
    }
}

impl From<RecordedError> for StoreError {
    fn from(RecordedError { kind, text }: RecordedError) -> Self {
        match kind {
            RecordedErrorKind::Unreachable => StoreError::Unreachable(text),
            RecordedErrorKind::Denied => StoreError::Denied(text),
            RecordedErrorKind::Timeout => StoreError::Timeout,
            RecordedErrorKind::Exhausted => StoreError::Exhausted(text),
            RecordedErrorKind::Schema => StoreError::Schema(text),
            RecordedErrorKind::Nonsense => StoreError::Nonsense(text),
        }
    }
}

/// The file, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(rename = "version")]
    _version: u64,
    redacted: bool,
    region: String,
    tracing: Tracing,
    request: Value,
    answers: Vec<CaseAnswer>,
    fetched: CaseFetched,
    rows: Vec<CaseRow>,
    answer: Value,
}

#[derive(Deserialize)]
struct Versioned {
    version: Value,
}

impl Case {
    /// Reads a file of at most so many bytes.
    pub fn read(path: &Path, max_bytes: u64) -> Result<Case, CaseError> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            return Err(CaseError::TooLarge { max_bytes });
        }
        Self::parse(&bytes)
    }

    /// Reads the text of a file.
    pub fn parse(bytes: &[u8]) -> Result<Case, CaseError> {
        // The version comes first: nothing else is known about another version.
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != json!(VERSION) {
            return Err(CaseError::Version { found: version });
        }
        let file: CaseFile = serde_json::from_slice(bytes)?;
        file.tracing.check_ranges().map_err(|e| CaseError::Invalid(e.to_string()))?;
        let case = Case {
            redacted: file.redacted,
            region: file.region,
            request: read_request(&file.request, &file.tracing)?,
            tracing: file.tracing,
            answer: file.answer,
            answers: file.answers,
            fetched: file.fetched,
            rows: file.rows,
        };
        case.index()?;
        Ok(case)
    }

    /// The text of the file, of at most so many bytes.
    pub fn text(&self, max_bytes: u64) -> Result<String, CaseError> {
        let Case { redacted, region, tracing, request: asked, answer, answers, fetched, rows } = self;
        let parts = [
            ("version", json!(VERSION)),
            ("redacted", json!(redacted)),
            ("region", json!(region)),
            ("tracing", serde_json::to_value(tracing)?),
            ("request", request(asked)),
            ("answers", serde_json::to_value(answers)?),
            ("fetched", serde_json::to_value(fetched)?),
            ("rows", serde_json::to_value(rows)?),
            ("answer", answer.clone()),
        ];
        let text = layout::lay_out(&parts);
        if text.len() as u64 > max_bytes { Err(CaseError::TooLarge { max_bytes }) } else { Ok(text) }
    }

    /// Writes the file, whole or not at all. Only its owner can read it, because it holds captured data.
    pub fn write(&self, path: &Path, max_bytes: u64) -> Result<(), CaseError> {
        use std::os::unix::fs::OpenOptionsExt;
        let text = self.text(max_bytes)?;
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".{}.tmp", std::process::id()));
        let write = || {
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&unfinished, path)
        };
        write().inspect_err(|_| {
            // It may not exist.
            fs::remove_file(&unfinished).ok();
        })?;
        Ok(())
    }

    /// The index of each row in `rows`. Fails where a name is used twice, or names no row.
    pub(super) fn index(&self) -> Result<FxHashMap<RowName, usize>, CaseError> {
        let mut index = FxHashMap::default();
        for (at, row) in self.rows.iter().enumerate() {
            let name = RowName { id: row.stored._id, variant: row.variant };
            if index.insert(name, at).is_some() {
                return Err(CaseError::Invalid(format!("rows: {name} is there twice")));
            }
        }
        let named = self.answers.iter().flat_map(|answer| &answer.rows).chain(&self.fetched.rows);
        match named.into_iter().find(|name| !index.contains_key(name)) {
            Some(name) => Err(CaseError::Invalid(format!("row {name} is not in rows"))),
            None => Ok(index),
        }
    }
}

/// The question in its REST shape.
fn request(request: &CompletionRequest) -> Value {
    let CompletionRequest { max_iteration, network_delay_us, host_clock_offset_us, explain, app_spans } =
        request;
    json!({
        "max_iteration": max_iteration,
        "network_delay_us": network_delay_us,
        "host_clock_offset_us": host_clock_offset_us,
        "explain": explain,
        "app_spans": app_spans.iter().map(span).collect::<Vec<_>>(),
    })
}

fn span(span: &AppSpan) -> Value {
    let AppSpan {
        trace_id,
        span_id,
        parent_span_id,
        span_kind,
        start_time_us,
        end_time_us,
        name,
        app_service,
        app_instance,
    } = span;
    json!({
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": parent_span_id,
        "span_kind": *span_kind as i64,
        "start_time_us": start_time_us,
        "end_time_us": end_time_us,
        "name": name,
        "app_service": app_service,
        "app_instance": app_instance,
    })
}

/// Reads a question. Its form is checked as a door checks it, without the limits on its size: those of the
/// recorder have been checked.
fn read_request(request: &Value, tracing: &Tracing) -> Result<CompletionRequest, CaseError> {
    let limits = Limits {
        max_app_spans: u32::MAX,
        max_string_bytes: u32::MAX,
        max_iteration: u32::MAX,
        ..Limits::default()
    };
    let bytes = serde_json::to_vec(request)?;
    rest::body(&bytes, Rules { limits: &limits, tracing })
        .map_err(|violations| CaseError::Invalid(format!("request: {violations}")))
}

fn is_false(flag: &bool) -> bool {
    !flag
}
