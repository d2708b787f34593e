//! What a Checkout Session may do besides selling its line items: those of Stripe's parameters that a
//! site can pass through, by Stripe's names.
//!
//! Source: <https://docs.stripe.com/api/checkout/sessions/create>

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Parameters of Stripe's Checkout Session, by Stripe's names; `tax_behavior` and `tax_code` are of each
/// line item. What is left out is as Stripe has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckoutOptions {
    /// Lets the buyer enter a promotion code. Not together with `discounts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_promotion_codes: Option<bool>,
    /// A coupon or promotion code that is taken off: one at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1)]
    pub discounts: Vec<Discount>,
    /// Lets Stripe Tax compute the taxes. Say then with `tax_behavior` what prices mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic_tax: Option<Switch>,
    /// Whether taxes are part of every `unit_amount` or come on top of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_behavior: Option<TaxBehavior>,
    /// Category of what is sold, for Stripe Tax.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "txcd_20030000", pattern = "^txcd_[0-9]{8}$")]
    pub tax_code: Option<String>,
    /// Asks a business for its tax id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_id_collection: Option<Switch>,
    /// Language of Stripe's page; the browser's if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "de", pattern = "^(auto|[a-z]{2,3}(-[A-Za-z0-9]{2,4})?)$")]
    pub locale: Option<String>,
    /// The only payment methods that are offered. Stripe took `payment_method_types` away in
    /// 2026-09-30; this one has its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["card", "sepa_debit"]), max_items = 50)]
    pub allowed_payment_method_types: Vec<String>,
    /// Payment methods that are not offered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["klarna"]), max_items = 50)]
    pub excluded_payment_method_types: Vec<String>,
    /// Lets Stripe write an invoice once it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice_creation: Option<Switch>,
    /// The buyer as your account at Stripe knows them. Stripe's page then shows that customer's e-mail
    /// address; `customer.email` is kept here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "cus_NffrFeUfNV2Hib", pattern = "^cus_[A-Za-z0-9]{1,200}$")]
    pub customer: Option<String>,
    /// What of that customer the buyer's entries may change at Stripe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_update: Option<CustomerUpdate>,
    /// Asks for a telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number_collection: Option<Switch>,
    /// Whether Stripe's page always asks for the billing address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_address_collection: Option<BillingAddressCollection>,
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Whether it is on.
    pub enabled: bool,
}

/// Either a coupon or a promotion code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// The id of a coupon: 1 to 255 characters.
    #[schema(example = "SUMMER20")]
    Coupon(String),
    /// The id of a promotion code, not the code that buyers enter.
    #[schema(example = "promo_1MiM6KLkdIwHu7ixrIaX4wgn")]
    PromotionCode(String),
}

/// Stripe's `tax_behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaxBehavior {
    /// Taxes come on top.
    Exclusive,
    /// Taxes are part of the price.
    Inclusive,
}

/// What of a customer changes with what the buyer enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerUpdate {
    /// Stripe Tax needs it, unless the customer has an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Save>,
    /// `tax_id_collection` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Save>,
}

/// Whether it is saved on the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Save {
    /// It is.
    Auto,
    /// It is not.
    Never,
}

/// Stripe's `billing_address_collection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BillingAddressCollection {
    /// When the payment method or tax needs it.
    Auto,
    /// Always.
    Required,
}
