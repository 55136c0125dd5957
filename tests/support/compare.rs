//! Compares an answer with a recorded case: what the contract promises must hold, and what the original
//! answered must be there. Order, index numbers and made-up ids are free.
//!
//! Lenient where the original is ambiguous: null, 0, "", [] and {} are one value; 5 equals "5"; a span that
//! the original repeats or gives several parents may have any of them; spans that it loses in a ring may
//! be there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

/// The differences between `answer`, a REST body, and `case["expected"]`; none means equal.
pub fn differences(case: &Value, answer: &Value) -> Vec<String> {
    Comparison::new(case, answer).run()
}

struct Comparison<'a> {
    case: &'a Value,
    answer: &'a Value,
    expected: &'a Map<String, Value>,
    actual: BTreeMap<String, Actual<'a>>,
    unstable: HashSet<(String, String)>,
    /// The original lost spans in a ring.
    ring: bool,
    found: Vec<String>,
}

/// A span of an answer: how often it is there, its parents and its related spans by key.
pub struct Actual<'a> {
    pub span: &'a Value,
    pub times: usize,
    pub parents: BTreeSet<String>,
    pub related: BTreeSet<(String, String)>,
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn strings(value: &Value) -> impl Iterator<Item = String> + '_ {
    list(value).iter().map(text)
}

impl<'a> Comparison<'a> {
    fn new(case: &'a Value, answer: &'a Value) -> Self {
        let unstable = list(&case["unstable"])
            .iter()
            .map(|u| {
                (u["span"].as_str().unwrap_or("*").to_owned(), u["field"].as_str().unwrap_or("*").to_owned())
            })
            .collect();
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        Comparison {
            case,
            answer,
            expected: case["expected"]["spans"].as_object().unwrap_or(&NONE),
            actual: canonical(case, answer),
            unstable,
            ring: strings(&case["notes"]).any(|note| note == "spans-lost-in-ring"),
            found: Vec::new(),
        }
    }

    fn skip(&self, span: &str, field: &str) -> bool {
        [(span, field), ("*", field), (span, "*")]
            .iter()
            .any(|(s, f)| self.unstable.contains(&((*s).to_owned(), (*f).to_owned())))
    }

    fn say(&mut self, difference: String) {
        self.found.push(difference);
    }

    fn run(mut self) -> Vec<String> {
        self.promises();
        self.envelope();
        self.presence();
        for key in
            self.expected.keys().filter(|key| self.actual.contains_key(*key)).cloned().collect::<Vec<_>>()
        {
            if !self.skip(&key, "*") {
                self.one_span(&key);
            }
        }
        self.found
    }

    /// Ids are unique, parents exist, and no parent is its own descendant.
    fn promises(&mut self) {
        let spans = list(&self.answer["DATA"]["tracing"]);
        let mut parent_of = HashMap::new();
        for span in spans {
            let (id, parent) = (text(&span["deepflow_span_id"]), text(&span["deepflow_parent_span_id"]));
            if parent_of.insert(id.clone(), parent).is_some() {
                self.say(format!("deepflow_span_id {id} is not unique"));
            }
        }
        for (id, parent) in &parent_of {
            if !parent.is_empty() && !parent_of.contains_key(parent) {
                self.found.push(format!("{id}: parent {parent} is not in the answer"));
            }
        }
        for id in parent_of.keys() {
            let (mut seen, mut at) = (HashSet::new(), id);
            while seen.insert(at) {
                match parent_of.get(at) {
                    Some(parent) if !parent.is_empty() => at = parent,
                    _ => {
                        seen.clear();
                        break;
                    }
                }
            }
            if !seen.is_empty() {
                self.found.push(format!("{id} is in or below a cycle"));
            }
        }
    }

    fn envelope(&mut self) {
        let (expected, actual) = (&self.case["expected"]["opt_status"], &self.answer["OPT_STATUS"]);
        if expected != actual {
            self.say(format!("OPT_STATUS: expected {expected}, got {actual}"));
        }
        let expected = plain(&self.case["expected"]["host_clock_correction"]);
        let actual = plain(&self.answer["DATA"]["host_clock_correction"]);
        if !self.skip("", "host_clock_correction") && !self.ring && expected != actual {
            self.say(format!("host_clock_correction: expected {expected}, got {actual}"));
        }
    }

