//! Why a notification did not arrive.

/// A failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// In a few words, without what it was about.
    pub words: String,
    /// What can be done about it.
    pub next: Remedy,
}

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Try again.
    Later,
    /// This one will not be taken.
    GiveUp,
    /// The destination wants nothing more.
    SwitchOff,
}

impl Failure {
    /// One that may pass.
    pub fn later(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            next: Remedy::Later,
        }
    }

    /// One that would be the same again.
    pub fn for_good(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            next: Remedy::GiveUp,
        }
    }
}
