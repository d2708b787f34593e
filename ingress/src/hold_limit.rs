//! How much one client may have on hold, unpaid: so many seats in all, and of one slot half.
//!
//! [`ClientLimit`](crate::client_limit::ClientLimit) says how fast it may order; holds end by themselves, and who orders
//! slowly and pays nothing would keep seats from others for ever.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{ExprTrait, SimpleExpr},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use shared::db::{
    checkout::{self, State},
    slot,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    client_limit::{BEHIND_ONE_PEER, LARGE_CUSTOMER, large_customer},
    config::Config,
    http::client_address::Client,
};

/// Of a slot, one client may always hold what one order may.
const SEATS_OF_ONE_ORDER: i64 = 20;
/// Of a hash of 64: enough to tell clients apart.
const NAME_DIGITS: usize = 16;

/// The limit of each client.
#[derive(Debug)]
pub struct HoldLimit {
    /// 0 is no limit.
    seats: u32,
    key: Option<SecretString>,
}

/// Who holds, and how much they may.
#[derive(Debug)]
pub struct Holder {
    /// What the `checkout` row says of them: a hash, which without a secret of ours leads to no address.
    pub name: String,
    seats: i64,
    /// There may be many of them.
    is_crowd: bool,
}

impl HoldLimit {
    /// As the settings say.
    pub fn new(config: &Config) -> Self {
        Self {
            seats: config.held_seats_per_client,
            key: config.endpoint_secrets.expose().next().map(Into::into),
        }
    }

    /// The holder that a request comes from, if there is a limit.
    pub fn holder(&self, client: Client) -> Option<Holder> {
        let key = self.key.as_ref().filter(|_| self.seats > 0)?;
        let (address, times) = match client {
            Client::At(address) if address.is_ipv6() => (large_customer(address), LARGE_CUSTOMER),
            Client::At(address) => (address, 1),
            Client::Behind(peer) => (peer, BEHIND_ONE_PEER),
        };
        let is_crowd = matches!(client, Client::Behind(_));
        let hash = Sha256::digest(format!("{}\n{address}", key.expose_secret()));
        let mut name = hex::encode(hash);
        name.truncate(NAME_DIGITS);
        if is_crowd {
            name.insert_str(0, checkout::BEHIND_A_PEER);
        }
        Some(Holder {
            name,
            seats: self.seats.saturating_mul(times).into(),
            is_crowd,
        })
    }
}

impl Holder {
    /// Whether they may hold `quantity` seats more, of `slot` if there is one.
    pub async fn may_hold(
        &self,
        tx: &impl ConnectionTrait,
        slot: Option<&slot::Model>,
        quantity: i32,
        now: OffsetDateTime,
    ) -> Result<bool, DbErr> {
        let held = self.held(tx, now).await?;
        let more = i64::from(quantity);
        let sum = |held: i64, (_, seats): &(Option<Uuid>, i64)| held.saturating_add(*seats);
        if held.iter().fold(more, sum) > self.seats {
            return Ok(false);
        }
        let Some(slot) = slot.filter(|_| !self.is_crowd) else {
            return Ok(true);
        };
        let of_slot = held.iter().filter(|(id, _)| *id == Some(slot.id));
        let share = Ord::max(i64::from(slot.capacity / 2), SEATS_OF_ONE_ORDER);
        Ok(of_slot.fold(more, sum) <= share)
    }

    /// Their seats that are not paid yet, by slot.
    async fn held(
        &self,
        tx: &impl ConnectionTrait,
        now: OffsetDateTime,
    ) -> Result<Vec<(Option<Uuid>, i64)>, DbErr> {
        use checkout::Column;
        let seats: SimpleExpr = Column::Quantity.sum();
        checkout::Entity::find()
            .select_only()
            .column(Column::SlotId)
            .column_as(seats.cast_as("bigint"), "seats")
            .filter(Column::Client.eq(&self.name))
            .filter(Column::ExpiresAt.gt(now))
            .filter(Column::State.eq(State::Open))
            .group_by(Column::SlotId)
            .into_tuple()
            .all(tx)
            .await
    }
}
