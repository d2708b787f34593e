//! A colour as style sheets write it.

use std::fmt;

use serde::{Serialize, Serializer};

/// `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// Red, green and blue.
    pub rgb: [u8; 3],
}

impl Colour {
    /// `text`, if it is a `#` and six hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rgb = [0; 3];
        hex::decode_to_slice(text.strip_prefix('#')?, &mut rgb).ok()?;
        Some(Self { rgb })
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", hex::encode(self.rgb))
    }
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
