//! The site's function: is it there, does it take what it is given, and may we call it?

use sea_orm::{DatabaseConnection, DbBackend, FromQueryResult, Statement};

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
    let names = [hook.schema.as_str(), hook.function.as_str()].map(Into::into);
    let find = Statement::from_sql_and_values(DbBackend::Postgres, FOUND, names);
    let (detail, remedy) = match Found::find_by_statement(find).one(db).await {
        Err(error) => (chain(&error), "see the log"),
        Ok(None) => (
            format!("there is no {hook}(jsonb)"),
            "see BOOKING_HOOK; until the function is there, no payment becomes a booking",
        ),
        Ok(Some(found)) if !found.fits => {
            let returns = found.returns.as_deref().unwrap_or("nothing: a procedure");
            let detail = format!("{hook}(jsonb) returns {returns}");
            (detail, "make it a function that RETURNS void")
        }
        Ok(Some(found)) if !found.allowed => (
            format!("the role in DATABASE_URL may not call {hook}(jsonb)"),
            "GRANT USAGE ON SCHEMA … and GRANT EXECUTE ON FUNCTION … to it",
        ),
        Ok(Some(_)) => {
            return Finding::ok(CHECK, format!("{hook}(jsonb) is there and may be called"));
        }
    };
    Finding::failed(CHECK, detail, remedy)
}
