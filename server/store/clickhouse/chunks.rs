//! Long lists, cut into lists that one query can carry.

use crate::search::AssociationKeys;

/// Most bytes of text in one list. Text is bound into the query, whose length is limited.
const TEXT_BYTES: usize = 1 << 20;

/// A part of [`AssociationKeys`].
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct KeyLists<'a> {
    pub(super) req_tcp_seqs: &'a [u32],
    pub(super) resp_tcp_seqs: &'a [u32],
    pub(super) syscall_trace_ids: &'a [u64],
    pub(super) x_request_ids: &'a [String],
    pub(super) dns_request_ids: &'a [u64],
    pub(super) response_flow_ids: &'a [u64],
}

/// Parts of at most `size` keys, none empty.
pub(super) fn key_lists(keys: &AssociationKeys, size: usize) -> Vec<KeyLists<'_>> {
    let AssociationKeys {
        req_tcp_seqs,
        resp_tcp_seqs,
        syscall_trace_ids,
        x_request_ids,
        dns_request_ids,
        response_flow_ids,
    } = keys;
    let mut rest = KeyLists {
        req_tcp_seqs,
        resp_tcp_seqs,
        syscall_trace_ids,
        x_request_ids,
        dns_request_ids,
        response_flow_ids,
    };
    let mut parts = Vec::new();
    loop {
        let mut room = size;
        let part = KeyLists {
            req_tcp_seqs: take(&mut rest.req_tcp_seqs, &mut room),
            resp_tcp_seqs: take(&mut rest.resp_tcp_seqs, &mut room),
            syscall_trace_ids: take(&mut rest.syscall_trace_ids, &mut room),
            x_request_ids: take_texts(&mut rest.x_request_ids, &mut room),
            dns_request_ids: take(&mut rest.dns_request_ids, &mut room),
            response_flow_ids: take(&mut rest.response_flow_ids, &mut room),
        };
        if part == KeyLists::default() {
            return parts;
        }
        parts.push(part);
    }
}

/// Parts of at most `size` texts, none empty.
pub(super) fn text_lists(texts: &[String], size: usize) -> Vec<&[String]> {
    let mut rest = texts;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        parts.push(take_texts(&mut rest, &mut size.max(1)));
    }
    parts
}

fn take<'a, T>(rest: &mut &'a [T], room: &mut usize) -> &'a [T] {
    let (part, left) = rest.split_at(rest.len().min(*room));
    *rest = left;
    *room -= part.len();
    part
}

/// As [`take`], with a limit on bytes. The first text is taken even if it alone is above the limit.
fn take_texts<'a>(rest: &mut &'a [String], room: &mut usize) -> &'a [String] {
    let mut bytes = 0;
    let fitting = rest.iter().take(*room).take_while(|text| {
        let fits = bytes == 0 || bytes + text.len() <= TEXT_BYTES;
        bytes += text.len();
        fits
    });
    let mut count = fitting.count();
    let part = take(rest, &mut count);
    *room -= part.len();
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_key_once() {
        let keys = AssociationKeys {
            req_tcp_seqs: (1..=7).collect(),
            resp_tcp_seqs: vec![8],
            syscall_trace_ids: (9..=12).collect(),
            x_request_ids: ["a", "b", "c"].map(str::to_owned).to_vec(),
            dns_request_ids: vec![13, 14],
            response_flow_ids: vec![15],
        };
        for size in 1..20 {
            let parts = key_lists(&keys, size);
            assert_eq!(parts.len(), keys.len().div_ceil(size), "{size}");
            let joined = AssociationKeys {
                req_tcp_seqs: parts.iter().flat_map(|part| part.req_tcp_seqs).copied().collect(),
                resp_tcp_seqs: parts.iter().flat_map(|part| part.resp_tcp_seqs).copied().collect(),
                syscall_trace_ids: parts.iter().flat_map(|part| part.syscall_trace_ids).copied().collect(),
                x_request_ids: parts.iter().flat_map(|part| part.x_request_ids).cloned().collect(),
                dns_request_ids: parts.iter().flat_map(|part| part.dns_request_ids).copied().collect(),
                response_flow_ids: parts.iter().flat_map(|part| part.response_flow_ids).copied().collect(),
            };
            assert_eq!(joined, keys, "{size}");
        }
        assert!(key_lists(&AssociationKeys::default(), 5).is_empty());
    }

    #[test]
    fn long_texts_make_short_lists() {
        let long = "x".repeat(TEXT_BYTES);
        let texts = [long.clone(), "a".to_owned(), "b".to_owned(), long.clone(), long];
        let lengths: Vec<usize> = text_lists(&texts, 100).iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [1, 2, 1, 1]);
        let texts = vec![String::new(); 5];
        let lengths: Vec<usize> = text_lists(&texts, 2).iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [2, 2, 1]);
    }
}
