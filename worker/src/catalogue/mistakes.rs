//! The mistakes of a file, gathered field by field.

use crate::catalogue::Problem;

const LONGEST_NAME: usize = 200;
const LONGEST_TEXT: usize = 5000;

/// Where something is wrong.
pub struct At<'a> {
    /// As problems name it.
    pub place: String,
    /// Of the whole file.
    pub problems: &'a mut Vec<Problem>,
}

impl At<'_> {
    /// Notes a problem with `field`.
    pub fn wrong(&mut self, field: &'static str, problem: impl Into<String>) {
        self.problems.push(Problem {
            place: self.place.clone(),
            field: Some(field),
            words: problem.into(),
        });
    }

    /// A number in a range, if there is one.
    pub fn number(&mut self, field: &'static str, value: Option<i64>, most: i64) -> Option<i32> {
        let value = value?;
        if !(0..=most).contains(&value) {
            self.wrong(field, format!("expected 0 to {most}"));
        }
        i32::try_from(value).ok()
    }

    /// A text of one line, or of several.
    pub fn text(
        &mut self,
        field: &'static str,
        text: Option<String>,
        lines: bool,
    ) -> Option<String> {
        let text = text?.trim().to_owned();
        let most = if lines { LONGEST_TEXT } else { LONGEST_NAME };
        let spoils = |it: char| it.is_control() && !(lines && it == '\n');
        if text.chars().count() > most || text.chars().any(spoils) {
            let kind = if lines { "of text" } else { "in one line" };
            self.wrong(field, format!("expected at most {most} characters {kind}"));
        }
        (!text.is_empty()).then_some(text)
    }
}
