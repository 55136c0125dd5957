//! R-WIN: the seconds in which rows of the trace may end.

use super::question::Window;
use crate::flow::CompletionRequest;

/// Microseconds of a second.
pub(super) const SECOND_US: i64 = 1_000_000;

/// How far a row may end outside the request's spans, in seconds.
const MARGIN_S: i64 = 3;

/// R-WIN-1, R-WIN-2. A span that starts or ends in second 0 counts as not set, as the original has it.
pub(super) fn of_request(request: &CompletionRequest) -> Window {
    let (mut low, mut high) = (0, 0);
    for span in &request.app_spans {
        let start = span.start_time_us.div_euclid(SECOND_US);
        let end = span.end_time_us.div_euclid(SECOND_US);
        if low == 0 || start < low {
            low = start;
        }
        if high == 0 || end > high {
            high = end;
        }
    }
    Window { from_s: low - MARGIN_S, to_s: high + MARGIN_S }
}
