//! One table of signatures, each judged by us and by async-stripe-webhook.

use stripe_webhook::{Webhook, WebhookError};

use crate::stripe::signature::*;

const SECRET: &str = "whsec_test_secret";
const OLD_SECRET: &str = "old_whsec_test_secret";
const SIGNED_AT: i64 = 1_492_774_577;
const BODY: &str = r#"{"id":"evt_test_webhook","object":"event"}"#;

// Computed by other HMAC tools, not by this code.
const GOOD: &str = "88a022085c6bdb887b02cb26ff76dd681234d9675c0f22844059f55552a8883a";
const GOOD_OLD: &str = "b56643fb0bf7a3d414acf89827b5a415ef3b2ef1f5cd5301c9527867ccbfd163";
const GOOD_EMPTY_BODY: &str = "0b143541b2e58bb8a2681ed7577ec944676988d66733d6a9d9cd6ccce1022353";

/// What async-stripe says. It has one secret and parses the event as well.
fn async_stripe(header: &str, now: i64) -> Result<(), WebhookError> {
    let webhook = Webhook::construct_event_with_timestamp(BODY, header, SECRET, now);
    match webhook {
        // Authentic; our short body is no event that it can type.
        Ok(_) | Err(WebhookError::BadParse(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Judges `header` at `now`, and has async-stripe judge it as well.
fn check(name: &str, header: &str, now: i64, expected: Result<(), SignatureError>) {
    let ours = verify(BODY.as_bytes(), header, [SECRET], now).map(drop);
    assert_eq!(ours, expected, "{name}");
    // We refuse a second time and a flood of signatures, which async-stripe lets pass, and let
    // pass the spaces of proxies, which it refuses.
    if !matches!(
        name,
        "two times" | "1000 bad" | "too long" | "time has a sign" | "a space" | "spaces and a tab"
    ) {
        assert_eq!(
            async_stripe(header, now).is_ok(),
            expected.is_ok(),
            "{name}: async-stripe"
        );
    }
}

#[test]
fn signatures_are_judged_as_stripe_prescribes() {
    use SignatureError::{InvalidHeader, NoValidSignature, TooOld};
    let zeros = "0".repeat(64);
    let upper = GOOD.to_uppercase();
    let t = format!("t={SIGNED_AT}");
    let good = format!("v1={GOOD}");
    let bad = format!("v1={zeros}");
    let many_bad = format!(",{bad}").repeat(15);
    let too_many = format!(",{bad}").repeat(1000);

    let accepted = [
        ("good", format!("{t},{good}")),
        ("upper-case hex", format!("{t},v1={upper}")),
        ("signature first", format!("{good},{t}")),
        ("other schemes too", format!("{t},{good},v0={zeros},v2=x")),
        ("good, then bad", format!("{t},{good},{bad}")),
        ("bad, then good", format!("{t},{bad},{good}")),
        ("15 bad, then good", format!("{t}{many_bad},{good}")),
        ("a space", format!("{t}, {good}")),
        ("spaces and a tab", format!(" {t} ,\t{bad} , {good} ")),
    ];
    let unsigned = [
        ("another time", format!("t={},{good}", SIGNED_AT + 1)),
        ("v0 only", format!("{t},v0={GOOD}")),
        ("no signature", t.clone()),
        ("0 digits", format!("{t},v1=")),
        ("62 digits", format!("{t},v1={}", &GOOD[..62])),
        ("63 digits", format!("{t},v1={}", &GOOD[..63])),
        ("65 digits", format!("{t},{good}0")),
        ("twice as long", format!("{t},{good}{GOOD}")),
        ("not hex", format!("{t},v1={}", "zz".repeat(32))),
        ("a space inside", format!("{t},v1= {GOOD}")),
    ];
    let malformed = [
        ("1000 bad", format!("{t}{too_many},{good}")),
        ("too long", format!("{t},{good},v0={}", "0".repeat(2048))),
        ("empty", String::new()),
        ("no time", good.clone()),
        ("two times", format!("{t},{t},{good}")),
        ("time is a word", format!("t=now,{good}")),
        ("time is negative", format!("t=-1,{good}")),
        ("time has a sign", format!("t=+{SIGNED_AT},{good}")),
        ("time too large", format!("t=99999999999999999999,{good}")),
        ("trailing comma", format!("{t},{good},")),
        ("no pairs", "hello".to_owned()),
    ];
    for (expected, rows) in [
        (Ok(()), accepted.as_slice()),
        (Err(NoValidSignature), unsigned.as_slice()),
        (Err(InvalidHeader), malformed.as_slice()),
    ] {
        for (name, header) in rows {
            check(name, header, SIGNED_AT, expected);
        }
    }

    let (authentic, forged) = (format!("{t},{good}"), format!("{t},{bad}"));
    for (name, header, age, expected) in [
        ("300 s old", &authentic, 300, Ok(())),
        ("301 s old", &authentic, 301, Err(TooOld)),
        ("300 s ahead", &authentic, -300, Ok(())),
        ("301 s ahead", &authentic, -301, Err(TooOld)),
        ("old and forged", &forged, 301, Err(NoValidSignature)),
    ] {
        check(name, header, SIGNED_AT + age, expected);
    }
}

#[test]
fn the_payload_counts_byte_for_byte() {
    let header = format!("t={SIGNED_AT},v1={GOOD}");
    let spaced = r#"{"id": "evt_test_webhook", "object": "event"}"#;
    for payload in [
        b"".as_slice(),
        &BODY.as_bytes()[1..],
        spaced.as_bytes(),
        b"\x1f\x8b\x08",
    ] {
        let outcome = verify(payload, &header, [SECRET], SIGNED_AT);
        assert_eq!(outcome, Err(SignatureError::NoValidSignature));
    }
    let mut one_more = BODY.as_bytes().to_vec();
    one_more.push(b'\n');
    assert!(verify(&one_more, &header, [SECRET], SIGNED_AT).is_err());

    let of_nothing = format!("t={SIGNED_AT},v1={GOOD_EMPTY_BODY}");
    assert!(verify(b"", &of_nothing, [SECRET], SIGNED_AT).is_ok());
}

#[test]
fn no_flipped_bit_of_body_or_signature_passes() {
    let signature = hex::decode(GOOD).unwrap();
    for bit in 0..signature.len() * 8 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let header = format!("t={SIGNED_AT},v1={}", hex::encode(flipped));
        assert!(verify(BODY.as_bytes(), &header, [SECRET], SIGNED_AT).is_err());
    }
    let header = format!("t={SIGNED_AT},v1={GOOD}");
    for bit in 0..BODY.len() * 8 {
        let mut flipped = BODY.as_bytes().to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&flipped, &header, [SECRET], SIGNED_AT).is_err());
    }
}

#[test]
fn while_a_secret_is_rotated_either_one_will_do() {
    let both = format!("t={SIGNED_AT},v1={GOOD_OLD},v1={GOOD}");
    let old_only = format!("t={SIGNED_AT},v1={GOOD_OLD}");
    let with = |secrets: &[&'static str], header: &str| {
        verify(BODY.as_bytes(), header, secrets.iter().copied(), SIGNED_AT)
    };

    let by = |secret| {
        Ok(Signed {
            at: SIGNED_AT,
            secret,
        })
    };
    assert_eq!(with(&[SECRET], &both), by(0));
    assert_eq!(with(&[OLD_SECRET], &both), by(0));
    assert_eq!(with(&[SECRET, OLD_SECRET], &both), by(0));
    assert_eq!(with(&[SECRET, OLD_SECRET], &old_only), by(1));
    assert_eq!(
        with(&[SECRET], &old_only),
        Err(SignatureError::NoValidSignature)
    );
    assert_eq!(with(&[], &both), Err(SignatureError::NoValidSignature));
}
