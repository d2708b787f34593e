//! Links by which a buyer, without an account, proves that a booking is theirs: signed by us, sent by mail.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    config::{ConfigError, Env},
    message::BookingCancel,
};

/// So many cannot be guessed.
const SIGNATURE_BYTES: usize = 16;
const LEAST_CHARS: usize = 32;
const MOST_SECRETS: usize = 4;

/// What links are signed with: one secret, or the new and the old while it is changed.
#[derive(Debug, Clone, Default)]
pub struct LinkSecrets(Vec<SecretString>);

impl LinkSecrets {
    /// Reads `LINK_SECRET`, without which there are no links.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if one is too short to be kept.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "LINK_SECRET";
        let secrets = env.get(VARIABLE).into_iter().flat_map(|it| it.split(','));
        let secrets: Vec<&str> = secrets.map(str::trim).collect();
        // Quotes are no part of it, and another program may take them off.
        let is_secret = |it: &&str| {
            it.len() >= LEAST_CHARS
                && it
                    .chars()
                    .all(|c| c.is_ascii_graphic() && !"\"'`".contains(c))
        };
        if !secrets.iter().all(is_secret) || secrets.len() > MOST_SECRETS {
            let problem = "expected at least 32 characters without spaces and quotes, such as openssl rand -hex 32 \
                           prints; or several, separated by commas, the new one first";
            return Err(ConfigError::new(VARIABLE, problem));
        }
        Ok(Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// What proves that who has it got a mail about the booking, if there are links.
    pub fn token(&self, booking_id: Uuid) -> Option<String> {
        self.sign(&link_of(booking_id))
    }

    /// Whether `token` is one of the booking. Takes the same time whatever is wrong with it.
    pub fn verify(&self, booking_id: Uuid, token: &str) -> bool {
        self.is_signature(&link_of(booking_id), token)
    }

    /// A buyer's wish to cancel, which comes from who has seen a [`token`](Self::token), if there are
    /// links.
    ///
    /// - `refund_amount`: what they were told comes back, in the currency's minor unit.
    pub fn cancellation(&self, booking_id: Uuid, refund_amount: i64) -> Option<BookingCancel> {
        let signature = self.sign(&cancellation_of(booking_id, refund_amount))?;
        Some(BookingCancel {
            booking_id,
            refund_amount,
            signature,
        })
    }

    /// Whether it is a [`cancellation`](Self::cancellation) of ours.
    pub fn verify_cancellation(&self, wish: &BookingCancel) -> bool {
        let text = cancellation_of(wish.booking_id, wish.refund_amount);
        self.is_signature(&text, &wish.signature)
    }

    fn sign(&self, text: &str) -> Option<String> {
        let bytes = mac(self.0.first()?, text)?.finalize().into_bytes();
        bytes.get(..SIGNATURE_BYTES).map(hex::encode)
    }

    fn is_signature(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else {
            return false;
        };
        let is_it = |secret| {
            mac(secret, text).is_some_and(|mac| mac.verify_truncated_left(&signature).is_ok())
        };
        signature.len() == SIGNATURE_BYTES && self.0.iter().any(is_it)
    }
}

fn link_of(booking_id: Uuid) -> String {
    format!("link {booking_id}")
}

fn cancellation_of(booking_id: Uuid, refund_amount: i64) -> String {
    format!("cancel {booking_id} {refund_amount}")
}

fn mac(secret: &SecretString, text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(text: &str) -> LinkSecrets {
        LinkSecrets::from_env(&[("LINK_SECRET", text)].into_iter().collect()).unwrap()
    }

    #[test]
    fn a_token_is_of_one_booking_and_of_a_secret_that_is_known() {
        let (old, new) = ("a".repeat(32), "b".repeat(32));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = secrets(&old).token(one).unwrap();

        assert!(secrets(&old).verify(one, &token));
        assert!(secrets(&format!("{new},{old}")).verify(one, &token));
        assert!(!secrets(&old).verify(other, &token));
        assert!(!secrets(&new).verify(one, &token));
        assert!(!LinkSecrets::default().verify(one, &token));
        for wrong in [
            "",
            "00",
            &token[..30],
            &format!("{token}00"),
            "not hexadecimal",
        ] {
            assert!(!secrets(&old).verify(one, wrong), "{wrong}");
        }
        assert_eq!(LinkSecrets::default().token(one), None);
    }

    #[test]
    fn a_cancellation_is_of_one_booking_and_one_amount() {
        let secrets = secrets(&"a".repeat(32));
        let id = Uuid::from_u128(1);
        let wish = secrets.cancellation(id, 4900).unwrap();

        assert!(secrets.verify_cancellation(&wish));
        let more = BookingCancel {
            refund_amount: 4901,
            ..wish.clone()
        };
        assert!(!secrets.verify_cancellation(&more));
        let by_link = BookingCancel {
            signature: secrets.token(id).unwrap(),
            ..wish.clone()
        };
        assert!(!secrets.verify_cancellation(&by_link));
        let of_another = BookingCancel {
            booking_id: Uuid::from_u128(2),
            ..wish
        };
        assert!(!secrets.verify_cancellation(&of_another));
    }

    #[test]
    fn a_secret_that_is_short_or_in_quotes_is_refused() {
        let quoted = format!("\"{}\"", "a".repeat(40));
        for secret in ["short", &quoted, &"a b".repeat(20)] {
            let env = [("LINK_SECRET", secret)].into_iter().collect();

            let error = LinkSecrets::from_env(&env).unwrap_err();
            assert_eq!(error.variable, "LINK_SECRET", "{secret}");
        }
    }
}
