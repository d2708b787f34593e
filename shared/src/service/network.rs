//! Whether a connection that failed may succeed later.

use std::io::ErrorKind as K;

/// Whether a server is down or on its way up. A name that cannot be resolved has no kind of its
/// own, and is a wrong address.
pub fn is_outage(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        K::ConnectionRefused
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::TimedOut
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::UnexpectedEof
            | K::BrokenPipe
    )
}
