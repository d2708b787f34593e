//! From the queue of dead letters to the table, where operators find them.

use std::time::Duration;

use shared::{
    db::{self, dead_letter},
    queue::{Consumer, ConsumerSource, Lane},
    retry,
    service::failpoint,
};
use tokio_util::sync::CancellationToken;

use crate::{Context, failure_code::FailureCode, jobs};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// For the database to take one.
const LIMIT: Duration = Duration::from_secs(10);

/// Copies dead letters until `shutdown`, one at a time: there should be few.
pub async fn keep_sinking(
    context: &Context,
    source: &ConsumerSource,
    shutdown: &CancellationToken,
) {
    if !source.lanes().contains(&Lane::Dead) {
        return;
    }
    let mut pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
    while !shutdown.is_cancelled() {
        shutdown
            .run_until_cancelled(context.breakers.closed(Lane::Dead))
            .await;
        if shutdown.is_cancelled() {
            return;
        }
        match source.consume(Lane::Dead, 1, shutdown.clone()).await {
            Ok(consumer) => {
                if sink(context, consumer).await {
                    pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                }
            }
            Err(error) => tracing::warn!(%error, "Cannot consume dead letters"),
        }
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await;
    }
}

/// Copies what `consumer` yields. Whatever fails goes back to the queue with its connection.
/// Returns whether anything was copied.
async fn sink(context: &Context, mut consumer: Consumer) -> bool {
    let mut copied = false;
    while let Some(mut delivery) = consumer.next().await {
        // Any publisher may have put it here, and given any reason.
        if jobs::stripe_event::is_forged(&context.endpoint_secrets, &delivery.message) {
            delivery.message.last_error = Some(FailureCode::Forged.as_str().to_owned());
            delivery.message.last_error_detail = None;
        } else {
            let word = delivery.message.last_error.take();
            let code = word.and_then(|word| FailureCode::of_word(&word));
            delivery.message.last_error = code.map(|code| code.as_str().to_owned());
            if !code.is_some_and(FailureCode::has_detail) {
                delivery.message.last_error_detail = None;
            }
        }
        let now = (context.clock)();
        let (lane, message) = (&delivery.lane, &delivery.message);
        let kept = async {
            let writer = db::writer(&context.db).await?;
            dead_letter::put_aside(&writer, lane, message, now).await
        };
        if !matches!(tokio::time::timeout(LIMIT, kept).await, Ok(Ok(()))) {
            tracing::warn!("Cannot keep a dead letter yet");
            break;
        }
        failpoint::crash_at("dead_letter_after_commit");
        let reason = message.last_error.as_deref().unwrap_or("unknown");
        tracing::error!(reason, message_id = message.message_id, "Message set aside");
        if let Err(error) = delivery.ack().await {
            tracing::warn!(%error, "A dead letter will come again");
            break;
        }
        copied = true;
    }
    consumer.close().await;
    copied
}
