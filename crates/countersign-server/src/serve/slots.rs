//! Slots for connections: so many in all, so many for one client, and which connection goes when
//! there is none left.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::activity::Activity;

/// The slots of one listener.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    /// For one client; zero for no limit.
    most_each: usize,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    taken: HashMap<u64, Taken>,
    clients: HashMap<Client, usize>,
    warned: Option<Instant>,
}

#[derive(Debug)]
struct Taken {
    /// The client that is counted; none for a trusted proxy, behind which there are many.
    client: Option<Client>,
    activity: Arc<Activity>,
    close: Arc<Notify>,
    is_closing: bool,
}

/// The client of a connection. One IPv6 subscriber has a /64 at least, so anything longer would be
/// free to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Client(IpAddr);

impl Client {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self([a, b, c, d, 0, 0, 0, 0].into())
            }
        }
    }
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    close: Arc<Notify>,
}

/// What came of asking.
#[derive(Debug)]
enum Asked {
    Given(Slot),
    /// The client has its share, and all of it is at work.
    Refused,
    /// Somebody has to go first, who may have been asked to.
    Wait,
}

impl Slots {
    pub(super) fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { most, most_each, open: Mutex::default(), freed: Notify::new() })
    }

    /// A slot, as soon as there is one: connections that wait for their client go first when there
    /// is none. `None` for a client that has as many as it may, all at work.
    pub(super) async fn take(
        self: &Arc<Self>,
        client: Option<Client>,
        activity: &Arc<Activity>,
    ) -> Option<Slot> {
        loop {
            match self.ask(client, activity) {
                Asked::Given(slot) => return Some(slot),
                Asked::Refused => return None,
                // Nobody says when a connection has nothing more to do, as that would cost every
                // request something.
                Asked::Wait => {
                    let _ = tokio::time::timeout(LOOK_AGAIN, self.freed.notified()).await;
                }
            }
        }
    }

    /// A slot, if there is one now.
    pub(super) fn take_now(
        self: &Arc<Self>,
        client: Option<Client>,
        activity: &Arc<Activity>,
    ) -> Option<Slot> {
        match self.ask(client, activity) {
            Asked::Given(slot) => Some(slot),
            Asked::Refused | Asked::Wait => None,
        }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.open().taken.len()
    }

    /// Waits until none is taken.
    pub(super) async fn empty(&self) {
        while self.taken() > 0 {
            self.freed.notified().await;
        }
    }

    fn ask(self: &Arc<Self>, client: Option<Client>, activity: &Arc<Activity>) -> Asked {
        let mut open = self.open();
        if self.most_each > 0
            && let Some(client) = client
            && open.count(Some(client)) >= self.most_each
            && !open.close_one(|taken| taken.client == Some(client))
        {
            open.warn(client, self.most_each);
            return Asked::Refused;
        }
        if open.taken.len() >= self.most {
            if !open.taken.values().any(|taken| taken.is_closing) {
                open.close_one(|_| true);
            }
            return Asked::Wait;
        }
        let id = open.next;
        open.next += 1;
        let close = Arc::new(Notify::new());
        let taken = Taken {
            client,
            activity: Arc::clone(activity),
            close: Arc::clone(&close),
            is_closing: false,
        };
        open.taken.insert(id, taken);
        if let Some(client) = client {
            *open.clients.entry(client).or_default() += 1;
        }
        Asked::Given(Slot { slots: Arc::clone(self), id, close })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Asks one of those that wait for their client to go: of the client who has most, the one that
    /// has waited longest. A proxy's go last.
    fn close_one(&mut self, may_go: impl Fn(&Taken) -> bool) -> bool {
        let waiting = self.taken.iter().filter(|(_, taken)| !taken.is_closing && may_go(taken));
        let waiting =
            waiting.filter_map(|(id, taken)| Some((*id, taken.client, taken.activity.idle()?)));
        let Some((id, client, _)) =
            waiting.max_by_key(|(_, client, idle)| (client.is_some(), self.count(*client), *idle))
        else {
            return false;
        };
        if let Some(taken) = self.taken.get_mut(&id) {
            taken.is_closing = true;
            taken.close.notify_one();
        }
        self.uncount(client);
        true
    }

    fn count(&self, client: Option<Client>) -> usize {
        client.and_then(|client| self.clients.get(&client).copied()).unwrap_or(0)
    }

    fn uncount(&mut self, client: Option<Client>) {
        let Some(client) = client else { return };
        if let Some(count) = self.clients.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&client);
            }
        }
    }

    fn warn(&mut self, client: Client, most_each: usize) {
        if self.warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(
                address = %client.0,
                connections = most_each,
                "an address has all the connections that it may, and all are at work; its next \
                 ones are closed. If it is a proxy, name it in trusted_proxies; otherwise raise \
                 max_connections_per_address"
            );
        }
    }
}

