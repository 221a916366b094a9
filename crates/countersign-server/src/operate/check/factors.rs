//! Whether second factors open with the secret.

use countersign::factor::FactorKeys;
use countersign::token::Secrets;

use super::Look;
use crate::command_error::CommandError;
use crate::operate::second_factors::unreadable;
use crate::services::Services;
use crate::text::{counted, thousands};

impl Look<'_> {
    /// Looks at everybody's, or at the first of them where there is no time for all.
    pub(super) async fn factors(
        &mut self,
        services: &Services,
        secrets: &Secrets,
    ) -> Result<(), CommandError> {
        let keys = FactorKeys::new(secrets)?;
        let most = if self.is_thorough { None } else { Some(FIRST) };
        self.listener.busy(Some("opening second factors"));
        let found = unreadable(services, &keys, most).await;
        self.listener.busy(None);
        let found = found?;
        let (shut, of) = (found.users.len() as u64, found.looked_at);
        if of == 0 {
            return Ok(());
        }
        let looked_at = match (most, of) {
            (Some(FIRST), FIRST) => format!("the first {FIRST} users who have some"),
            _ => counted(of, "user"),
        };
        match shut {
            0 => self.ok(&format!("second factors: those of {looked_at} open with the secret")),
            _ => self.fail(&format!(
                "second factors: {} of {looked_at} have some that were sealed under another \
                 secret, and cannot log in with them; put the old secret back, or `countersign \
                 factor reset --unreadable` removes them",
                thousands(shut)
            )),
        }
        Ok(())
    }
}

/// As many as a page may wait for.
const FIRST: u64 = 20;
