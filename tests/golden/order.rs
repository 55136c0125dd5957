//! The same rows in any order give the same answer, byte for byte.

use libtest_mimic::Failed;
use serde_json::Value;
use trace_completion::{
    config::{Compatibility, Tracing},
    flow::{FlowRow, KeyRow, RowId, Texts},
    flow_log::MemoryStore,
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};

use crate::{answer_bytes, support::cases};

const SEEDS: std::ops::Range<u64> = 1..4;

/// Tries both modes, with rows that were stored in another order and that the store returns in another order.
pub(crate) fn check(case: &Value) -> Result<(), Failed> {
    for compatibility in [Compatibility::Original, Compatibility::Off] {
        let tracing = Tracing { compatibility, ..cases::tracing(case) };
        let want = answer_bytes(case, &tracing, &MemoryStore::new(cases::rows(case)));
        for seed in SEEDS {
            let mut rows = cases::rows(case);
            shuffle(&mut rows, seed);
            let got = answer_bytes(case, &tracing, &Shuffled { store: MemoryStore::new(rows), seed });
            if got != want {
                return Err(format!("{compatibility:?}, seed {seed}: another answer").into());
            }
        }
    }
    Ok(())
}

/// A store that returns the rows of each page in another order. A store promises which rows it returns, but an
/// answer must not depend on their order.
struct Shuffled {
    store: MemoryStore,
    seed: u64,
}

impl FlowStore for Shuffled {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        let mut page = self.store.search(context, question, texts).await?;
        shuffle(&mut page.rows, self.seed);
        Ok(page)
    }

    async fn fetch(
        &self,
        context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        let mut page = self.store.fetch(context, ids, texts).await?;
        shuffle(&mut page.rows, self.seed);
        Ok(page)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Shuffles as Fisher and Yates do, with the random numbers of SplitMix64.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        items.swap(last, (number % (last as u64 + 1)) as usize);
    }
}
