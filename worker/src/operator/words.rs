//! Numbers and times as operators read them, the same in every command.

use shared::{
    money::{self, Marks},
    stripe::checkout_session::TotalDetails,
};
use time::{
    OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description,
};

/// What an operator named is not here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotFound(pub String);

/// How wide a terminal may be taken to be.
pub const WIDTH: usize = 80;

/// A number of things: `1 dead letter`, `2 dead letters`.
pub fn counted(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or_default();
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A moment in UTC, to the second.
pub fn moment(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    time.to_offset(UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

/// A moment for programs.
pub fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// `text` in lines of at most [`WIDTH`] characters, but for words that are longer.
///
/// - `indent`: columns that are free before each line but the first.
pub fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut used: usize = 0;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        let end = used.saturating_add(length).saturating_add(1);
        if index > 0 && end > WIDTH && !word.is_empty() {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if index > 0 {
            out.push(' ');
            used = used.saturating_add(1);
        }
        out.push_str(word);
        used = used.saturating_add(length);
    }
    out
}

/// A command line that can be typed, with `words` quoted where a shell needs it.
pub fn typed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_.,:/@%+=".contains(it);
    let quoted = words.into_iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// An amount as people write it.
pub fn written(minor_units: i64, currency: &str) -> String {
    money::written(minor_units, currency, Marks::ENGLISH)
}

/// What was paid, and what it is made of if that is not just the subtotal.
pub fn money((subtotal, total): (i64, i64), details: TotalDetails, currency: &str) -> String {
    let parts = [
        ("discount", details.amount_discount),
        ("tax", details.amount_tax),
        ("shipping", details.amount_shipping),
    ];
    let written = |amount| written(amount, currency);
    let mut made_of = vec![format!("subtotal {}", written(subtotal))];
    for (name, amount) in parts.into_iter().filter(|(_, amount)| *amount != 0) {
        made_of.push(format!("{name} {}", written(amount)));
    }
    if made_of.len() == 1 && subtotal == total {
        return written(total);
    }
    format!("{} ({})", written(total), made_of.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_more_are_more() {
        assert_eq!(counted(1, "seat"), "1 seat");
        assert_eq!(counted(0, "seat"), "0 seats");
        assert_eq!(counted(2, "dead letter"), "2 dead letters");
    }

    #[test]
    fn a_shell_reads_each_word_as_it_is() {
        let words = ["worker", "--why", "it's $HOME; `ls`", "", "a@b.c", "ü"];

        assert_eq!(
            typed(words),
            r"worker --why 'it'\''s $HOME; `ls`' '' a@b.c 'ü'"
        );
    }

    #[test]
    fn a_moment_is_told_in_utc() {
        let moment_ = time::macros::datetime!(2027-05-01 12:00:00.5 +2);

        assert_eq!(moment(moment_), "2027-05-01 10:00:00Z");
    }

    #[test]
    fn long_text_goes_on_below_its_beginning() {
        let text = format!("{}{}", "name      ", "word ".repeat(30));

        let lines = wrapped(text.trim_end(), 10);

        assert!(lines.lines().all(|line| line.len() <= WIDTH), "{lines}");
        assert!(
            lines
                .lines()
                .skip(1)
                .all(|line| line.starts_with("          word"))
        );
        assert_eq!(lines.matches("word").count(), 30);
    }
}
