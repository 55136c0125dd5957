//! Makes a failing world small: drops rows, spans and values while it still fails.

use serde_json::Value;
use trace_completion::flow_log::StoredRow;

use super::{World, request_span_name};

/// The smallest world found that still `fails`.
pub fn shrink(mut world: World, fails: impl Fn(&World) -> bool) -> World {
    loop {
        let before = (world.rows.len(), world.request.app_spans.len());
        for row in (0..world.rows.len()).rev() {
            let mut smaller = world.clone();
            smaller.rows.remove(row);
            if fails(&smaller) {
                world = smaller;
            }
        }
        for span in (0..world.request.app_spans.len()).rev() {
            if world.request.app_spans.len() == 1 {
                break;
            }
            let mut smaller = world.clone();
            smaller.request.app_spans.remove(span);
            for (position, span) in smaller.request.app_spans.iter_mut().enumerate() {
                span.name = request_span_name(position);
            }
            if fails(&smaller) {
                world = smaller;
            }
        }
        if before == (world.rows.len(), world.request.app_spans.len()) {
            break;
        }
    }
    for row in 0..world.rows.len() {
        let fields = serde_json::to_value(&world.rows[row]).unwrap();
        for field in
            fields.as_object().unwrap().keys().filter(|field| !["_id", "time"].contains(&field.as_str()))
        {
            let mut fewer = serde_json::to_value(&world.rows[row]).unwrap();
            if fewer[field] == Value::Null || fewer.as_object_mut().unwrap().remove(field).is_none() {
                continue;
            }
            let mut smaller = world.clone();
            let fewer: Result<StoredRow, _> = serde_json::from_value(fewer);
            smaller.rows[row] = fewer.unwrap();
            if smaller.rows[row] != world.rows[row] && fails(&smaller) {
                world = smaller;
            }
        }
    }
    world
}
