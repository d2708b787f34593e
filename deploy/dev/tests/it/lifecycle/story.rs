//! What happened at Stripe to one session, and what must be true here in the end.
//!
//! The expectation is computed from the story alone, by rules written a second time: none of
//! the worker's code is used.

mod at_stripe;

use rand::{RngExt, rngs::StdRng};
use stripe_sim::Verdict;

use super::happened::Truth;

/// End of the buyer's visit to the payment page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    StillOpen,
    Paid,
    Pending,
    DelayedPaid,
    DelayedFailed,
    Expired,
}

#[derive(Debug, Clone)]
pub struct Refund {
    pub amount: i64,
    pub fails: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Dispute {
    pub inquiry: bool,
    pub verdict: Option<Verdict>,
    /// Whether the opposite verdict follows.
    pub overturned: bool,
    /// Amount disputed in the end.
    pub amount: i64,
}

impl Dispute {
    /// Amounts that the bank has taken: for good, and until there is a verdict.
    fn taken(self) -> (i64, i64) {
        match self.end() {
            _ if self.inquiry => (0, 0),
            None => (0, self.amount),
            Some(Verdict::Lost) => (self.amount, 0),
            Some(Verdict::Won) => (0, 0),
        }
    }

    fn end(self) -> Option<Verdict> {
        match self.verdict {
            Some(Verdict::Won) if self.overturned => Some(Verdict::Lost),
            Some(Verdict::Lost) if self.overturned => Some(Verdict::Won),
            other => other,
        }
    }
}

/// Form in which events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Snapshot,
    Thin,
    Mixed,
}

/// One session's story.
#[derive(Debug, Clone)]
pub struct Story {
    pub price: i64,
    /// Amount that the hold expects, which may differ from the price.
    pub held: i64,
    /// Whether our side had freed the seats before the first event arrived.
    pub released: bool,
    pub end: End,
    pub refunds: Vec<Refund>,
    pub dispute: Option<Dispute>,
    /// Whether `charge.refunded` includes its refunds, as it did before 2022-11-15.
    pub old_shape: bool,
    pub style: Style,
}

impl Story {
    pub fn paid(refunds: &[(i64, bool)]) -> Self {
        let refund = |(amount, fails): &(i64, bool)| Refund {
            amount: *amount,
            fails: *fails,
        };
        Self {
            price: 4900,
            held: 4900,
            released: false,
            end: End::Paid,
            refunds: refunds.iter().map(refund).collect(),
            dispute: None,
            old_shape: false,
            style: Style::Snapshot,
        }
    }

    pub fn of(end: End) -> Self {
        Self {
            end,
            ..Self::paid(&[])
        }
    }

    pub fn random(random: &mut StdRng) -> Self {
        let ends = [
            End::StillOpen,
            End::Paid,
            End::Paid,
            End::Paid,
            End::Pending,
            End::DelayedPaid,
            End::DelayedPaid,
            End::DelayedFailed,
            End::Expired,
        ];
        let price = if random.random_bool(0.05) { 0 } else { 4900 };
        let mut story = Self {
            price,
            held: if random.random_bool(0.1) { 5000 } else { price },
            released: random.random_bool(0.15),
            old_shape: random.random_bool(0.5),
            style: [Style::Snapshot, Style::Snapshot, Style::Thin, Style::Mixed]
                [random.random_range(0..4_usize)],
            ..Self::of(ends[random.random_range(0..ends.len())])
        };
        if story.is_paid() && price > 0 {
            let mut left = price;
            while random.random_bool(0.4) && left > 0 && story.refunds.len() < 3 {
                let amount = if random.random_bool(0.4) {
                    left
                } else {
                    random.random_range(1..=left)
                };
                let fails = random.random_bool(0.3);
                left -= if fails { 0 } else { amount };
                story.refunds.push(Refund { amount, fails });
            }
            story.dispute = random.random_bool(0.25).then(|| Dispute {
                inquiry: random.random_bool(0.3),
                verdict: [None, Some(Verdict::Won), Some(Verdict::Lost)]
                    [random.random_range(0..3_usize)],
                overturned: random.random_bool(0.2),
                amount: if random.random_bool(0.5) {
                    price
                } else {
                    random.random_range(1..=price)
                },
            });
        }
        story
    }

    fn is_paid(&self) -> bool {
        matches!(self.end, End::Paid | End::DelayedPaid)
    }

    /// State that must hold once every event has arrived at least once.
    pub fn expected(&self) -> Truth {
        let free = self.price == 0;
        // A free session is complete at once; there is nothing to wait for.
        let paid =
            self.is_paid() || (free && matches!(self.end, End::Pending | End::DelayedFailed));
        let refunded: i64 = self
            .refunds
            .iter()
            .filter(|refund| !refund.fails)
            .map(|refund| refund.amount)
            .sum();
        let state = match self.end {
            _ if paid => "paid",
            _ if self.released => "expired",
            End::StillOpen => "open",
            End::Pending => "payment_pending",
            End::DelayedFailed => "payment_failed",
            _ => "expired",
        };
        let failed = self.refunds.iter().any(|refund| refund.fails);
        let given_up = self.refunds.iter().map(|it| it.amount).sum::<i64>() >= self.price;
        let (lost, contested) = self.dispute.map_or((0, 0), Dispute::taken);
        let given_back = refunded > 0 && refunded == self.price;
        let gone = lost > 0 && refunded + lost >= self.price && given_up;
        let booking = match self.held {
            _ if given_back || gone => "cancelled",
            // A refund failed, and the bank has taken money.
            _ if failed && (lost > 0 || contested > 0) => "needs_attention",
            held if held != self.price => "needs_attention",
            _ => "confirmed",
        };
        let booking = paid.then_some(booking);
        // No other buyer wants the seats here, so a checkout that may have them has them.
        let seat = match booking {
            Some(booking) => booking != "cancelled",
            None => matches!(state, "open" | "payment_pending"),
        };
        Truth {
            state: state.to_owned(),
            booking: booking.map(str::to_owned),
            paid: paid.then_some((self.price, refunded)),
            dispute: self.dispute.filter(|_| paid).map(|dispute| {
                let word = match (dispute.inquiry, dispute.end()) {
                    (true, None) => "warning_needs_response",
                    (true, Some(_)) => "warning_closed",
                    (false, None) => "needs_response",
                    (false, Some(Verdict::Won)) => "won",
                    (false, Some(Verdict::Lost)) => "lost",
                };
                word.to_owned()
            }),
            seat,
        }
    }
}
