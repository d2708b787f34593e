//! Does ingress take what Stripe posts? What it refused lately, and which secrets are still needed.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use shared::{
    clock,
    config::EndpointSecrets,
    db::{
        dead_letter,
        refused_webhook::{self, Cause},
        stripe_endpoint_secret,
    },
    stripe::signature,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::operator::{
    doctor::finding::{Finding, chain},
    words::{counted, moment},
};

/// What was refused longer ago has been seen to.
const LATELY: Duration = Duration::days(7);
/// After a roll, Stripe signs with the old secret as well for so long at most.
///
/// Source: <https://docs.stripe.com/webhooks#roll-endpoint-secrets>
const ROLL: Duration = Duration::hours(24);
const LETTERS_AT_ONCE: u64 = 100;

/// Looks at refused webhooks and at the secrets.
pub async fn examine(db: &DatabaseConnection, secrets: &EndpointSecrets) -> Vec<Finding> {
    look(db, secrets)
        .await
        .unwrap_or_else(|error| vec![Finding::failed("webhooks", chain(&error), "see the log")])
}

async fn look(db: &DatabaseConnection, secrets: &EndpointSecrets) -> Result<Vec<Finding>, DbErr> {
    let now = clock::system();
    let used = stripe_endpoint_secret::Entity::find().all(db).await?;
    let last_event = used.iter().map(|it| it.last_used_at).max();
    let mut findings = refused(db, last_event, now).await?;
    findings.push(needed(db, secrets, &used, now).await?);
    Ok(findings)
}

/// A finding for each cause.
///
/// - `last_event`: when an authentic one came.
async fn refused(
    db: &DatabaseConnection,
    last_event: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<Vec<Finding>, DbErr> {
    const CHECK: &str = "refused";
    let rows = refused_webhook::Entity::find()
        .filter(refused_webhook::Column::At.gt(now.saturating_sub(LATELY)))
        .order_by_desc(refused_webhook::Column::Id)
        .all(db)
        .await?;
    let a_day_ago = now.saturating_sub(Duration::DAY);
    let mut findings = Vec::new();
    let mut causes: Vec<Cause> = Vec::new();
    for last in &rows {
        if causes.contains(&last.cause) {
            continue;
        }
        causes.push(last.cause);
        let number = rows.iter().filter(|it| it.cause == last.cause).count();
        let detail = format!(
            "{}, the last {}",
            counted(number, "webhook"),
            described(last)
        );
        findings.push(match remedy(last.cause) {
            None => Finding::ok(CHECK, format!("{detail}: not from Stripe")),
            // Not all are.
            Some(remedy) if last_event.is_some_and(|at| at > last.at.min(a_day_ago)) => {
                Finding::warning(CHECK, detail, remedy)
            }
            Some(remedy) => Finding::failed(CHECK, detail, remedy),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "no webhook in seven days"));
    }
    Ok(findings)
}

fn described(row: &refused_webhook::Model) -> String {
    let mut parts = vec![format!("at {}", moment(row.at))];
    if let Some(network) = &row.network {
        parts.push(format!("from {network}"));
    }
    if let Some(bytes) = row.bytes {
        parts.push(counted(bytes, "byte"));
    }
    if let Some(at) = row.signed_at {
        parts.push(format!("signed {}", moment(at)));
    }
    parts.push(format!("failed: {}", row.reason));
    parts.join(", ")
}

/// `None` if there is nothing to do.
fn remedy(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::NotStripe => return None,
        Cause::HeaderLost => {
            "looks like an event whose Stripe-Signature was taken or changed on the way: have the \
             proxy pass it on"
        }
        Cause::BodyChanged => {
            "looks as if something on the way wrote the body anew: a proxy, firewall or function that \
             parses JSON or unpacks it; have it pass the bytes on as they are. Or as a forgery"
        }
        Cause::OtherMode => {
            "looks like an endpoint of the other mode: live and test have secrets of their own, and \
             STRIPE_SECRET_KEY says which one is served"
        }
        Cause::StripeCli => {
            "looks like `stripe listen`: put the whsec_… that it prints into STRIPE_WEBHOOK_SECRET, \
             besides the endpoint's, and restart ingress and workers. Behind a proxy that sends no \
             X-Forwarded-For, it may as well be the secret of another endpoint"
        }
        Cause::OtherSecret => {
            "looks like the secret of another endpoint: reveal that of the endpoint with this URL in \
             Stripe's dashboard, put it into STRIPE_WEBHOOK_SECRET, restart ingress and workers, \
             then worker reconcile --since 72h"
        }
        Cause::Clock => {
            "Stripe signed it, more than five minutes from what ingress takes for now: is its clock \
             synchronized (NTP)? Else it was kept on the way, or posted again"
        }
        Cause::NotAnEvent => "signed with our secret, and no event of Stripe's: who else knows it?",
        Cause::TooLarge => {
            "no event of Stripe's is so large; see the log of the proxy for the sender"
        }
    })
}

