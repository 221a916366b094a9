//! Whether sessions are bound to devices, and what it would mean to insist.

use countersign::session::device::DeviceBinding;
use countersign::store::admin::Counted;
use jiff::{SignedDuration, Timestamp};

use super::Look;
use crate::command_error::CommandError;
use crate::services::Services;
use crate::text::thousands;

impl Look<'_> {
    /// What was counted within a week, and what that says of the setting.
    pub(super) async fn devices(&mut self, services: &Services) -> Result<(), CommandError> {
        // What is wrong with the configuration is told with it.
        let Ok(parts) = services.config.serve() else { return Ok(()) };
        let binding = parts.settings.device_binding;
        if binding == DeviceBinding::Off {
            self.ok("device_binding is off: a copied refresh token works until it is found");
            return Ok(());
        }
        if !parts.options.https {
            self.ok(
                "device_binding: browsers bind no session to their device, because public_url is \
                 http://; native clients do",
            );
            return Ok(());
        }
        let week = SignedDuration::from_hours(7 * 24);
        let since = services.clock.now().checked_sub(week).unwrap_or(Timestamp::MIN);
        let counts = services.store.counts(since).await?;
        let sum = |wanted: Counted| -> u64 {
            counts.iter().filter(|(_, what, _)| *what == wanted).map(|(.., n)| n).sum()
        };
        let bound = thousands(sum(Counted::DeviceBound));
        let (let_in, refused) = (sum(Counted::UnprovedLetIn), sum(Counted::UnprovedRefused));
        self.ok(&match (binding, let_in) {
            (DeviceBinding::Enforce, _) => format!(
                "device_binding is enforce: within 7 days {bound} sessions were bound, and {} \
                 refreshes refused that came without their device",
                thousands(refused)
            ),
            (_, 0) => format!(
                "device_binding is observe: within 7 days {bound} sessions were bound, and enforce \
                 would have refused no refresh of a browser"
            ),
            (_, let_in) => format!(
                "device_binding is observe: within 7 days {bound} sessions were bound, and enforce \
                 would have refused {} refreshes, of thieves or of browsers that lost their key",
                thousands(let_in)
            ),
        });
        Ok(())
    }
}
