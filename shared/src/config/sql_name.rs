//! Names in PostgreSQL that an operator chooses.

use std::{fmt, str::FromStr};

/// PostgreSQL cuts off what is longer.
const LONGEST: usize = 63;

/// The name of a schema or function, as PostgreSQL writes a name that needs no quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlName(String);

impl SqlName {
    /// What can be one.
    pub const EXPECTED: &'static str =
        "a name of a-z, 0-9 and _ that begins with a letter or _, and not with pg_";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SqlName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let begins_well = name.starts_with(|it: char| it.is_ascii_lowercase() || it == '_');
        let is_plain = name
            .chars()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
        let is_theirs = name.starts_with("pg_");
        if begins_well && is_plain && !is_theirs && name.len() <= LONGEST {
            Ok(Self(name.to_owned()))
        } else {
            Err(())
        }
    }
}

/// In the quotes that even a reserved word needs.
impl fmt::Display for SqlName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\"", self.0)
    }
}
