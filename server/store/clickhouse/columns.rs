//! What the queries select and compare, for the columns that this server has.

use std::collections::BTreeMap;

use super::{
    column_names::{
        AGENT, END_TIME, FLOW_ID, ID, L7_PROTOCOL, REQ_TCP_SEQ, REQUEST_ID, RESP_TCP_SEQ, START_TIME,
        SYSCALL_REQUEST, SYSCALL_RESPONSE, TAP_SIDE, TIME, TRACE_ID, TRACE_ID_2, TYPE, X_REQUEST_ID_0,
        X_REQUEST_ID_1,
    },
    dictionary::Dictionary,
    expressions::{Expressions, Selected},
};
use crate::store::error::StoreError;

/// What queries select from a table, and what they compare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    /// Select list of a `KeyRecord`.
    pub(super) key: Vec<Selected>,
    /// Select list of a `FlowRecord`.
    pub(super) flow: Vec<Selected>,
    pub(super) id: String,
    pub(super) time: String,
    /// Order rows with the same `time` and `_id`, which are few, and mostly one row written twice.
    pub(super) ties: Vec<String>,
    /// One or two columns, any of which may hold a trace id.
    pub(super) trace_ids: Vec<String>,
    pub(super) req_tcp_seq: String,
    pub(super) resp_tcp_seq: String,
    pub(super) syscall_ids: Vec<String>,
    /// One or two columns, any of which may hold an X-Request-ID.
    pub(super) x_request_ids: Vec<String>,
    pub(super) l7_protocol: String,
    pub(super) r#type: String,
    pub(super) flow_id: String,
    pub(super) request_id: String,
}

impl Columns {
    /// For a table with the columns `present`, each with its type, and `dictionaries` that answer. Fails
    /// where a column is missing that a search needs.
    pub(super) fn new(
        table: &str,
        present: &BTreeMap<String, String>,
        tag_database: &str,
        dictionaries: &[Dictionary],
    ) -> Result<Self, StoreError> {
        let expressions = Expressions { table, present, tag_database, dictionaries };
        let key = expressions.key()?;
        let flow = expressions.flow(&key);
        let mut trace_ids = vec![expressions.required(TRACE_ID)?];
        trace_ids.extend(expressions.find(TRACE_ID_2));
        let mut x_request_ids =
            vec![expressions.required(X_REQUEST_ID_0)?, expressions.required(X_REQUEST_ID_1)?];
        x_request_ids.dedup();
        Ok(Self {
            key,
            flow,
            id: expressions.required(ID)?,
            time: expressions.required(TIME)?,
            ties: [START_TIME, END_TIME, TAP_SIDE, AGENT, TYPE]
                .into_iter()
                .map(|names| expressions.required(names))
                .collect::<Result<_, _>>()?,
            trace_ids,
            req_tcp_seq: expressions.required(REQ_TCP_SEQ)?,
            resp_tcp_seq: expressions.required(RESP_TCP_SEQ)?,
            syscall_ids: vec![
                expressions.required(SYSCALL_REQUEST)?,
                expressions.required(SYSCALL_RESPONSE)?,
            ],
            x_request_ids,
            l7_protocol: expressions.required(L7_PROTOCOL)?,
            r#type: expressions.required(TYPE)?,
            flow_id: expressions.required(FLOW_ID)?,
            request_id: expressions.required(REQUEST_ID)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::column_names::NEEDED, *};

    fn columns(change: impl Fn(&mut BTreeMap<String, String>)) -> Result<Columns, StoreError> {
        let mut present = NEEDED.iter().map(|name| ((*name).to_owned(), "UInt128".to_owned())).collect();
        change(&mut present);
        Columns::new("flow_log.l7_flow_log", &present, "flow_tag", &Dictionary::ALL)
    }

    fn flow_expression(columns: &Columns, alias: &str) -> String {
        columns.flow.iter().find(|selected| selected.alias == alias).unwrap().expression.clone()
    }

    #[test]
    fn what_a_search_needs_is_required_under_its_newest_name() {
        for name in NEEDED {
            let error = columns(|present| assert!(present.remove(*name).is_some())).unwrap_err();
            assert_eq!(error, StoreError::Schema(format!("column `{name}` of flow_log.l7_flow_log")));
        }
    }

    #[test]
    fn old_names_do_where_the_new_are_missing() {
        let old = columns(|present| {
            for (new, old) in [("agent_id", "vtap_id"), ("observation_point", "tap_side")] {
                present.remove(new);
                present.insert(old.to_owned(), String::new());
            }
            present.remove("x_request_id_0");
            present.remove("x_request_id_1");
            present.insert("x_request_id".to_owned(), String::new());
            present.insert("tap_type".to_owned(), String::new());
        })
        .unwrap();
        assert_eq!(flow_expression(&old, "r_agent"), "CAST(`vtap_id` AS UInt16)");
        assert_eq!(flow_expression(&old, "r_tap_side"), "CAST(`tap_side` AS String)");
        assert_eq!(flow_expression(&old, "r_tap_id"), "CAST(`tap_type` AS UInt8)");
        assert_eq!(old.x_request_ids, ["`x_request_id`"]);
        assert_eq!(old.trace_ids, ["`trace_id`"]);
        assert_eq!(flow_expression(&old, "r_trace_id"), "CAST(`trace_id` AS String)");

        let both = columns(|present| {
            present.insert("vtap_id".to_owned(), String::new());
            present.insert("_trace_id_2".to_owned(), String::new());
            present.insert("biz_protocol".to_owned(), String::new());
            present.insert("l7_protocol_str".to_owned(), String::new());
        })
        .unwrap();
        assert_eq!(flow_expression(&both, "r_agent"), "CAST(`agent_id` AS UInt16)");
        assert_eq!(both.trace_ids, ["`trace_id`", "`_trace_id_2`"]);
        assert_eq!(
            flow_expression(&both, "r_l7_protocol_str"),
            "if(`biz_protocol` != '', `biz_protocol`, `l7_protocol_str`)"
        );
    }

    #[test]
    fn only_a_column_of_another_type_is_cast() {
        for (kind, want) in [
            ("UInt16", "`agent_id`"),
            ("LowCardinality(UInt16)", "`agent_id`"),
            ("UInt32", "CAST(`agent_id` AS UInt16)"),
        ] {
            let columns = columns(|present| {
                present.insert("agent_id".to_owned(), kind.to_owned());
            });
            assert_eq!(flow_expression(&columns.unwrap(), "r_agent"), want);
        }
    }
}
