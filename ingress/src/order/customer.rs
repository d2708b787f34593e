//! Who books, and the check of name and address.

use serde::Deserialize;
use shared::email::is_email;
use utoipa::ToSchema;

use crate::{
    http::error::FieldError,
    legible::{is_legible, spoils_a_line},
};

const MAX_NAME_CHARS: usize = 200;

/// Who books.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// One line with a letter or digit that can be read.
    #[schema(required, value_type = String, example = "Ada Lovelace", min_length = 1, max_length = 200)]
    name: Option<String>,
    /// In ASCII, as Stripe takes it.
    #[schema(required, value_type = String, example = "ada@example.com", format = "email", max_length = 254)]
    email: Option<String>,
}

impl Customer {
    /// Name and e-mail address, without the space around them. What is wrong with them goes to
    /// `errors`.
    pub fn check(self, errors: &mut Vec<FieldError>) -> (String, String) {
        let mut wrong = |field, message| errors.push(FieldError::new(field, message));
        let name = self.name.unwrap_or_default().trim().to_owned();
        if !is_legible(&name) {
            wrong("customer.name", "Tell us your name.");
        } else if name.chars().count() > MAX_NAME_CHARS || name.chars().any(spoils_a_line) {
            wrong("customer.name", "Use at most 200 characters, in one line.");
        }
        let email = self.email.unwrap_or_default().trim().to_owned();
        if email.is_empty() {
            wrong("customer.email", "Tell us your e-mail address.");
        } else if !email.is_ascii() {
            wrong(
                "customer.email",
                "Use an e-mail address without accents or other special letters.",
            );
        } else if !is_email(&email) {
            wrong(
                "customer.email",
                "This does not look like an e-mail address.",
            );
        }
        (name, email)
    }
}
