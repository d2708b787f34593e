//! How much of a drill: the short one that tests run, or the long one.

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub long: bool,
    pub seed: u64,
}

impl Scale {
    /// One number for each.
    pub fn of<T>(self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }
}
