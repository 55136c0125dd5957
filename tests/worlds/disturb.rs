//! What goes wrong between the world and the flow log.

use std::collections::BTreeSet;

use serde_json::Value;
use trace_completion::flow_log::StoredRow;

use super::{Source, World, random::Random};

/// Loses, blurs and mixes up rows. The true tree is not known afterwards.
pub fn disturb(world: &mut World, random: &mut Random) {
    lose(world, random.pick(&[0, 0, 10, 40]), random);
    if random.chance(30) {
        blur(world, random.pick(&[10, 1_000, 20_000]));
    }
    if random.chance(30) {
        reuse_keys(world, random);
    }
    let percent = random.pick(&[0, 2, 10, 25]);
    if percent > 0 {
        confuse(world, percent, random);
    }
    world.truth.clear();
}

fn lose(world: &mut World, percent: u64, random: &mut Random) {
    world.rows.retain(|_| !random.chance(percent));
    let left: BTreeSet<u64> = world.rows.iter().map(|row| row._id).collect();
    for span in &mut world.truth {
        span.sources.retain(|source| match source {
            Source::Row(id) => left.contains(id),
            Source::Request(_) => true,
        });
    }
    world.truth = super::calls::without_unseen(std::mem::take(&mut world.truth));
}

/// Makes the clocks coarse, so that many times are equal.
fn blur(world: &mut World, grain_us: i64) {
    for row in &mut world.rows {
        row.start_time -= row.start_time % grain_us;
        row.end_time -= row.end_time % grain_us;
        row.response_duration = (row.end_time - row.start_time).max(0) as u64;
    }
    for span in &mut world.request.app_spans {
        span.start_time_us -= span.start_time_us % grain_us;
        span.end_time_us -= span.end_time_us % grain_us;
    }
}

/// A few keys turn up in rows that have nothing to do with one another.
fn reuse_keys(world: &mut World, random: &mut Random) {
    let keys = [random.next() >> 40 | 1, random.next() >> 40 | 1];
    for row in &mut world.rows {
        if random.chance(30) {
            match random.below(6) {
                0 if row.protocol == 6 => row.req_tcp_seq = random.pick(&keys) as u32,
                1 if row.protocol == 6 => row.resp_tcp_seq = random.pick(&keys) as u32,
                2 => row.syscall_trace_id_request = random.pick(&keys),
                3 => row.syscall_trace_id_response = random.pick(&keys),
                4 => row.span_id = format!("{:016x}", random.pick(&keys)),
                _ => row.x_request_id_1 = format!("{:016x}", random.pick(&keys)),
            }
        }
    }
}

/// Values move from one row to another, or vanish.
fn confuse(world: &mut World, percent: u64, random: &mut Random) {
    let donors: Vec<Value> = world.rows.iter().map(|row| serde_json::to_value(row).unwrap()).collect();
    let nothing = serde_json::to_value(StoredRow::default()).unwrap();
    for row in &mut world.rows {
        if !random.chance(percent) {
            continue;
        }
        let mut changed = serde_json::to_value(&*row).unwrap();
        let names: Vec<String> = changed.as_object().unwrap().keys().cloned().collect();
        for _ in 0..random.range(1, 6) {
            let name = random.pick(&names);
            if name == "_id" || name == "time" {
                continue;
            }
            let donor = if random.chance(30) { &nothing } else { &donors[random.below(donors.len())] };
            changed[&name] = donor[&name].clone();
        }
        *row = serde_json::from_value(changed).unwrap();
    }
}
