use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::pace::{Debt, Pace};
use super::table::Table;
use super::{RetryAfter, micros};

/// How much may be asked for that makes mails or users: registrations, resets, codes. Counted
/// before any work, for each client's address (IPv6: /64) and for all together, in this process.
///
/// ```
/// use countersign::throttle::AskLimit;
///
/// let limit = AskLimit::new(2, 100);
/// let (client, now) = ("192.0.2.1".parse().unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
/// assert!(limit.check(client, now).is_ok() && limit.check(client, now).is_ok());
/// assert!(limit.check(client, now).is_err());
/// assert!(limit.check("192.0.2.2".parse().unwrap(), now).is_ok());
/// ```
#[derive(Debug)]
pub struct AskLimit {
    of_client: Option<Pace>,
    of_all: Option<Pace>,
    clients: Table<IpAddr, Debt>,
    all: Mutex<Option<Debt>>,
}

impl AskLimit {
    /// So many an hour for each client, and for all together; 0: no limit.
    ///
    /// ```
    /// use countersign::throttle::AskLimit;
    ///
    /// let no_limit = AskLimit::new(0, 0);
    /// let (client, now) = ("192.0.2.1".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH);
    /// assert!((0..1_000).all(|_| no_limit.check(client, now).is_ok()));
    /// ```
    #[must_use]
    pub fn new(of_client: u32, of_all: u32) -> Self {
        Self {
            of_client: Pace::new(of_client, HOUR),
            of_all: Pace::new(of_all, HOUR),
            clients: Table::new(0),
            all: Mutex::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When the client, or all together, have had their share.
    ///
    /// ```
    /// use countersign::throttle::AskLimit;
    ///
    /// let limit = AskLimit::new(100, 1);
    /// let now = jiff::Timestamp::UNIX_EPOCH;
    /// assert!(limit.check("192.0.2.1".parse().unwrap(), now).is_ok());
    /// assert!(limit.check("192.0.2.2".parse().unwrap(), now).is_err());
    /// ```
    pub fn check(&self, client: IpAddr, now: Timestamp) -> Result<(), RetryAfter> {
        let now = micros(now);
        if let Some(pace) = self.of_client {
            self.clients.update(network(client), now, |debt| pace.take(debt, now))?;
        }
        match self.of_all {
            Some(pace) => pace.take(&mut self.all.lock(), now),
            None => Ok(()),
        }
    }
}

/// Whoever has one IPv6 address has its /64.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::from((u128::from(address) >> 64 << 64).to_be_bytes()),
        other => other,
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let limit = AskLimit::new(1, 0);
        let now = Timestamp::UNIX_EPOCH;
        let ask = |client: &str| limit.check(client.parse().unwrap(), now).is_ok();
        assert!(ask("2001:db8::1") && !ask("2001:db8::2") && ask("2001:db8:0:1::1"));
        assert!(ask("192.0.2.1") && !ask("::ffff:192.0.2.1"));
    }
}
