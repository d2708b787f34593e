//! The W3C trace context that travels from a request through the queue to the worker.
//!
//! Source: <https://www.w3.org/TR/trace-context/#traceparent-header>

/// The flag of a trace that is sent.
const SAMPLED: u8 = 1;

/// One `traceparent`: the same trace id stands in the logs of ingress and of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traceparent(String);

impl Traceparent {
    /// Starts a new trace, for the logs: no span of it is sent anywhere.
    pub fn new() -> Self {
        // Zero is the one id the format forbids.
        let trace_id = rand::random::<u128>().max(1);
        let parent_id = rand::random::<u64>().max(1);
        Self(format!("00-{trace_id:032x}-{parent_id:016x}-00"))
    }

    /// The `text`, if it is a `traceparent` of version 00.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let mut hex_field = |length: usize| {
            fields.next().is_some_and(|field| {
                field.len() == length
                    && field
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                    && (length == 2 || field.bytes().any(|byte| byte != b'0'))
            })
        };
        let well_formed = hex_field(2) && hex_field(32) && hex_field(16) && hex_field(2);
        let is_valid = well_formed && fields.next().is_none() && text.starts_with("00-");
        is_valid.then(|| Self(text.to_owned()))
    }

    /// One of such ids; `None` if one is zero, which the format forbids.
    pub fn of(trace_id: u128, parent_id: u64, is_sampled: bool) -> Option<Self> {
        let flags = u8::from(is_sampled);
        Self::parse(&format!("00-{trace_id:032x}-{parent_id:016x}-{flags:02x}"))
    }

    /// Trace id, parent id and flags.
    pub fn parts(&self) -> (u128, u64, u8) {
        let mut fields = self.0.split('-').skip(1);
        let mut hex = || fields.next().unwrap_or_default();
        let trace_id = u128::from_str_radix(hex(), 16).unwrap_or_default();
        let parent_id = u64::from_str_radix(hex(), 16).unwrap_or_default();
        let flags = u8::from_str_radix(hex(), 16).unwrap_or_default();
        (trace_id, parent_id, flags)
    }

    /// Whether spans of it are sent.
    pub fn is_sampled(&self) -> bool {
        self.parts().2 & SAMPLED != 0
    }

    /// The same trace, of which nothing more is sent.
    #[must_use]
    pub fn unsampled(self) -> Self {
        let (trace_id, parent_id, _) = self.parts();
        Self::of(trace_id, parent_id, false).unwrap_or(self)
    }

    /// The header's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Traceparent {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_trace_can_be_read_back() {
        let new = Traceparent::new();

        assert_eq!(Traceparent::parse(new.as_str()), Some(new));
    }

    #[test]
    fn its_parts_make_it_again() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = Traceparent::parse(text).unwrap();

        let (trace_id, parent_id, flags) = read.parts();

        assert_eq!(Traceparent::of(trace_id, parent_id, flags == 1), Some(read));
        assert_eq!(Traceparent::of(0, parent_id, true), None);
        let unsampled = Traceparent::parse(text).unwrap().unsampled();
        assert_eq!(unsampled.as_str(), text.replace("-01", "-00"));
    }

    #[test]
    fn a_malformed_traceparent_is_refused() {
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(Traceparent::parse(bad), None, "{bad}");
        }
    }
}
