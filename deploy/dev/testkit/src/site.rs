//! A site whose own table is written in our transaction.

use crate::{Variables, run_as_admin};

/// Its tables, and its function `public.on_booking`.
pub const SITE: &str = include_str!("site.sql");

/// Makes the site in the empty database of `variables`, and has the services keep to a schema of
/// their own and call its function.
///
/// - `site`: SQL such as [`SITE`].
///
/// # Errors
///
/// The database refuses.
pub async fn move_in(variables: &mut Variables, site: &str) -> anyhow::Result<()> {
    let url = variables.get("DATABASE_URL").cloned().unwrap_or_default();
    run_as_admin(&url, &[site]).await?;
    variables.insert("DATABASE_SCHEMA", "bookonce".to_owned());
    variables.insert("BOOKING_HOOK", "public.on_booking".to_owned());
    Ok(())
}
