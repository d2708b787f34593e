//! What applying a catalogue changes.

/// For people to read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// In a line each, in order.
    pub lines: Vec<String>,
    /// Slots of the file that have begun, and are left alone.
    pub begun: usize,
}
