//! How far long work has come, if a person watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// A line on standard error, where that is a terminal. It is gone when this is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// Of work whose end is not known.
    pub fn looking() -> Self {
        Self::new(ProgressBar::new_spinner(), "{spinner} {elapsed} {wide_msg}")
    }

    /// Of work on so many things.
    pub fn of(number: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(number).unwrap_or(u64::MAX));
        Self::new(bar, "{spinner} {wide_bar} {pos} of {len}, {eta} left")
    }

    fn new(bar: ProgressBar, template: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// What was looked at so far.
    pub fn say(&self, text: impl Into<String>) {
        self.0.set_message(text.into());
    }

    /// How many are done.
    pub fn done(&self, number: usize) {
        self.0
            .set_position(u64::try_from(number).unwrap_or(u64::MAX));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
