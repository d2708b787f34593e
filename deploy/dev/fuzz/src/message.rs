use std::{iter, str, sync::LazyLock, time::Duration};

use shared::{
    clock,
    config::{EndpointSecrets, Env},
    message::Envelope,
    stripe::id::Mode,
};

use crate::signature_header::sign;

static SECRETS: LazyLock<EndpointSecrets> = LazyLock::new(|| {
    let env: Env = crate::SHOP.into_iter().collect();
    EndpointSecrets::from_env(&env).expect("secrets")
});

/// A message as a broker hands it out: in lines its type, schema, source, attempt, and `signed` if Stripe signed the
/// body; behind them the body. What it did not sign is no event, and an error fits into a line of a log.
///
/// # Panics
///
/// A promise is broken.
pub fn message(input: &[u8]) {
    let mut parts = input.splitn(6, |it| *it == b'\n');
    let mut text = || {
        parts
            .next()
            .and_then(|it| str::from_utf8(it).ok())
            .map(str::to_owned)
    };
    let (kind, schema, source) = (text(), text(), text());
    let (attempt, is_signed) = (text(), text().as_deref() == Some("signed"));
    let body = parts.next().unwrap_or_default();
    let number = |text: Option<String>| text.and_then(|it| it.parse::<i64>().ok());
    let message = Envelope {
        message_id: Some("evt_1".to_owned()),
        kind,
        schema: number(schema),
        attempt: number(attempt).unwrap_or_default(),
        received_at_ms: Some(i64::MIN),
        source,
        signature: is_signed.then(|| sign(0, body)),
        body: body.to_vec().into(),
        ..Envelope::default()
    };
    assert!(message.age(clock::system()) >= Duration::ZERO);
    message.fingerprint(&[]);
    match worker::read_job(Mode::Test, &SECRETS, &message) {
        Ok(_) => assert!(is_signed || message.kind_word() != "stripe.event"),
        Err(error) => {
            let causes = iter::successors(Some(error.chain()), |it| it.source());
            for cause in causes.map(ToString::to_string) {
                assert!(!cause.contains(char::is_control), "{cause:?}");
            }
        }
    }
}
