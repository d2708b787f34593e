//! Can ingress tell buyers from each other? Their limits go by addresses, which a proxy hides.

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
use shared::{
    clock,
    db::checkout::{self, BEHIND_A_PEER, State},
};

use crate::operator::{
    doctor::finding::{Finding, chain},
    words::counted,
};

const CHECK: &str = "clients";
const REMEDY: &str = "is it yours? Name it in TRUSTED_PROXIES of ingress, and have it send X-Forwarded-For: \
                      until then all behind it have the limits of twenty";

/// Looks at who holds seats at the moment.
pub async fn examine(db: &DatabaseConnection) -> Finding {
    match behind_a_peer(db).await {
        Ok(0) => Finding::ok(CHECK, "no order on hold came by what may be a proxy"),
        Ok(orders) => {
            let orders = counted(orders, "order");
            let detail = format!("{orders} on hold came by what may be a proxy");
            Finding::warning(CHECK, detail, REMEDY)
        }
        Err(error) => Finding::failed(CHECK, chain(&error), "see the log"),
    }
}

async fn behind_a_peer(db: &DatabaseConnection) -> Result<u64, DbErr> {
    use checkout::Column;
    checkout::Entity::find()
        .filter(Column::Client.starts_with(BEHIND_A_PEER))
        .filter(Column::ExpiresAt.gt(clock::system()))
        .filter(Column::State.eq(State::Open))
        .count(db)
        .await
}
