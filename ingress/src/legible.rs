//! Whether a text from outside can be read, and stands in one line.

/// Whether a person could read it: it has a letter or digit that is seen.
pub fn is_legible(name: &str) -> bool {
    // Letters by Unicode's reckoning, and blank.
    const FILLERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];
    name.chars()
        .any(|it| it.is_alphanumeric() && !FILLERS.contains(&it))
}

/// Control characters, and those that turn the direction of what stands around them.
pub fn spoils_a_line(it: char) -> bool {
    it.is_control() || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_read() {
        for good in ["Ada", "李", "O'Brien-Ñandú", "नमस्ते", "7"] {
            assert!(is_legible(good), "{good}");
        }
        for blank in [
            "",
            " ",
            "\u{200b}",
            "\u{202e}\u{feff}",
            "\u{3164}",
            "—",
            "\u{ad}",
        ] {
            assert!(!is_legible(blank), "{blank:?}");
        }
        assert!("Ada\u{202e}".chars().any(spoils_a_line));
        assert!(!"Ada 李".chars().any(spoils_a_line));
    }
}
