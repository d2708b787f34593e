//! One line of the log of a kind, and the next of it ten seconds later: what strangers do a thousand times must
//! not write a thousand lines.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

const PERIOD: Duration = Duration::from_secs(10);

/// Which kinds were written, and when.
#[derive(Default)]
pub struct LogLimit(BTreeMap<&'static str, Written>);

struct Written {
    at: Instant,
    suppressed: u64,
}

impl LogLimit {
    /// Whether a line of this `kind` may be written: then how many were not since the last.
    pub fn admit(&mut self, kind: &'static str, now: Instant) -> Option<u64> {
        let suppressed = match self.0.get_mut(kind) {
            Some(last) if now.duration_since(last.at) < PERIOD => {
                last.suppressed = last.suppressed.saturating_add(1);
                return None;
            }
            Some(last) => last.suppressed,
            None => 0,
        };
        let written = Written {
            at: now,
            suppressed: 0,
        };
        self.0.insert(kind, written);
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_line_says_how_many_were_left_out() {
        let mut limit = LogLimit::default();
        let (first, second) = (Instant::now(), Instant::now() + PERIOD);

        assert_eq!(limit.admit("full", first), Some(0));
        assert_eq!(limit.admit("full", first), None);
        assert_eq!(limit.admit("full", first), None);
        assert_eq!(limit.admit("down", first), Some(0));
        assert_eq!(limit.admit("full", second), Some(2));
        assert_eq!(limit.admit("full", second), None);
    }
}
