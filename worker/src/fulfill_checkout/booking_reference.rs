//! What buyer and shop call a booking.

use rand::RngExt;

/// Crockford's base 32: no letter that is mistaken for a digit when read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new reference such as `7K3FQ-2XM9D`: 50 random bits, not a count of our bookings.
pub fn new() -> String {
    let mut rng = rand::rng();
    let mut characters = || -> String {
        (0..5)
            .filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())))
            .map(|it| char::from(*it))
            .collect()
    };
    format!("{}-{}", characters(), characters())
}

#[cfg(test)]
mod tests {
    #[test]
    fn references_are_two_groups_of_five_and_differ() {
        let (one, other) = (super::new(), super::new());

        assert_eq!(one.len(), 11);
        assert_eq!(one.as_bytes()[5], b'-');
        assert_ne!(one, other);
    }
}