/// When each secret was last needed, and which is not any more.
async fn needed(
    db: &DatabaseConnection,
    secrets: &EndpointSecrets,
    used: &[stripe_endpoint_secret::Model],
    now: OffsetDateTime,
) -> Result<Finding, DbErr> {
    const CHECK: &str = "webhook secrets";
    let last_used = |fingerprint: &String| {
        let row = used.iter().find(|it| it.fingerprint == *fingerprint);
        row.map(|it| it.last_used_at)
    };
    let all: Vec<_> = secrets
        .fingerprints()
        .map(|it| (last_used(&it), it))
        .collect();
    let newest = all.iter().filter_map(|(at, _)| *at).max();
    // Another one proves what comes, and after a roll Stripe has forgotten this one.
    let is_old = |at: OffsetDateTime| newest > Some(at) && at < now.saturating_sub(ROLL);
    let dead = if all.iter().any(|(at, _)| at.is_some_and(is_old)) {
        signed_with(db, secrets).await?
    } else {
        Vec::new()
    };
    let mut details = Vec::new();
    for (position, (at, fingerprint)) in all.iter().enumerate() {
        let place = position.saturating_add(1);
        let when = at.map_or("has proved no event yet".to_owned(), |at| {
            format!("last needed {}", moment(at))
        });
        let letters = dead.get(position).copied().unwrap_or_default();
        let advice = match (at.is_some_and(is_old), letters) {
            (false, _) => String::new(),
            (true, 0) => ", not needed since: safe to remove, if it was rolled".to_owned(),
            (true, letters) => {
                let letters = counted(letters, "dead letter");
                format!(", not needed since but by {letters}: replay first")
            }
        };
        details.push(format!("{place} (…{fingerprint}) {when}{advice}"));
    }
    Ok(Finding::ok(CHECK, details.join("; ")))
}

/// Of each secret, how many open dead letters it proves: it has to again when they are replayed.
async fn signed_with(
    db: &DatabaseConnection,
    secrets: &EndpointSecrets,
) -> Result<Vec<u64>, DbErr> {
    let mut numbers = vec![0_u64; secrets.expose().count()];
    let mut after = Uuid::nil();
    loop {
        let open = dead_letter::Entity::find()
            .filter(dead_letter::Column::Id.gt(after))
            .filter(dead_letter::Column::ResolvedAt.is_null())
            .filter(dead_letter::Column::Signature.is_not_null())
            .order_by_asc(dead_letter::Column::Id)
            .limit(LETTERS_AT_ONCE)
            .all(db)
            .await?;
        let Some(last) = open.last() else {
            return Ok(numbers);
        };
        after = last.id;
        for letter in &open {
            let header = letter.signature.as_deref().unwrap_or_default();
            let signed = signature::authenticate(&letter.body, header, secrets.expose());
            if let Ok(signed) = signed
                && let Some(number) = numbers.get_mut(signed.secret)
            {
                *number = number.saturating_add(1);
            }
        }
    }
}
