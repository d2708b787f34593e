//! The site's own parameters of a Checkout Session, as async-stripe has them.

use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAutomaticTax, CreateCheckoutSessionCustomerUpdate,
    CreateCheckoutSessionCustomerUpdateAddress, CreateCheckoutSessionCustomerUpdateName,
    CreateCheckoutSessionDiscounts, CreateCheckoutSessionInvoiceCreation,
    CreateCheckoutSessionLineItemsPriceDataTaxBehavior, CreateCheckoutSessionPhoneNumberCollection,
    CreateCheckoutSessionTaxIdCollection,
};
use stripe_shared::CheckoutSessionBillingAddressCollection;

use crate::checkout_options::{
    BillingAddressCollection, CheckoutOptions, CustomerUpdate, Discount, Save, TaxBehavior,
};

/// Adds `options` to `request`, but for what belongs to each line item.
pub(super) fn with_options(
    mut request: CreateCheckoutSession,
    options: &CheckoutOptions,
) -> CreateCheckoutSession {
    // Stripe takes it beside no discounts, whatever it says.
    if options.allow_promotion_codes == Some(true) {
        request = request.allow_promotion_codes(true);
    }
    if !options.discounts.is_empty() {
        let discounts: Vec<_> = options.discounts.iter().map(discount).collect();
        request = request.discounts(discounts);
    }
    if let Some(it) = options.automatic_tax {
        request = request.automatic_tax(CreateCheckoutSessionAutomaticTax::new(it.enabled));
    }
    if let Some(it) = options.tax_id_collection {
        request = request.tax_id_collection(CreateCheckoutSessionTaxIdCollection::new(it.enabled));
    }
    if let Some(locale) = &options.locale {
        let Ok(locale) = locale.parse::<stripe_shared::CheckoutSessionLocale>();
        request = request.locale(locale);
    }
    let allowed = &options.allowed_payment_method_types;
    if !allowed.is_empty() {
        request = request.allowed_payment_method_types(parsed(allowed));
    }
    let excluded = &options.excluded_payment_method_types;
    if !excluded.is_empty() {
        request = request.excluded_payment_method_types(parsed(excluded));
    }
    if let Some(it) = options.invoice_creation {
        request = request.invoice_creation(CreateCheckoutSessionInvoiceCreation::new(it.enabled));
    }
    if let Some(customer) = &options.customer {
        request = request.customer(customer.as_str());
    }
    if let Some(update) = options.customer_update {
        request = request.customer_update(customer_update(update));
    }
    if let Some(it) = options.phone_number_collection {
        let collection = CreateCheckoutSessionPhoneNumberCollection::new(it.enabled);
        request = request.phone_number_collection(collection);
    }
    if let Some(collection) = options.billing_address_collection {
        request = request.billing_address_collection(match collection {
            BillingAddressCollection::Auto => CheckoutSessionBillingAddressCollection::Auto,
            BillingAddressCollection::Required => CheckoutSessionBillingAddressCollection::Required,
        });
    }
    request
}

/// What prices of line items mean.
pub(super) fn tax_behavior(
    behavior: TaxBehavior,
) -> CreateCheckoutSessionLineItemsPriceDataTaxBehavior {
    match behavior {
        TaxBehavior::Exclusive => CreateCheckoutSessionLineItemsPriceDataTaxBehavior::Exclusive,
        TaxBehavior::Inclusive => CreateCheckoutSessionLineItemsPriceDataTaxBehavior::Inclusive,
    }
}

fn discount(discount: &Discount) -> CreateCheckoutSessionDiscounts {
    let mut form = CreateCheckoutSessionDiscounts::new();
    match discount {
        Discount::Coupon(id) => form.coupon = Some(id.clone()),
        Discount::PromotionCode(id) => form.promotion_code = Some(id.clone()),
    }
    form
}

fn customer_update(update: CustomerUpdate) -> CreateCheckoutSessionCustomerUpdate {
    use CreateCheckoutSessionCustomerUpdateAddress as Address;
    use CreateCheckoutSessionCustomerUpdateName as Name;
    let mut form = CreateCheckoutSessionCustomerUpdate::new();
    form.address = update.address.map(|save| match save {
        Save::Auto => Address::Auto,
        Save::Never => Address::Never,
    });
    form.name = update.name.map(|save| match save {
        Save::Auto => Name::Auto,
        Save::Never => Name::Never,
    });
    form
}

/// Names of Stripe's that async-stripe has a list of; one that it does not know is sent as it is.
fn parsed<T: std::str::FromStr<Err = std::convert::Infallible>>(names: &[String]) -> Vec<T> {
    names
        .iter()
        .map(|name| {
            let Ok(parsed) = name.parse();
            parsed
        })
        .collect()
}
