//! Metadata of a Checkout Session: the site's own, and ours beside it.
//!
//! Source: <https://docs.stripe.com/api/metadata>

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

/// Key of the hold's id.
pub const CHECKOUT_ID: &str = "checkout_id";
const SLOT_ID: &str = "slot_id";
const QUANTITY: &str = "quantity";
/// Keys that are ours.
pub const RESERVED: [&str; 3] = [CHECKOUT_ID, SLOT_ID, QUANTITY];
/// Keys that a site may give: Stripe takes 50, with ours.
pub const MOST_KEYS: usize = 47;
/// Characters of a key.
pub const LONGEST_KEY: usize = 40;
/// Characters of a value.
pub const LONGEST_VALUE: usize = 500;

/// Why Stripe, or one of our databases, would not take a site's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataError {
    /// More than [`MOST_KEYS`].
    TooManyKeys,
    /// One of [`RESERVED`].
    Reserved,
    /// Empty, longer than [`LONGEST_KEY`], with brackets or a control character.
    Key,
    /// Empty, which means none at Stripe, longer than [`LONGEST_VALUE`], or with U+0000.
    Value,
}

impl MetadataError {
    /// What to do about it, in words for the site's engineer.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooManyKeys => "Use at most 47 keys.",
            Self::Reserved => "checkout_id, slot_id and quantity are ours: use other keys.",
            Self::Key => "Use keys of 1 to 40 characters, without brackets and control characters.",
            Self::Value => "Use values of 1 to 500 characters.",
        }
    }
}

/// Checks what a site gives.
///
/// # Errors
///
/// [`MetadataError`] of the first entry that is wrong.
pub fn check(metadata: &BTreeMap<String, String>) -> Result<(), MetadataError> {
    if metadata.len() > MOST_KEYS {
        return Err(MetadataError::TooManyKeys);
    }
    for (key, value) in metadata {
        if RESERVED.contains(&key.as_str()) {
            return Err(MetadataError::Reserved);
        }
        let spoils = |it: char| it.is_control() || matches!(it, '[' | ']');
        if !(1..=LONGEST_KEY).contains(&key.chars().count()) || key.contains(spoils) {
            return Err(MetadataError::Key);
        }
        if !(1..=LONGEST_VALUE).contains(&value.chars().count()) || value.contains('\0') {
            return Err(MetadataError::Value);
        }
    }
    Ok(())
}

/// What a session and its PaymentIntent say: `of_the_site`, and what leads back to the hold.
pub(crate) fn of_hold(
    of_the_site: &BTreeMap<String, String>,
    checkout_id: Uuid,
    slot_id: Uuid,
    quantity: u32,
) -> HashMap<String, String> {
    let site = of_the_site.iter();
    let mut all: HashMap<_, _> = site
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    all.extend([
        (CHECKOUT_ID.to_owned(), checkout_id.to_string()),
        (SLOT_ID.to_owned(), slot_id.to_string()),
        (QUANTITY.to_owned(), quantity.to_string()),
    ]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn what_stripe_takes_is_taken() {
        let many = (0..MOST_KEYS).map(|it| (format!("key {it}"), "1".to_owned()));
        assert_eq!(check(&many.collect()), Ok(()));
        for (key, value) in [
            ("user_id", "42"),
            ("Größe", "eins\nzwei 😀"),
            (&"k".repeat(40), &"ü".repeat(500)),
        ] {
            assert_eq!(check(&one(key, value)), Ok(()), "{key}");
        }
    }

    #[test]
    fn the_rest_is_refused() {
        let many = (0..=MOST_KEYS).map(|it| (it.to_string(), "1".to_owned()));
        assert_eq!(check(&many.collect()), Err(MetadataError::TooManyKeys));
        for (key, value, expected) in [
            ("checkout_id", "1", MetadataError::Reserved),
            ("slot_id", "1", MetadataError::Reserved),
            ("quantity", "1", MetadataError::Reserved),
            ("", "1", MetadataError::Key),
            ("a[b]", "1", MetadataError::Key),
            ("a\nb", "1", MetadataError::Key),
            (&"k".repeat(41), "1", MetadataError::Key),
            ("a", "", MetadataError::Value),
            ("a", "\0", MetadataError::Value),
            ("a", &"v".repeat(501), MetadataError::Value),
        ] {
            assert_eq!(check(&one(key, value)), Err(expected), "{key}");
        }
    }
}
