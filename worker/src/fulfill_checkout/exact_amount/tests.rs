use rand::{random_bool, random_range};
use serde_json::json;
use shared::{
    checkout_options::{CheckoutOptions, Discount, Switch, TaxBehavior},
    db::checkout::State,
};

use super::*;
use crate::fulfill_checkout::sample::{paid, unpaid};

/// Sessions that are played for each property.
const CASES: usize = 20_000;

/// How a seller prices, told in the seller's words and counted item by item: a second opinion about
/// what Stripe charges, which knows nothing of the one that is tested.
#[derive(Debug, Clone)]
struct Sale {
    /// Price and number of each item.
    items: Vec<(i64, i64)>,
    /// In percent, or so much.
    coupon: Option<Result<i64, i64>>,
    /// In hundredths of a percent, and whether prices are without it.
    tax: Option<(i64, bool)>,
}

/// What a session says of its amounts.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Said {
    subtotal: i64,
    discount: i64,
    tax: i64,
    shipping: i64,
    total: i64,
}

impl Sale {
    fn any() -> Self {
        let items = (0..random_range(1..=20)).map(|_| {
            let price = [0, 1, 99, 4900, random_range(0..=1_000_000)];
            (price[random_range(0..price.len())], random_range(1..=1000))
        });
        let coupon = random_bool(0.5).then(|| {
            if random_bool(0.5) {
                Ok(random_range(1..=100))
            } else {
                Err(random_range(1..=100_000))
            }
        });
        Self {
            items: items.collect(),
            coupon,
            tax: random_bool(0.5).then(|| (random_range(0..=3000), random_bool(0.5))),
        }
    }

    fn subtotal(&self) -> i64 {
        self.items.iter().map(|(price, many)| price * many).sum()
    }

    fn said(&self) -> Said {
        let subtotal = self.subtotal();
        let discount = match self.coupon {
            None => 0,
            Some(Ok(percent)) => rounded(subtotal, percent, 100),
            Some(Err(so_much)) => so_much.min(subtotal),
        };
        let (mut tax, mut total) = (0, 0);
        let (mut before, mut given) = (0, 0);
        for (price, many) in &self.items {
            let of_item = price * many;
            before += of_item;
            // What was taken off up to here, so that rounding leaves nothing over.
            let so_far = rounded(discount, before, subtotal.max(1));
            let rest = of_item - (so_far - given);
            given = so_far;
            let (of_tax, on_top) = match self.tax {
                None => (0, 0),
                Some((rate, true)) => (rounded(rest, rate, 10_000), rounded(rest, rate, 10_000)),
                Some((rate, false)) => (rounded(rest, rate, 10_000 + rate), 0),
            };
            tax += of_tax;
            total += rest + on_top;
        }
        Said {
            subtotal,
            discount,
            tax,
            shipping: 0,
            total,
        }
    }

    fn options(&self) -> CheckoutOptions {
        let coupon = self.coupon.map(|_| Discount::Coupon("SUMMER".to_owned()));
        CheckoutOptions {
            discounts: coupon.into_iter().collect(),
            automatic_tax: self.tax.map(|_| Switch { enabled: true }),
            tax_behavior: self.tax.map(|(_, on_top)| {
                if on_top {
                    TaxBehavior::Exclusive
                } else {
                    TaxBehavior::Inclusive
                }
            }),
            ..CheckoutOptions::default()
        }
    }
}

/// `amount` times `numerator` over `denominator`, half a unit up.
fn rounded(amount: i64, numerator: i64, denominator: i64) -> i64 {
    let (amount, numerator) = (i128::from(amount), i128::from(numerator));
    let denominator = i128::from(denominator);
    let rounded = (2 * amount * numerator + denominator) / (2 * denominator);
    i64::try_from(rounded).unwrap()
}

fn is_exact_for(sold: i64, options: &CheckoutOptions, said: Said) -> bool {
    let mut checkout = unpaid(State::Paid).checkout;
    checkout.amount_minor_units = sold;
    checkout.options = Some(json!(options));
    let mut payment = paid().payment.unwrap();
    payment.amount_minor_units = said.total;
    payment.amount_subtotal_minor_units = Some(said.subtotal);
    payment.amount_discount_minor_units = said.discount;
    payment.amount_tax_minor_units = said.tax;
    payment.amount_shipping_minor_units = said.shipping;
    is_exact(&checkout, &payment)
}

