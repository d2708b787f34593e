//! How much one client may have on hold, unpaid: so many seats in all, and of one slot half.
//!
//! [`ClientLimit`](crate::client_limit::ClientLimit) says how fast it may order; holds end by themselves, and who orders
//! slowly and pays nothing would keep seats from others for ever.

use std::net::IpAddr;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter,
    QuerySelect, Statement,
    sea_query::{ExprTrait, SimpleExpr},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use shared::db::{
    checkout::{self, Column, State},
    slot,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    client_limit::{BEHIND_ONE_PEER, LARGE_CUSTOMER, customer, large_customer},
    config::Config,
    http::client_address::Client,
};

/// Of a slot, one client may always hold what one order may.
const SEATS_OF_ONE_ORDER: i64 = 20;
/// Of a hash's 32: enough to tell networks apart.
const HASH_BYTES: usize = 8;
/// Behind every digit, in whatever order a database has its letters.
const AFTER_DIGITS: &str = "a";

/// The limit of each client.
#[derive(Debug)]
pub struct HoldLimit {
    /// 0 is no limit.
    seats: u32,
    key: SecretString,
}

/// Who holds, and how much they may.
#[derive(Debug)]
pub struct Holder {
    /// What the `checkout` row says of them: hashes, which without a secret of ours lead to no address.
    pub name: String,
    /// What the names of all begin with who have a limit together, if it is not the name itself.
    group: Option<String>,
    /// None is no limit.
    seats: Option<i64>,
    /// There may be many of them.
    is_crowd: bool,
}

impl HoldLimit {
    /// As the settings say.
    pub fn new(config: &Config) -> Self {
        let key = config.endpoint_secrets.expose().next();
        Self {
            seats: config.held_seats_per_client,
            key: key.unwrap_or_default().into(),
        }
    }

    /// The holder that a request comes from.
    pub fn holder(&self, client: Client) -> Holder {
        let (name, group, times) = match client {
            Client::At(address) if address.is_ipv6() => {
                let group = self.hash(large_customer(address));
                let name = group.clone() + &self.hash(customer(address));
                (name, Some(group), 1)
            }
            Client::At(address) => (self.hash(address), None, 1),
            Client::Behind(peer) => {
                let name = checkout::BEHIND_A_PEER.to_owned() + &self.hash(peer);
                (name, None, BEHIND_ONE_PEER)
            }
        };
        let seats = i64::from(self.seats.saturating_mul(times));
        Holder {
            name,
            group,
            seats: (seats > 0).then_some(seats),
            is_crowd: matches!(client, Client::Behind(_)),
        }
    }

    fn hash(&self, network: IpAddr) -> String {
        let hash = Sha256::digest(format!("{}\n{network}", self.key.expose_secret()));
        let short = hash.iter().take(HASH_BYTES);
        let number = short.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{number:020}")
    }
}

/// Seats of one holder that are not paid, of one slot.
type Held = (Option<String>, Option<Uuid>, i64);

impl Holder {
    /// Whether they may hold `quantity` seats more, of `slot` if there is one. The caller has [locked](Self::lock) them.
    pub async fn may_hold(
        &self,
        tx: &impl ConnectionTrait,
        slot: Option<&slot::Model>,
        quantity: i32,
        now: OffsetDateTime,
    ) -> Result<bool, DbErr> {
        let Some(seats) = self.seats else {
            return Ok(true);
        };
        let held = self.held(tx, now).await?;
        let sum = |is_one: &dyn Fn(&&Held) -> bool| {
            let some = held.iter().filter(|it| is_one(it)).map(|it| it.2);
            some.fold(i64::from(quantity), i64::saturating_add)
        };
        let is_mine = |it: &&Held| it.0.as_ref() == Some(&self.name);
        let most_of_group = seats.saturating_mul(LARGE_CUSTOMER.into());
        if sum(&is_mine) > seats || sum(&|_| true) > most_of_group {
            return Ok(false);
        }
        let Some(slot) = slot.filter(|_| !self.is_crowd) else {
            return Ok(true);
        };
        let share = Ord::max(i64::from(slot.capacity / 2), SEATS_OF_ONE_ORDER);
        Ok(sum(&|it| is_mine(it) && it.1 == Some(slot.id)) <= share)
    }

    /// Has their other orders wait, to the end of the transaction. SQLite writes one after the other in any case.
    pub async fn lock(&self, tx: &impl ConnectionTrait) -> Result<(), DbErr> {
        if tx.get_database_backend() == DbBackend::Postgres && self.seats.is_some() {
            let key = self.group.as_ref().unwrap_or(&self.name);
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            let values = [key.as_str().into()];
            let lock = Statement::from_sql_and_values(DbBackend::Postgres, lock, values);
            tx.execute_raw(lock).await?;
        }
        Ok(())
    }

    /// What all of them hold who have a limit together.
    async fn held(
        &self,
        tx: &impl ConnectionTrait,
        now: OffsetDateTime,
    ) -> Result<Vec<Held>, DbErr> {
        let theirs = match &self.group {
            None => Condition::all().add(Column::Client.eq(&self.name)),
            Some(group) => Condition::all()
                .add(Column::Client.gt(group))
                .add(Column::Client.lt(group.clone() + AFTER_DIGITS)),
        };
        let open = Condition::all()
            .add(Column::State.eq(State::Open))
            .add(Column::ExpiresAt.gt(now));
        let unpaid = Condition::any()
            .add(open)
            .add(Column::State.eq(State::PaymentPending));
        let seats: SimpleExpr = Column::Quantity.sum();
        checkout::Entity::find()
            .select_only()
            .columns([Column::Client, Column::SlotId])
            .column_as(seats.cast_as("bigint"), "seats")
            .filter(theirs)
            .filter(unpaid)
            .group_by(Column::Client)
            .group_by(Column::SlotId)
            .into_tuple()
            .all(tx)
            .await
    }
}
