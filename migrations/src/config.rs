//! `DATABASE_URL`, the one variable this program reads.

/// The database to migrate.
///
/// # Errors
///
/// A line that names the variable and never shows its value, which holds a password.
pub fn database_url() -> Result<String, String> {
    const EXPECTED: &str = "expected postgres://user:password@host/database or sqlite://file";
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the file that reads the environment"
    )]
    let url = std::env::var("DATABASE_URL").unwrap_or_default();
    if url.is_empty() {
        return Err(format!("DATABASE_URL: is not set; {EXPECTED}"));
    }
    let known = ["postgres://", "postgresql://", "sqlite:"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        Ok(url)
    } else {
        Err(format!("DATABASE_URL: {EXPECTED}"))
    }
}
