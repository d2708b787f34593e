use sea_orm::DatabaseConnection;
use shared::{
    booking_link::LinkSecrets,
    clock::Clock,
    config::EndpointSecrets,
    stripe::{client::StripeClient, id::Mode},
};

use crate::{
    config::{BookingHook, Config, OnUnfulfillable},
    consumer::crash_guard::CrashGuard,
    mail::Mailer,
    maintenance::samples::Samples,
    notifications::{wakes::Wakes, webhook::WebhookClient},
    outage::{
        breaker::Breakers,
        dependency::{Dependency, Down},
    },
};

/// What a job may use.
#[derive(Clone)]
pub struct Context {
    /// Where bookings and payments are kept.
    pub db: DatabaseConnection,
    /// For what a browser claimed, and for what events leave open.
    pub stripe: StripeClient,
    /// Sessions of the other mode are not ours.
    pub mode: Mode,
    /// What Stripe signs events with: a message says nothing that is not signed.
    pub endpoint_secrets: EndpointSecrets,
    /// What the links in mails, and what buyers do by them, are signed with.
    pub link_secrets: LinkSecrets,
    /// What becomes of a payment without seats.
    pub on_unfulfillable: OnUnfulfillable,
    /// The site's function that is told of each booking, if there is one.
    pub booking_hook: Option<BookingHook>,
    /// Sends mail, if any is sent.
    pub mailer: Option<Mailer>,
    /// After which what is no longer needed is erased.
    pub retention: time::Duration,
    /// Where the time comes from.
    pub clock: Clock,
    /// Posts to endpoints.
    pub webhooks: WebhookClient,
    /// Wakes those who tell others, with what they tell.
    pub wakes: Wakes,
    /// Which dependencies are down.
    pub breakers: Breakers,
    /// How the queues were lately.
    pub samples: Samples,
    /// Keeps messages apart that may have killed a worker.
    pub crash_guard: CrashGuard,
}

impl Context {
    /// What `config` says, with nothing known to be down.
    pub fn new(
        config: &Config,
        db: DatabaseConnection,
        stripe: StripeClient,
        clock: Clock,
    ) -> Self {
        Self {
            db,
            stripe,
            mode: config.stripe.mode,
            endpoint_secrets: config.endpoint_secrets.clone(),
            link_secrets: config.link_secrets.clone(),
            on_unfulfillable: config.on_unfulfillable,
            booking_hook: config.booking_hook.clone(),
            mailer: config.mailer.clone(),
            retention: config.retention,
            webhooks: config.webhooks.clone(),
            wakes: Wakes::default(),
            clock,
            breakers: Breakers::default(),
            samples: Samples::default(),
            crash_guard: CrashGuard::default(),
        }
    }

    /// Stripe's API, unless it is known to be down.
    pub(crate) fn stripe(&self) -> Result<&StripeClient, Down> {
        self.breakers.check(Dependency::Stripe)?;
        Ok(&self.stripe)
    }
}