    /// The original's ids are not unique: a span that reads as its own parent says nothing of its parent.
    fn is_own_parent(&self, key: &str) -> bool {
        strings(&self.expected[key]["parent"]).any(|parent| parent == key)
    }

    fn presence(&mut self) {
        for (key, span) in self.expected {
            let free = self.is_own_parent(key) || self.skip(key, "*") || self.skip(key, "presence");
            if !self.actual.contains_key(key) && !free {
                self.found.push(format!("missing span {key} (parent {})", span["parent"]));
            }
        }
        for (key, span) in &self.actual {
            let free = self.ring || self.skip(key, "*") || self.skip(key, "presence");
            if !self.expected.contains_key(key) && !free {
                self.found.push(format!("unexpected span {key} (parent {:?})", span.parents));
            }
        }
    }

    fn one_span(&mut self, key: &str) {
        let (expected, actual) = (&self.expected[key], &self.actual[key]);
        let mut found = Vec::new();
        if actual.times != 1 && !key.starts_with("api:") {
            found.push(format!("{key} is repeated {} times", actual.times));
        }
        let variants = list(&expected["variants"]).iter().flat_map(|variant| strings(&variant["parent"]));
        let parents: BTreeSet<String> = strings(&expected["parent"]).chain(variants).collect();
        let fits = actual.parents.is_subset(&parents) && actual.parents.is_empty() == parents.is_empty();
        let lost = |parent: &String| self.ring && !self.expected.contains_key(parent);
        let own = self.is_own_parent(key) && actual.parents.is_empty();
        if !self.skip(key, "parent") && !fits && !actual.parents.iter().any(lost) && !own {
            found.push(format!("{key} parent: expected {parents:?}, got {:?}", actual.parents));
        }
        if !self.skip(key, "related") && !self.ring {
            let related: BTreeSet<(String, String)> = list(&expected["related"])
                .iter()
                .map(|pair| (text(&pair[0]), text(&pair[1])))
                .filter(|(_, other)| {
                    self.actual.contains_key(other)
                        || !self.expected.contains_key(other)
                        || !self.is_own_parent(other)
                })
                .collect();
            if related != actual.related {
                let missing: Vec<_> = related.difference(&actual.related).collect();
                let unexpected: Vec<_> = actual.related.difference(&related).collect();
                found.push(format!("{key} related: missing {missing:?}, unexpected {unexpected:?}"));
            }
        }
        for (field, value) in expected["fields"].as_object().into_iter().flatten() {
            let repeated = expected["n"].as_u64().unwrap_or(1) > 1;
            let blanked = field == "trace_id" && repeated && value == "";
            let free = blanked || self.skip(key, field) || self.ring && field.starts_with("render_");
            match actual.span.get(field) {
                _ if free => {}
                None => found.push(format!("{key} field {field} missing (expected {value})")),
                Some(got) if plain(got) != plain(value) => {
                    found.push(format!("{key} field {field}: expected {value}, got {got}"));
                }
                Some(_) => {}
            }
        }
        self.found.extend(found);
    }
}

/// The one value that the contract makes of null, 0, "", [], {} and false; numbers equal their decimals.
fn plain(value: &Value) -> Value {
    match value {
        Value::Null => Value::from(""),
        Value::Bool(set) => Value::from(if *set { "True" } else { "" }),
        Value::Number(_) => plain(&Value::from(whole(value))),
        Value::String(text) => Value::from(if text == "0" { "" } else { text.as_str() }),
        Value::Array(items) if items.is_empty() => Value::from(""),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) if fields.is_empty() => Value::from(""),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
    }
}

/// JSON text, in which a number without a fraction is an integer.
fn whole(value: &Value) -> String {
    let float = value.as_f64().filter(|float| value.is_f64() && float.fract() == 0.0);
    float.map_or_else(|| value.to_string(), |float| (float as i64).to_string())
}

