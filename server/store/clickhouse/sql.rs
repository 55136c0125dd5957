//! The text of each query. Values are bound by the `clickhouse` crate, never written into the text here.

use std::{fmt::Write as _, ops::RangeInclusive};

use clickhouse::{Client, query::Query};

use super::{chunks::KeyLists, columns::Columns, expressions::Selected};
use crate::flow::{L7Protocol, LogType};

/// A query with its values, which any client can send.
#[derive(Clone, Debug)]
pub(super) struct Statement<'a> {
    text: String,
    values: Vec<Value<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Text(&'a str),
    Second(u32),
    Texts(&'a [String]),
    U32s(&'a [u32]),
    U64s(&'a [u64]),
}

impl<'a> Statement<'a> {
    /// A text without values. A question mark in it is doubled.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Names and types of the columns of a table.
    pub(super) fn column_names(database: &'a str, table: &'a str) -> Self {
        let mut statement = Self::plain("SELECT name, type FROM system.columns WHERE database = ");
        statement.value(Value::Text(database)).push(" AND table = ").value(Value::Text(table));
        statement.push(" ORDER BY name LIMIT 10000");
        statement
    }

    /// The first row that carries a trace id.
    pub(super) fn entry(
        table: &str,
        columns: &Columns,
        trace_id: &'a str,
        seconds: &RangeInclusive<u32>,
    ) -> Self {
        let mut statement = Self::select(table, &columns.key, &columns.time, seconds);
        statement.any(&columns.trace_ids, " = ", Value::Text(trace_id));
        statement.order_and_limit(columns, None, 1);
        statement
    }

    /// The rows that carry one of these trace ids: one more than `limit`, which tells that there are more.
    pub(super) fn by_trace_id(
        table: &str,
        columns: &Columns,
        trace_ids: &'a [String],
        seconds: &RangeInclusive<u32>,
        limit: u32,
    ) -> Self {
        let mut statement = Self::select(table, &columns.key, &columns.time, seconds);
        statement.any(&columns.trace_ids, " IN ", Value::Texts(trace_ids));
        statement.order_and_limit(columns, None, u64::from(limit) + 1);
        statement
    }

    /// The rows that carry one of these keys: one more than `limit`, which tells that there are more. An
    /// empty list makes no term: ClickHouse has lost rows of an OR with constant terms.
    pub(super) fn by_association(
        table: &str,
        columns: &Columns,
        keys: &KeyLists<'a>,
        seconds: &RangeInclusive<u32>,
        limit: u32,
    ) -> Self {
        let mut statement = Self::select(table, &columns.key, &columns.time, seconds);
        let mut terms: Vec<(String, Value<'a>)> = Vec::new();
        let mut term = |column: &str, value: Value<'a>, is_empty: bool| {
            if !is_empty {
                terms.push((format!("{column} IN "), value));
            }
        };
        let KeyLists {
            req_tcp_seqs,
            resp_tcp_seqs,
            syscall_trace_ids,
            x_request_ids,
            dns_request_ids,
            response_flow_ids,
        } = *keys;
        term(&columns.req_tcp_seq, Value::U32s(req_tcp_seqs), req_tcp_seqs.is_empty());
        term(&columns.resp_tcp_seq, Value::U32s(resp_tcp_seqs), resp_tcp_seqs.is_empty());
        for column in &columns.syscall_ids {
            term(column, Value::U64s(syscall_trace_ids), syscall_trace_ids.is_empty());
        }
        for column in &columns.x_request_ids {
            term(column, Value::Texts(x_request_ids), x_request_ids.is_empty());
        }
        let dns = format!("{} = {} AND {}", columns.l7_protocol, L7Protocol::DNS, columns.request_id);
        term(&dns, Value::U64s(dns_request_ids), dns_request_ids.is_empty());
        let response = format!("{} = {} AND {}", columns.r#type, LogType::RESPONSE, columns.flow_id);
        term(&response, Value::U64s(response_flow_ids), response_flow_ids.is_empty());

        statement.push(" AND (");
        for (number, (column, value)) in terms.into_iter().enumerate() {
            statement.push(if number > 0 { " OR " } else { "" }).push(&column).value(value);
        }
        statement.push(")");
        statement.order_and_limit(columns, None, u64::from(limit) + 1);
        statement
    }

    /// The rows with these ids, in full, each id once.
    pub(super) fn by_id(
        table: &str,
        columns: &Columns,
        ids: &'a [u64],
        seconds: &RangeInclusive<u32>,
    ) -> Self {
        let mut statement = Self::select(table, &columns.flow, &columns.time, seconds);
        statement.push(" AND ").push(&columns.id).push(" IN ").value(Value::U64s(ids));
        statement.order_and_limit(columns, Some(&columns.id), ids.len() as u64);
        statement
    }

    fn select(table: &str, selected: &[Selected], time: &str, seconds: &RangeInclusive<u32>) -> Self {
        let mut text = String::from("SELECT ");
        for (number, Selected { alias, expression }) in selected.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let _ = write!(text, "{comma}{expression} AS {alias}");
        }
        let _ = write!(text, " FROM {table} WHERE ");
        let mut statement = Self { text, values: Vec::new() };
        // Numbers since the epoch, because the time zone of the column differs between deployments.
        statement.push(time).push(" >= toDateTime(").value(Value::Second(*seconds.start()));
        statement.push(") AND ").push(time).push(" <= toDateTime(").value(Value::Second(*seconds.end()));
        statement.push(")");
        statement
    }

    /// ` AND (a OP ? OR b OP ?)`.
    fn any(&mut self, columns: &[String], operator: &str, value: Value<'a>) {
        self.push(" AND (");
        for (number, column) in columns.iter().enumerate() {
            self.push(if number > 0 { " OR " } else { "" }).push(column).push(operator).value(value);
        }
        self.push(")");
    }

    fn order_and_limit(&mut self, columns: &Columns, once_by: Option<&str>, limit: u64) {
        self.push(" ORDER BY ").push(&columns.time).push(", ").push(&columns.id);
        for tie in &columns.ties {
            self.push(", ").push(tie);
        }
        if let Some(column) = once_by {
            self.push(" LIMIT 1 BY ").push(column);
        }
        let _ = write!(self.text, " LIMIT {limit}");
    }

    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn value(&mut self, value: Value<'a>) -> &mut Self {
        self.text.push('?');
        self.values.push(value);
        self
    }

    /// The query on a client, with its values bound.
    pub(super) fn query(&self, client: &Client) -> Query {
        self.values.iter().fold(client.query(&self.text), |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::Second(second) => query.bind(second),
            Value::Texts(texts) => query.bind(texts),
            Value::U32s(numbers) => query.bind(numbers),
            Value::U64s(numbers) => query.bind(numbers),
        })
    }
}
