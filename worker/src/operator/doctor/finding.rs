use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::operator::words::wrapped;

pub(super) const START_A_WORKER: &str =
    "start a worker; one that runs takes nothing while the database or Stripe is down";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It works, and an operator should look.
    Warning,
    /// It does not work, or money is at stake.
    Failed,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Finding {
    pub check: &'static str,
    pub status: Status,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }

    pub(super) fn warning(
        check: &'static str,
        detail: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self {
            check,
            status: Status::Warning,
            detail: detail.into(),
            remedy: Some(remedy),
        }
    }

    pub(super) fn failed(
        check: &'static str,
        detail: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self {
            status: Status::Failed,
            ..Self::warning(check, detail, remedy)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "FAILED",
        };
        let found = format!("{status:<8} {:<16} {}", self.check, self.detail);
        write!(out, "{}", wrapped(&found, 26))?;
        match self.remedy {
            Some(remedy) => {
                let remedy = format!("{:<26}→ {remedy}", "");
                write!(out, "\n{}", wrapped(&remedy, 28))
            }
            None => Ok(()),
        }
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
