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
        traceparent: Some(trace.to_string()),
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

#[test]
fn a_message_nobody_understands_is_an_error_of_its_own() {
    let good = Envelope::checkout_confirm(&session_id(), NOW, &Traceparent::new());
    let with = |change: fn(&mut Envelope)| {
        let mut envelope = good.clone();
        change(&mut envelope);
        envelope.work().unwrap_err()
    };

    assert!(matches!(
        with(|e| e.schema = Some(2)),
        DecodeError::NewerSchema
    ));
    assert!(matches!(
        with(|e| e.schema = None),
        DecodeError::UnsupportedSchema
    ));
    assert!(matches!(
        with(|e| e.schema = Some(0)),
        DecodeError::UnsupportedSchema
    ));
    assert!(matches!(with(|e| e.kind = None), DecodeError::UnknownType));
    assert!(matches!(
        with(|e| e.kind = Some("x".into())),
        DecodeError::UnknownType
    ));
    assert!(matches!(
        with(|e| e.body = Bytes::new()),
        DecodeError::MalformedBody(_)
    ));
    assert!(matches!(
        with(|e| e.body = r#"{"checkout_session_id":"../refunds"}"#.into()),
        DecodeError::MalformedBody(_)
    ));
}
