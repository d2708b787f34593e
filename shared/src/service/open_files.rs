//! How many files this process may have open, connections among them.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit to what an operator allows, and returns it. What shells and service managers begin with is meant for
/// programs that still use `select`.
pub(super) fn raise_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "The limit of open files stays as it is");
        }
    }
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}
