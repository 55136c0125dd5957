//! The rows of all queries of one question, put together as one page.

use super::records::Placed;
use crate::store::flow_store::Page;

/// The rows of the queries of one question.
pub(super) struct Collected<T> {
    pub(super) rows: Vec<Placed<T>>,
    pub(super) read_rows: u64,
    pub(super) queries: usize,
    /// Rows of the query that found the most. If it found more than the limit, there are more rows.
    pub(super) longest: usize,
}

impl<T> Default for Collected<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), read_rows: 0, queries: 0, longest: 0 }
    }
}

impl<T> Collected<T> {
    pub(super) fn into_page(mut self, limit_rows: u32) -> Page<T> {
        if self.queries > 1 {
            self.rows.sort_by_key(|placed| (placed.time, placed.id));
        }
        self.rows.dedup_by_key(|placed| placed.id);
        let limit = limit_rows as usize;
        let truncated = self.longest > limit || self.rows.len() > limit;
        self.rows.truncate(limit);
        let rows = self.rows.into_iter().map(|placed| placed.row).collect();
        Page { rows, truncated, read_rows: self.read_rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_several_queries_become_one_ordered_page() {
        let found = |ids: &[u64], longest, queries| Collected {
            rows: ids.iter().map(|&id| Placed { time: 1, id, row: id }).collect(),
            read_rows: 0,
            queries,
            longest,
        };
        let page = found(&[5, 7, 5, 6], 2, 2).into_page(3);
        assert_eq!((page.rows, page.truncated), (vec![5, 6, 7], false));
        let page = found(&[5, 7, 4, 6], 2, 2).into_page(3);
        assert_eq!((page.rows, page.truncated), (vec![4, 5, 6], true));
        // The duplicate counted towards the limit of the query, so a further row may not have been sent.
        let page = found(&[5, 5, 6], 3, 1).into_page(2);
        assert_eq!((page.rows, page.truncated), (vec![5, 6], true));
    }
}