#[test]
fn no_honest_payment_is_a_mismatch() {
    for _ in 0..CASES {
        let sale = Sale::any();
        let said = sale.said();

        assert!(
            is_exact_for(sale.subtotal(), &sale.options(), said),
            "{sale:?} {said:?}"
        );
    }
}

/// One amount is another than it was, or two that hide each other.
#[test]
fn no_tampered_payment_is_exact() {
    for _ in 0..CASES {
        let sale = Sale::any();
        let honest = sale.said();
        let by = [
            1,
            -1,
            random_range(1..=1_000_000),
            -random_range(1..=1_000_000),
        ];
        let by = by[random_range(0..by.len())];
        let on_top = matches!(sale.tax, Some((_, true)));
        let mut said = honest;
        match random_range(0..7) {
            0 => said.total += by,
            1 => said.subtotal += by,
            2 => said.discount += by,
            3 => said.shipping += by,
            // A cheaper order is paid in its place.
            4 => (said.subtotal, said.total) = (said.subtotal + by, said.total + by),
            5 => (said.shipping, said.total) = (said.shipping + by, said.total + by),
            _ if on_top || sale.tax.is_none() => said.tax += by,
            // A part of the price can be no more than the price.
            _ => said.tax = honest.total + by.abs(),
        }

        assert!(
            !is_exact_for(sale.subtotal(), &sale.options(), said),
            "{sale:?} {said:?}"
        );
    }
}

/// What Stripe could add up so, but this hold did not allow.
#[test]
fn what_was_not_allowed_is_not_exact() {
    for _ in 0..CASES {
        let sale = Sale::any();
        let said = sale.said();
        let allowed = sale.options();
        let no_discount = CheckoutOptions {
            discounts: Vec::new(),
            ..allowed.clone()
        };
        let no_tax = CheckoutOptions {
            automatic_tax: None,
            ..allowed.clone()
        };
        let other_tax = CheckoutOptions {
            tax_behavior: allowed.tax_behavior.map(|it| match it {
                TaxBehavior::Exclusive => TaxBehavior::Inclusive,
                TaxBehavior::Inclusive => TaxBehavior::Exclusive,
            }),
            ..allowed.clone()
        };

        for (options, expected) in [
            (no_discount, said.discount == 0),
            (no_tax, said.tax == 0),
            (other_tax, said.tax == 0),
        ] {
            let exact = is_exact_for(sale.subtotal(), &options, said);
            assert_eq!(exact, expected, "{options:?} {sale:?} {said:?}");
        }
    }
}

/// Which coupon it was, the session does not say: less is less.
#[test]
fn a_larger_discount_is_stripes_to_give() {
    let options = CheckoutOptions {
        allow_promotion_codes: Some(true),
        ..CheckoutOptions::default()
    };
    let said = |discount| Said {
        subtotal: 5000,
        discount,
        tax: 0,
        shipping: 0,
        total: 5000 - discount,
    };

    for discount in [0, 1, 4999, 5000] {
        assert!(is_exact_for(5000, &options, said(discount)), "{discount}");
    }
    for discount in [-1, 5001] {
        assert!(!is_exact_for(5000, &options, said(discount)), "{discount}");
    }
}

#[test]
fn options_that_a_later_release_adds_do_no_harm() {
    let mut checkout = unpaid(State::Paid).checkout;
    checkout.options = Some(json!({ "shipping_options": [1], "discounts": {}, "locale": 7 }));

    assert!(is_exact(&checkout, &paid().payment.unwrap()));
}

#[test]
fn what_an_earlier_release_wrote_is_exact_if_it_was() {
    let checkout = unpaid(State::Paid).checkout;
    let mut payment = paid().payment.unwrap();
    payment.amount_subtotal_minor_units = None;

    assert!(is_exact(&checkout, &payment));
    payment.amount_minor_units -= 1;
    assert!(!is_exact(&checkout, &payment));
}
