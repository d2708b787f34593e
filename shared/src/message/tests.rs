use uuid::Uuid;

use crate::message::*;

const NOW: OffsetDateTime = time::macros::datetime!(2025-01-01 00:00:00.5 UTC);

fn session_id() -> CheckoutSessionId {
    "cs_test_a1B2c3D4e5".parse().unwrap()
}

#[test]
fn the_wire_format_of_a_confirm_job_is_fixed() {
    let trace = Traceparent::new();

    let envelope = Envelope::checkout_confirm(&session_id(), NOW, &trace);

    let expected = Envelope {
        message_id: Some("confirm:cs_test_a1B2c3D4e5".into()),
        kind: Some("checkout.confirm".into()),
        schema: Some(1),
        attempt: 0,
        received_at_ms: Some(1_735_689_600_500),
        source: Some("confirm".into()),
        last_error: None,
        last_error_detail: None,
        traceparent: Some(trace.as_str().into()),
        signature: None,
        body: Bytes::from_static(br#"{"checkout_session_id":"cs_test_a1B2c3D4e5"}"#),
    };
    assert_eq!(envelope, expected);
    assert_eq!(
        envelope.work().unwrap(),
        Work::CheckoutConfirm(session_id())
    );
}

#[test]
fn the_wire_format_of_a_cancellation_is_fixed() {
    let wish = BookingCancel {
        booking_id: Uuid::nil(),
        refund_amount: 4900,
        signature: "00ff".into(),
    };

    let envelope = Envelope::booking_cancel(&wish, NOW, &Traceparent::new());

    let body = r#"{"booking_id":"00000000-0000-0000-0000-000000000000","refund_amount":4900,"signature":"00ff"}"#;
    assert_eq!(envelope.body, body);
    assert_eq!(envelope.kind.as_deref(), Some("booking.cancel"));
    assert_eq!(envelope.source.as_deref(), Some("buyer"));
    let id = "cancel:00000000-0000-0000-0000-000000000000";
    assert_eq!(envelope.message_id.as_deref(), Some(id));
    assert_eq!(envelope.work().unwrap(), Work::BookingCancel(wish));
}

#[test]
fn an_event_travels_byte_for_byte() {
    let body = Bytes::from_static(b"{\n  \"id\": \"evt_1\" }\n");

    let envelope =
        Envelope::stripe_event("evt_1", body.clone(), "t=1,v1=2", NOW, &Traceparent::new());

    assert_eq!(envelope.message_id.as_deref(), Some("evt_1"));
    assert_eq!(envelope.kind.as_deref(), Some("stripe.event"));
    assert_eq!(envelope.source.as_deref(), Some("webhook"));
    assert_eq!(envelope.signature.as_deref(), Some("t=1,v1=2"));
    assert_eq!(envelope.work().unwrap(), Work::StripeEvent(body));
}

type Change = fn(&mut Envelope);

#[test]
fn a_message_nobody_understands_is_an_error_of_its_own() {
    let good = Envelope::checkout_confirm(&session_id(), NOW, &Traceparent::new());
    let cases: [(Change, &str); 7] = [
        (|it| it.schema = Some(2), "NewerSchema"),
        (|it| it.schema = None, "UnsupportedSchema"),
        (|it| it.schema = Some(0), "UnsupportedSchema"),
        (|it| it.kind = None, "UnknownType"),
        (|it| it.kind = Some("x".into()), "UnknownType"),
        (|it| it.body = Bytes::new(), "MalformedBody"),
        (
            |it| it.body = r#"{"checkout_session_id":"../refunds"}"#.into(),
            "MalformedBody",
        ),
    ];

    for (change, expected) in cases {
        let mut envelope = good.clone();
        change(&mut envelope);

        let error = format!("{:?}", envelope.work().unwrap_err());
        assert!(error.starts_with(expected), "{error}");
    }
}