impl Slot {
    /// Ends when somebody else needs the slot.
    pub(super) async fn needed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open();
        if let Some(taken) = open.taken.remove(&self.id)
            && !taken.is_closing
        {
            open.uncount(taken.client);
        }
        drop(open);
        self.slots.freed.notify_one();
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);

const WARN_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Option<Client> {
        Some(Client::of(address.parse().unwrap()))
    }

    fn waiting() -> Arc<Activity> {
        Arc::new(Activity::new())
    }

    fn at_work() -> Arc<Activity> {
        let activity = waiting();
        activity.works(false);
        activity
    }

    fn is_asked_to_go(slot: &Slot) -> bool {
        let slots = slot.slots.open();
        slots.taken[&slot.id].is_closing
    }

    #[test]
    fn a_client_with_its_share_loses_what_waits_and_is_refused_when_all_is_at_work() {
        let slots = Slots::new(10, 2);
        let one = "192.0.2.1";
        let idle = slots.take_now(client(one), &waiting()).unwrap();
        let busy = slots.take_now(client(one), &at_work()).unwrap();
        let third = slots.take_now(client(one), &at_work()).unwrap();
        assert!(is_asked_to_go(&idle) && !is_asked_to_go(&busy));
        assert!(slots.take_now(client(one), &at_work()).is_none());
        assert!(slots.take_now(client("192.0.2.2"), &at_work()).is_some(), "another client");
        drop(idle);
        assert!(
            slots.take_now(client(one), &at_work()).is_none(),
            "it was taken from the count once"
        );
        drop(third);
        assert!(slots.take_now(client(one), &at_work()).is_some());
    }

    #[test]
    fn a_subscriber_is_a_64_and_a_trusted_proxy_is_nobody() {
        let slots = Slots::new(10, 1);
        let _first = slots.take_now(client("2001:db8:0:1::1"), &at_work()).unwrap();
        assert!(slots.take_now(client("2001:db8:0:1:ffff::2"), &at_work()).is_none());
        let _other = slots.take_now(client("2001:db8:0:2::1"), &at_work()).unwrap();
        let _v4 = slots.take_now(client("192.0.2.1"), &at_work()).unwrap();
        assert!(slots.take_now(client("::ffff:192.0.2.1"), &at_work()).is_none());
        let _proxies = [(); 5].map(|()| slots.take_now(None, &at_work()).unwrap());
    }

    #[test]
    fn when_all_is_taken_the_one_who_has_most_goes_first_and_a_proxy_last() {
        let slots = Slots::new(4, 0);
        let proxy = slots.take_now(None, &waiting()).unwrap();
        let few = slots.take_now(client("192.0.2.1"), &waiting()).unwrap();
        let many = ["192.0.2.2"; 2].map(|one| slots.take_now(client(one), &waiting()).unwrap());
        assert!(slots.take_now(client("192.0.2.3"), &waiting()).is_none());
        assert_eq!(many.iter().filter(|slot| is_asked_to_go(slot)).count(), 1);
        assert!(!is_asked_to_go(&few) && !is_asked_to_go(&proxy));
        assert!(
            slots.take_now(client("192.0.2.3"), &waiting()).is_none(),
            "one is asked at a time"
        );
        assert!(!is_asked_to_go(&few) && !is_asked_to_go(&proxy));
        drop(many);
        assert!(slots.take_now(client("192.0.2.3"), &waiting()).is_some());
    }
}
