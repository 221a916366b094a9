//! How the web hooks stand.

use super::Look;
use crate::command_error::CommandError;
use crate::services::Services;
use crate::text::{thousands, to_the_second};

impl Look<'_> {
    /// Nothing where there is none.
    pub(super) async fn hooks(&mut self, services: &Services) -> Result<(), CommandError> {
        for state in services.store.hooks().await? {
            let (hook, waiting) = (&state.hook, thousands(state.waiting));
            match state.paused {
                Some((since, why)) => self.fail(&format!(
                    "web hook {hook}: paused since {}, {waiting} messages wait: {why}; when it \
                     answers again, `countersign hook replay {hook}`",
                    to_the_second(since)
                )),
                None if state.failed > 0 => self.warn(&format!(
                    "web hook {hook}: {} messages were given up within the last 7 days, last: {}; \
                     `countersign hook replay {hook}` sends them again",
                    thousands(state.failed),
                    state.error
                )),
                None if !state.error.is_empty() => self.warn(&format!(
                    "web hook {hook}: {waiting} messages wait, last error: {}",
                    state.error
                )),
                None => self.ok(&format!("web hook {hook}: {waiting} messages wait")),
            }
        }
        Ok(())
    }
}
