//! What buyers, their banks and the merchant do at Stripe.

use super::StripeSim;
use crate::{
    checkout_session::new_session,
    dispute::{self, Verdict},
    entry::{Entry, Outcome},
    form::Form,
    payment, refund, store,
};

impl StripeSim {
    /// Creates a session, as `POST /v1/checkout/sessions` with the body `form` does.
    ///
    /// Returns its id.
    ///
    /// # Errors
    ///
    /// A parameter is missing or wrong.
    pub fn create_session(&self, form: &str) -> anyhow::Result<String> {
        let session = new_session(&self.account, &Form::parse(form.as_bytes()))?;
        Ok(store::text(&session, "id").to_owned())
    }

    /// Acts as the buyer on the payment page.
    ///
    /// # Errors
    ///
    /// There is no such session, or it is no longer open.
    pub async fn pay(&self, session_id: &str, outcome: Outcome) -> anyhow::Result<()> {
        self.pay_with(session_id, &outcome.into()).await
    }

    /// Acts as a buyer who enters more than that.
    ///
    /// # Errors
    ///
    /// There is no such session, or it is no longer open.
    pub async fn pay_with(&self, session_id: &str, entry: &Entry) -> anyhow::Result<()> {
        payment::act(&self.account, session_id, entry).await?;
        Ok(())
    }

    /// Settles a delayed payment, as the buyer's bank does.
    ///
    /// # Errors
    ///
    /// There is no such session, or no payment of it is on its way.
    pub async fn settle(&self, session_id: &str, succeeded: bool) -> anyhow::Result<()> {
        payment::settle(&self.account, session_id, succeeded).await?;
        Ok(())
    }

    /// Refunds a paid session, as the merchant does in the dashboard.
    ///
    /// - `amount`: in minor units; all that is left if `None`.
    ///
    /// Returns the refund's id.
    ///
    /// # Errors
    ///
    /// Nothing was paid, or less than `amount` is left.
    pub fn refund(&self, session_id: &str, amount: Option<i64>) -> anyhow::Result<String> {
        let intent = payment::intent_of(&self.account, session_id)?;
        let refund = refund::create(&self.account, &intent, amount, &serde_json::json!({}))?;
        Ok(store::text(&refund, "id").to_owned())
    }

    /// Fails a refund, as if the buyer's bank sent it back.
    ///
    /// # Errors
    ///
    /// There is no such refund, or it has failed already.
    pub fn fail_refund(&self, refund_id: &str) -> anyhow::Result<()> {
        refund::fail(&self.account, refund_id)?;
        Ok(())
    }

    /// Opens a dispute of a whole payment, or an inquiry about it.
    ///
    /// Returns the dispute's id.
    ///
    /// # Errors
    ///
    /// Nothing was paid.
    pub fn dispute(&self, session_id: &str, inquiry: bool) -> anyhow::Result<String> {
        let intent = payment::intent_of(&self.account, session_id)?;
        let dispute = dispute::open(&self.account, &intent, inquiry, None)?;
        Ok(store::text(&dispute, "id").to_owned())
    }

    /// Opens a dispute of `amount` of a payment, in minor units.
    ///
    /// # Errors
    ///
    /// Nothing was paid.
    pub fn dispute_part(&self, session_id: &str, amount: i64) -> anyhow::Result<String> {
        let intent = payment::intent_of(&self.account, session_id)?;
        let dispute = dispute::open(&self.account, &intent, false, Some(amount))?;
        Ok(store::text(&dispute, "id").to_owned())
    }

    /// Changes the amount of a dispute, in minor units.
    ///
    /// # Errors
    ///
    /// There is no such dispute.
    pub fn change_dispute(&self, dispute_id: &str, amount: i64) -> anyhow::Result<()> {
        dispute::change(&self.account, dispute_id, amount)?;
        Ok(())
    }

    /// Closes a dispute, or overturns its verdict.
    ///
    /// # Errors
    ///
    /// There is no such dispute.
    pub fn close_dispute(&self, dispute_id: &str, verdict: Verdict) -> anyhow::Result<()> {
        dispute::close(&self.account, dispute_id, verdict)?;
        Ok(())
    }

    /// Expires an open session.
    ///
    /// # Errors
    ///
    /// There is no such session, or it is not open.
    pub fn expire(&self, session_id: &str) -> anyhow::Result<()> {
        payment::expire(&self.account, session_id)?;
        Ok(())
    }
}
