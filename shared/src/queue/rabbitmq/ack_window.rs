//! Acknowledging many deliveries of a channel with few frames.

use std::collections::BTreeSet;

use lapin::types::DeliveryTag;

/// Beyond it there is a delivery that will never be answered on this channel.
const MOST_AHEAD: usize = 100_000;

/// What of a channel is acknowledged. The broker numbers its deliveries 1, 2, 3, …
#[derive(Debug, Default)]
pub(in crate::queue) struct AckWindow {
    /// Everything up to here is.
    floor: DeliveryTag,
    /// And these.
    ahead: BTreeSet<DeliveryTag>,
}

impl AckWindow {
    /// Notes that `tags` are being acknowledged.
    ///
    /// Returns up to where everything is. One frame may then answer for all of `tags` below,
    /// if it names the last of them: the broker does not look for one that it has forgotten.
    ///
    /// Source: <https://www.rabbitmq.com/docs/confirms#consumer-acks-multiple-parameter>
    pub(in crate::queue) fn note(
        &mut self,
        tags: impl IntoIterator<Item = DeliveryTag>,
    ) -> DeliveryTag {
        if self.ahead.len() < MOST_AHEAD {
            self.ahead.extend(tags);
        }
        let mut next = self.floor.saturating_add(1);
        while self.ahead.remove(&next) {
            self.floor = next;
            next = next.saturating_add(1);
        }
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_answered_for_that_is_still_in_hand() {
        let mut acks = AckWindow::default();

        assert_eq!(acks.note([1, 2, 3]), 3);
        assert_eq!(acks.note([6, 5]), 3, "4 is unanswered");
        assert_eq!(acks.note([8]), 3);
        assert_eq!(acks.note([4]), 6);
        assert_eq!(acks.note([7]), 8);
        assert!(acks.ahead.is_empty());
    }
}
