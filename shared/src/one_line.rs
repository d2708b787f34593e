//! Texts of others, where one line is one line.

/// `text` in one line: no name adds a line, or anything that is not to be seen, to what it stands in.
pub fn in_one_line(text: &str) -> String {
    let words = text.split(|it: char| it.is_control() || it.is_whitespace());
    let words: Vec<&str> = words.filter(|it| !it.is_empty()).collect();
    words.join(" ")
}
