//! Reconcile, audit and doctor.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    console::{
        problem::{AdminError, Problem},
        request::{Body, since},
        runs::{Kind, Outcome, Run},
        state::Console,
    },
    operator::{
        audit::{Audit, audit_twice},
        doctor::{self, Finding},
        reconcile_command::reconcile_since,
        words::{counted, typed},
    },
    reconcile::Report,
};

#[derive(Serialize, ToSchema)]
pub struct AllRuns {
    /// The latest first.
    runs: Vec<Run>,
}

/// Lists what was started here, of this worker alone, with how far it has come.
#[utoipa::path(get, path = "/api/admin/runs", tag = "checks", responses(
    (status = 200, body = AllRuns),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(State(console): State<Console>) -> Json<AllRuns> {
    let runs = console.runs.all();
    Json(AllRuns { runs })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartReconcile {
    /// How far back.
    #[schema(example = "72h")]
    since: String,
    /// Only count what is missing.
    #[serde(default)]
    dry_run: bool,
    /// The database was restored: make holds anew that it lacks, from Stripe's sessions.
    #[serde(default)]
    restored: bool,
}

/// Looks for payments, refunds and disputes that never arrived, and has Stripe asked about them.
#[utoipa::path(post, path = "/api/admin/reconcile", tag = "checks", request_body = StartReconcile, responses(
    (status = 202, body = Run),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn reconcile(
    State(console): State<Console>,
    Body(StartReconcile {
        since: back,
        dry_run,
        restored,
    }): Body<StartReconcile>,
) -> Result<(StatusCode, Json<Run>), AdminError> {
    let since = since(&back)?;
    let words = ["worker", "reconcile", "--since", &back].into_iter();
    let words = words.chain(restored.then_some("--restored"));
    let command = typed(words.chain(dry_run.then_some("--dry-run")));
    let (context, publisher) = (console.context.clone(), console.publisher.clone());
    let origins = console.config.origins.clone();
    let now = (context.clock)();
    let run = console
        .runs
        .start(Kind::Reconcile, command, now, |progress| async move {
            let publisher = (!dry_run).then_some(&publisher);
            let watch = |report: &Report| progress.say(report.seen());
            let run = reconcile_since(
                &context,
                publisher,
                (since, restored.then_some(&origins[..])),
                watch,
            )
            .await?;
            progress.say(run.report.seen());
            let text = run.report.written(dry_run);
            if let Some(error) = run.forbidden {
                let text = format!(
                    "{text}\n{}: {}",
                    error.code().as_str(),
                    error.code().advice()
                );
                return Ok((Outcome::Failed, text));
            }
            let outcome = if run.report.is_clean() {
                Outcome::Clean
            } else {
                Outcome::Found
            };
            Ok((outcome, text))
        })?;
    Ok((StatusCode::ACCEPTED, Json(run)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartAudit {
    /// How far back.
    #[schema(example = "30d")]
    since: String,
}

/// Compares Stripe's books with ours, both ways, and the seats.
#[utoipa::path(post, path = "/api/admin/audit", tag = "checks", request_body = StartAudit, responses(
    (status = 202, body = Run),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn audit(
    State(console): State<Console>,
    Body(StartAudit { since: back }): Body<StartAudit>,
) -> Result<(StatusCode, Json<Run>), AdminError> {
    let since = since(&back)?;
    let command = typed(["worker", "audit", "--since", &back]);
    let context = console.context.clone();
    let now = (context.clock)();
    let run = console
        .runs
        .start(Kind::Audit, command, now, |progress| async move {
            let watch = |audit: &Audit| progress.say(counted(audit.sessions, "session"));
            let audit = audit_twice(&context, since, watch).await?;
            let outcome = if audit.differences.is_empty() {
                Outcome::Clean
            } else {
                Outcome::Found
            };
            Ok((outcome, audit.to_string()))
        })?;
    Ok((StatusCode::ACCEPTED, Json(run)))
}

#[derive(Serialize, ToSchema)]
pub struct Doctor {
    findings: Vec<Finding>,
    /// The command that does the same.
    command: &'static str,
}

/// Checks everything the services need, and says what to do.
#[utoipa::path(get, path = "/api/admin/doctor", tag = "checks", responses(
    (status = 200, body = Doctor),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn doctor(State(console): State<Console>) -> Result<Json<Doctor>, AdminError> {
    // It connects to everything anew: one at a time.
    let _turn = console.doctor.try_lock().map_err(|_| AdminError::Busy)?;
    let findings = doctor::examine(&console.config).await;
    let command = "worker doctor";
    Ok(Json(Doctor { findings, command }))
}
