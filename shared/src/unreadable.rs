//! JSON that cannot be read: where, and not what stands there, which may be a person's.

use std::fmt;

use serde_json::error::Category;

/// Why JSON is not what it should be, fit for a log.
#[derive(Debug)]
pub enum Unreadable {
    /// It is no JSON, or other JSON than expected.
    At {
        /// In few words.
        what: &'static str,
        /// From 1.
        line: usize,
        /// From 1; 0 if it is before the line.
        column: usize,
    },
    /// It has the form, and something about it is wrong.
    Because(&'static str),
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Data => "not the JSON that was expected",
            Category::Syntax | Category::Io => "no JSON",
            Category::Eof => "JSON that is cut off",
        };
        Self::At {
            what,
            line: error.line(),
            column: error.column(),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { what, line, column } => write!(f, "{what}, line {line} column {column}"),
            Self::Because(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_there_is_not_repeated() {
        for (json, expected) in [
            (
                r#"["Ada Lovelace"]"#,
                "not the JSON that was expected, line 1 column 15",
            ),
            ("[1, Ada", "no JSON, line 1 column 5"),
            ("[1", "JSON that is cut off, line 1 column 2"),
        ] {
            let error = serde_json::from_str::<[u8; 1]>(json).unwrap_err();
            let error = Unreadable::from(error);
            assert_eq!(error.to_string(), expected);
            assert!(!format!("{error:?}").contains("Ada"));
        }
    }
}
