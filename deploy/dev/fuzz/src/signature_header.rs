use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared::stripe::signature;

const SECRET: &str = "whsec_1234567890";
const NOW: i64 = 1_735_689_600;

/// A `Stripe-Signature`, and behind a line break the body. One that passes has the hash of that body in it, and a time
/// that is near.
///
/// # Panics
///
/// A promise is broken.
pub fn signature_header(input: &[u8]) {
    let mut parts = input.splitn(2, |it| *it == b'\n');
    let header = parts.next().and_then(|it| std::str::from_utf8(it).ok());
    let body = parts.next().unwrap_or_default();
    let header = header.unwrap_or_default();
    if let Ok(signed) = signature::verify(body, header, [SECRET], NOW) {
        assert!(signed.at.abs_diff(NOW) <= 300, "{header}");
        assert!(
            header.to_lowercase().contains(&hash(signed.at, body)),
            "{header}"
        );
    }
    let claimed = signature::claimed_time(header);
    // One of ours passes, whatever the body, and not for another body.
    let at = claimed.filter(|it| it.abs_diff(NOW) <= 300).unwrap_or(NOW);
    let ours = sign(at, body);
    assert!(
        signature::verify(body, &ours, [SECRET], NOW).is_ok(),
        "{ours}"
    );
    let longer = [body, b"."].concat();
    assert!(
        signature::verify(&longer, &ours, [SECRET], NOW).is_err(),
        "{ours}"
    );
}

/// The header that proves a body.
pub fn sign(at: i64, body: &[u8]) -> String {
    format!("t={at},v1={}", hash(at, body))
}

/// As Stripe's documentation says.
fn hash(at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(at.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
