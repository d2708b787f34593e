//! What a refused webhook looks like, so that an operator knows where to look.
//!
//! Nothing here is proven: a sender may write anything.

use shared::{
    db::refused_webhook::Cause,
    stripe::{
        event::{EventHeader, SNAPSHOT},
        signature::SignatureError,
    },
};

use crate::http::error::ApiError;

/// What was posted.
#[derive(Debug, Clone, Copy)]
pub struct Posted<'a> {
    pub body: &'a [u8],
    /// From this machine or a private network, and no proxy says for whom.
    pub from_here: bool,
}

/// Which part failed, and what it looks like; `None` if it was not refused, but could not be taken.
///
/// - `livemode`: the mode that we serve.
pub fn why(error: &ApiError, posted: Posted<'_>, livemode: bool) -> Option<(&'static str, Cause)> {
    use SignatureError::{InvalidHeader, NoValidSignature, NotSigned, TooOld};
    Some(match error {
        ApiError::PayloadTooLarge => ("size", Cause::TooLarge),
        ApiError::MalformedEvent(_) => ("body", Cause::NotAnEvent),
        ApiError::Signature(TooOld) => ("timestamp", Cause::Clock),
        ApiError::Signature(NotSigned) => ("no_header", without_signature(posted.body)),
        ApiError::Signature(InvalidHeader) => ("malformed_header", without_signature(posted.body)),
        ApiError::Signature(NoValidSignature) => ("signature", of_no_secret(posted, livemode)),
        _ => return None,
    })
}

fn event(body: &[u8]) -> Option<EventHeader> {
    let event = serde_json::from_slice::<EventHeader>(body).ok();
    event.filter(|it| it.id.starts_with("evt_"))
}

fn without_signature(body: &[u8]) -> Cause {
    event(body).map_or(Cause::NotStripe, |_| Cause::HeaderLost)
}

fn of_no_secret(posted: Posted<'_>, livemode: bool) -> Cause {
    match event(posted.body) {
        None => Cause::BodyChanged,
        Some(event) if is_written_anew(&event, posted.body) => Cause::BodyChanged,
        Some(event) if event.livemode != livemode => Cause::OtherMode,
        Some(event) if posted.from_here && !event.livemode => Cause::StripeCli,
        Some(_) => Cause::OtherSecret,
    }
}

/// Stripe indents snapshot events; what parses and writes JSON rarely does, or adds a line at the end.
fn is_written_anew(event: &EventHeader, body: &[u8]) -> bool {
    let is_compact = event.object == SNAPSHOT && !body.contains(&b'\n');
    is_compact || !body.starts_with(b"{") || !body.ends_with(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_webhook_names_where_to_look() {
        use SignatureError::{InvalidHeader, NoValidSignature, NotSigned, TooOld};
        let event = "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"type\": \"x\"\n}";
        let compact = event.replace("\n ", "").replace('\n', "");
        let line_more = format!("{event}\n");
        let live = event.replace("\"type\"", "\"livemode\": true,\n  \"type\"");
        let thin = compact.replace("\"event\"", "\"v2.core.event\"");
        for (name, error, body, from_here, expected) in [
            ("a scanner", NotSigned, "a=b", false, Cause::NotStripe),
            ("a word", InvalidHeader, "{}", false, Cause::NotStripe),
            ("no header", NotSigned, event, false, Cause::HeaderLost),
            ("cut", InvalidHeader, event, false, Cause::HeaderLost),
            (
                "zipped",
                NoValidSignature,
                "\x1f",
                false,
                Cause::BodyChanged,
            ),
            (
                "parsed",
                NoValidSignature,
                &compact,
                false,
                Cause::BodyChanged,
            ),
            (
                "a line",
                NoValidSignature,
                &line_more,
                false,
                Cause::BodyChanged,
            ),
            ("live", NoValidSignature, &live, false, Cause::OtherMode),
            (
                "a developer",
                NoValidSignature,
                event,
                true,
                Cause::StripeCli,
            ),
            (
                "another",
                NoValidSignature,
                event,
                false,
                Cause::OtherSecret,
            ),
            ("thin", NoValidSignature, &thin, false, Cause::OtherSecret),
            ("late", TooOld, event, false, Cause::Clock),
        ] {
            let body = body.as_bytes();
            let posted = Posted { body, from_here };
            let (_, cause) = why(&ApiError::Signature(error), posted, false).unwrap();
            assert_eq!(cause, expected, "{name}");
        }
    }

    #[test]
    fn what_could_not_be_taken_was_not_refused() {
        let posted = Posted {
            body: b"{}",
            from_here: false,
        };
        assert_eq!(why(&ApiError::TimedOut, posted, false), None);
    }
}