/// The spans of an answer by key, with request spans named by their place in the request.
pub fn canonical<'a>(case: &Value, answer: &'a Value) -> BTreeMap<String, Actual<'a>> {
    let spans = list(&answer["DATA"]["tracing"]);
    let names = RowNames::of(case, spans);
    let mut keys = Vec::new();
    let mut key_of_row: HashMap<String, String> = HashMap::new();
    let mut keys_of_id: HashMap<String, BTreeSet<String>> = HashMap::new();
    for span in spans {
        let mut rows: Vec<String> = strings(&span["_ids"]).map(|id| names.of_row(&id)).collect();
        rows.sort_unstable();
        let key = format!("{}/{}", rows.join("+"), text(&span["tap_side"]));
        for row in rows {
            key_of_row.entry(row).or_insert_with(|| key.clone());
        }
        keys_of_id.entry(text(&span["deepflow_span_id"])).or_default().insert(key.clone());
        keys.push(key);
    }
    let mut actual: BTreeMap<String, Actual<'a>> = BTreeMap::new();
    for (span, key) in spans.iter().zip(keys) {
        if let Some(known) = actual.get_mut(&key) {
            known.times += 1;
            continue;
        }
        let parent = text(&span["deepflow_parent_span_id"]);
        let parents = if parent.is_empty() {
            BTreeSet::new()
        } else {
            keys_of_id.get(&parent).cloned().unwrap_or_else(|| BTreeSet::from([format!("?{parent}")]))
        };
        let related = strings(&span["related_ids"])
            .map(|related| {
                let parts: Vec<&str> = related.splitn(3, '-').collect();
                match parts[..] {
                    [_, relations, row] => {
                        let row = names.of_row(row);
                        (relations.to_owned(), key_of_row.get(&row).cloned().unwrap_or(format!("?{row}")))
                    }
                    _ => ("?".to_owned(), related),
                }
            })
            .collect();
        actual.insert(key, Actual { span, times: 1, parents, related });
    }
    actual
}

/// Stored rows keep their ids; the made-up id of a request span becomes `api:<place in the request>`.
struct RowNames {
    made_up: HashMap<String, String>,
}

impl RowNames {
    fn of(case: &Value, spans: &[Value]) -> Self {
        const TAP_SIDES: [&str; 6] = ["app", "app", "s-app", "c-app", "c-app", "s-app"];
        let stored: HashSet<String> = list(&case["rows"]).iter().map(|row| text(&row["_id"])).collect();
        // as strict as the recorded form: ids by their text, where null is none, and times as numbers
        let identity = |span: &Value, tap_side: String| {
            let ids = ["trace_id", "span_id", "parent_span_id"].map(|field| match &span[field] {
                Value::Null => "None".to_owned(),
                id => text(id),
            });
            (ids, ["start_time_us", "end_time_us"].map(|field| whole(&span[field])), tap_side)
        };
        let mut places: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, span) in list(&case["request"]["APP_SPANS"]).iter().enumerate() {
            let tap_side = TAP_SIDES[span["span_kind"].as_u64().unwrap_or(0) as usize];
            places.entry(identity(span, tap_side.to_owned())).or_default().push(place);
        }
        let mut used: HashMap<_, usize> = HashMap::new();
        let mut made_up = HashMap::new();
        for span in spans {
            let identity = identity(span, text(&span["tap_side"]));
            for row in strings(&span["_ids"]) {
                if stored.contains(&row) || made_up.contains_key(&row) {
                    continue;
                }
                let name = match places.get(&identity) {
                    Some(places) => {
                        let n = used.entry(identity.clone()).or_insert(0);
                        let place = places[(*n).min(places.len() - 1)];
                        *n += 1;
                        format!("api:{place}")
                    }
                    None => format!("unknown:{row}"),
                };
                made_up.insert(row, name);
            }
        }
        RowNames { made_up }
    }

    fn of_row(&self, row: &str) -> String {
        self.made_up.get(row).cloned().unwrap_or_else(|| row.to_owned())
    }
}
