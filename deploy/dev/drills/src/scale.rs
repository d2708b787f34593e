//! How much of a drill: the short one that tests run, or the long one.

/// Length of a drill, and what its buyers and faults are drawn from.
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
