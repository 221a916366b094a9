use std::collections::HashSet;

use countersign::session::{RevokedReason, SessionId};
use countersign::store::{Cursor, Store, What};
use countersign::user::{ProfileChange, UserId};

use jiff::Timestamp;

use super::{after, make_user, new_session, noon, on_every_store, session_id};

/// Somebody who reads the feed: a change that comes again, because it is not settled, is told by its number.
#[derive(Default)]
struct Reader {
    cursor: Cursor,
    seen: HashSet<i64>,
}

impl Reader {
    async fn from(store: &dyn Store, since: Timestamp) -> Self {
        Self { cursor: store.cursor_at(since).await.unwrap(), seen: HashSet::new() }
    }

    async fn news(&mut self, store: &dyn Store) -> Vec<What> {
        let changes = store.changes(self.cursor, 1000).await.unwrap();
        self.cursor = changes.last().map_or(self.cursor, |change| change.cursor);
        changes.into_iter().filter(|change| self.seen.insert(change.number)).map(|change| change.what).collect()
    }
}

fn ended(ids: impl IntoIterator<Item = u64>) -> Vec<What> {
    ids.into_iter().map(|id| What::SessionEnded(SessionId::new(id).unwrap())).collect()
}

#[test]
fn every_ending_and_every_change_of_a_user_is_in_the_feed_once_and_nothing_else_is() {
    on_every_store(async |store| {
        let mut reader = Reader::default();
        let alice = make_user(&*store, "alice").await;
        for id in 1..=4 {
            store.create_session(new_session(id, alice.id)).await.unwrap();
        }
        assert_eq!(reader.news(&*store).await, [], "a login changes nothing that others remember");

        store.revoke_session(session_id(1), None, RevokedReason::Logout, after(1)).await.unwrap();
        store.revoke_session(session_id(1), None, RevokedReason::Logout, after(2)).await.unwrap();
        assert_eq!(reader.news(&*store).await, ended([1]));

        let change = ProfileChange { first_name: Some("A".to_owned()), ..ProfileChange::default() };
        store.update_profile(alice.id, change).await.unwrap();
        assert_eq!(reader.news(&*store).await, [What::UserChanged(alice.id)]);

        store.set_active(alice.id, false, after(3)).await.unwrap();
        let what = reader.news(&*store).await;
        assert!(what.contains(&What::UserChanged(alice.id)), "{what:?}");
        assert!(ended(2..=4).iter().all(|session| what.contains(session)), "{what:?}");

        store.delete_user(alice.id, after(4)).await.unwrap();
        assert!(reader.news(&*store).await.contains(&What::UserChanged(alice.id)));
        assert_eq!(reader.news(&*store).await, []);
    });
}

#[test]
fn a_process_that_starts_reads_from_the_first_change_that_may_matter() {
    on_every_store(async |store| {
        assert_eq!(Reader::from(&*store, noon()).await.news(&*store).await, []);
        for id in 1..=3 {
            store.create_session(new_session(id, UserId::new(1))).await.unwrap();
            store.revoke_session(session_id(id), None, RevokedReason::Logout, after(100 * i64::try_from(id).unwrap())).await.unwrap();
        }
        for (since, expected) in [(0, ended([1, 2, 3])), (150, ended([2, 3])), (300, ended([3])), (301, ended([]))] {
            let news = Reader::from(&*store, after(since)).await.news(&*store).await;
            assert!(news.ends_with(&expected), "since {since}: {news:?}");
        }
        store.prune(after(10_000), noon(), 100).await.unwrap();
        let mut reader = Reader::from(&*store, noon()).await;
        store.create_session(new_session(4, UserId::new(1))).await.unwrap();
        store.revoke_session(session_id(4), None, RevokedReason::Logout, after(400)).await.unwrap();
        assert_eq!(reader.news(&*store).await, ended([4]), "numbers are not given twice, even when all rows are forgotten");
    });
}
