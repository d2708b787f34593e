//! The site's function: is it there, does it take what it is given, and may we call it?

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement};

use crate::{
    config::BookingHook,
    operator::doctor::finding::{Finding, chain},
};

const CHECK: &str = "booking hook";
const FOUND: &str = "SELECT p.prokind = 'f' AND p.prorettype = 'void'::regtype AS fits, \
     pg_get_function_result(p.oid) AS returns, \
     has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE') AS allowed \
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
     WHERE n.nspname = $1 AND p.proname = $2 AND oidvectortypes(p.proargtypes) = 'jsonb'";

#[derive(FromQueryResult)]
struct Found {
    fits: bool,
    returns: Option<String>,
    allowed: bool,
}

/// Looks at the function that `hook` names, without calling it.
pub async fn examine(db: &DatabaseConnection, hook: &BookingHook) -> Finding {
    let found = match find(db, hook).await {
        Ok(found) => found,
        Err(error) => return Finding::failed(CHECK, chain(&error), "see the log"),
    };
    match found {
        Some(found) if found.fits && found.allowed => {
            Finding::ok(CHECK, format!("{hook}(jsonb) is there and may be called"))
        }
        Some(found) if !found.fits => {
            let returns = found.returns.as_deref().unwrap_or("nothing: a procedure");
            let detail = format!("{hook}(jsonb) returns {returns}");
            Finding::failed(CHECK, detail, "make it a function that RETURNS void")
        }
        Some(_) => Finding::failed(
            CHECK,
            format!("the role in DATABASE_URL may not call {hook}(jsonb)"),
            "GRANT USAGE ON SCHEMA … and GRANT EXECUTE ON FUNCTION … to it",
        ),
        None => Finding::failed(
            CHECK,
            format!("there is no {hook}(jsonb)"),
            "see BOOKING_HOOK; until the function is there, no payment becomes a booking",
        ),
    }
}

async fn find(db: &DatabaseConnection, hook: &BookingHook) -> Result<Option<Found>, DbErr> {
    let names = [hook.schema.as_str(), hook.function.as_str()].map(Into::into);
    let find = Statement::from_sql_and_values(DbBackend::Postgres, FOUND, names);
    let row = db.query_one_raw(find).await?;
    row.map(|row| Found::from_query_result(&row, ""))
        .transpose()
}
