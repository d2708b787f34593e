//! `offering`: what can be booked, and its price.

use sea_orm::entity::prelude::*;

use crate::money::{Amount, InvalidCurrency, NotChargeable};

/// One row of `offering`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "offering")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What the merchant's own file calls it.
    pub key: Option<String>,
    pub name: String,
    pub description: String,
    /// Price of one seat, in minor units of `currency`.
    pub unit_amount_minor_units: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// The one its slots take place in: an IANA name, such as `Europe/Berlin`.
    pub time_zone: Option<String>,
    /// Where it takes place.
    pub location: Option<String>,
    /// It is not for sale.
    pub closed: bool,
    /// Until so many hours before the slot begins, a buyer who cancels gets all of it back. Buyers cannot
    /// cancel, if it does not say.
    pub cancellation_free_hours: Option<i32>,
    /// After that, so much of it in a hundred.
    pub cancellation_late_percent: Option<i32>,
}

/// Why a row of `offering` cannot be sold.
#[derive(Debug, thiserror::Error)]
pub enum NotForSale {
    /// Its currency is none.
    #[error("currency cannot be sold in")]
    Currency(#[from] InvalidCurrency),
    /// Stripe would not take its price.
    #[error("unit_amount_minor_units cannot be charged")]
    Price(#[from] NotChargeable),
    /// It has no name that could be read.
    #[error("name is empty")]
    Nameless,
}

impl Model {
    /// The price of one seat, if the row can be sold: people fill this table by hand.
    ///
    /// # Errors
    ///
    /// [`NotForSale`]
    pub fn price(&self) -> Result<Amount, NotForSale> {
        if self.name.trim().is_empty() {
            return Err(NotForSale::Nameless);
        }
        let price = Amount {
            minor_units: self.unit_amount_minor_units,
            currency: self.currency.parse()?,
        };
        price.check_price()?;
        Ok(price)
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
