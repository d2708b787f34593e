//! The session that an order of a site takes the place of.

use crate::{hold::Replaced, http::error::FieldError, order::check_replaces};

/// What an `Idempotency-Key` of a site is kept as. No header has a line break, so no buyer can take it away.
pub fn of_the_site(mut key: String) -> String {
    key.insert_str(0, "site\n");
    key
}

/// The same as in an order of the shop's, but for whose keys they are.
pub fn check(
    session_id: Option<&str>,
    key: Option<String>,
    errors: &mut Vec<FieldError>,
) -> Option<Replaced> {
    let replaced = check_replaces(session_id, key, errors)?;
    Some(Replaced {
        key: replaced.key.map(of_the_site),
        ..replaced
    })
}
