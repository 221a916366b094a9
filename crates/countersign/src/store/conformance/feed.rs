//! What is promised of the feed of changes.

use std::sync::Arc;

use jiff::Timestamp;

use super::fixtures::{after, make_user, new_session, noon, session_id};
use crate::session::{RevokedReason, SessionId};
use crate::store::admin::AdminStore;
use crate::store::{Cursor, Store, What};
use crate::user::{ProfileChange, UserId};

/// Somebody who reads the feed.
#[derive(Default)]
struct Reader(Cursor);

impl Reader {
    async fn from(store: &dyn Store, since: Timestamp) -> Self {
        Self(store.cursor_at(since, 1000).await.unwrap().unwrap())
    }

    async fn news(&mut self, store: &dyn Store) -> Vec<What> {
        let page = store.changes(&self.0, 1000).await.unwrap();
        assert!(!page.more && !page.went_back);
        self.0 = page.cursor;
        page.changes.into_iter().map(|change| change.what).collect()
    }
}

fn ended(ids: impl IntoIterator<Item = u64>) -> Vec<What> {
    ids.into_iter().map(|id| What::SessionEnded(SessionId::new(id).unwrap())).collect()
}

pub async fn every_ending_and_every_change_of_a_user_is_in_the_feed_once_and_nothing_else_is(
    store: Arc<dyn AdminStore>,
) {
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
}

pub async fn a_process_that_starts_reads_from_the_first_change_that_may_matter(
    store: Arc<dyn AdminStore>,
) {
    assert_eq!(Reader::from(&*store, noon()).await.news(&*store).await, []);
    for id in 1..=3 {
        store.create_session(new_session(id, UserId::new(1))).await.unwrap();
        store
            .revoke_session(
                session_id(id),
                None,
                RevokedReason::Logout,
                after(100 * i64::try_from(id).unwrap()),
            )
            .await
            .unwrap();
    }
    for (since, expected) in
        [(0, ended([1, 2, 3])), (150, ended([2, 3])), (300, ended([3])), (301, ended([]))]
    {
        let news = Reader::from(&*store, after(since)).await.news(&*store).await;
        assert!(news.ends_with(&expected), "since {since}: {news:?}");
    }
    store.prune(after(10_000), noon(), 100).await.unwrap();
    let mut reader = Reader::from(&*store, noon()).await;
    store.create_session(new_session(4, UserId::new(1))).await.unwrap();
    store.revoke_session(session_id(4), None, RevokedReason::Logout, after(400)).await.unwrap();
    assert_eq!(
        reader.news(&*store).await,
        ended([4]),
        "numbers are not given twice, even when all rows are forgotten"
    );
}

pub async fn pages_go_on_where_the_last_one_ended_and_tell_everything_once(
    store: Arc<dyn AdminStore>,
) {
    let before = store.cursor_now().await.unwrap();
    for id in 1..=9 {
        store.create_session(new_session(id, UserId::new(1))).await.unwrap();
    }
    // One transaction, and some after it.
    store
        .revoke_user_sessions(UserId::new(1), Some(session_id(9)), RevokedReason::Admin, after(1))
        .await
        .unwrap();
    store.revoke_session(session_id(9), None, RevokedReason::Logout, after(2)).await.unwrap();
    for limit in [1, 2, 3, 8, 100] {
        let (mut cursor, mut told) = (before.clone(), Vec::new());
        loop {
            let page = store.changes(&cursor, limit).await.unwrap();
            assert!(page.changes.len() <= 2 * limit as usize);
            assert!(!page.more || page.cursor != cursor, "a page advances");
            told.extend(page.changes.iter().map(|change| change.what));
            cursor = page.cursor;
            if !page.more {
                break;
            }
        }
        assert_eq!(told[8..], ended([9]), "{limit}");
        assert!(
            told.len() == 9 && ended(1..=8).iter().all(|one| told.contains(one)),
            "{limit}: {told:?}"
        );
    }
}

pub async fn a_start_does_not_depend_on_how_much_has_changed(store: Arc<dyn AdminStore>) {
    for id in 1..=5 {
        store.create_session(new_session(id, UserId::new(1))).await.unwrap();
    }
    store.revoke_user_sessions(UserId::new(1), None, RevokedReason::Admin, after(1)).await.unwrap();
    assert!(store.cursor_at(noon(), 5).await.unwrap().is_some());
    assert_eq!(store.cursor_at(noon(), 4).await.unwrap(), None);
    let mut reader = Reader(store.cursor_now().await.unwrap());
    assert_eq!(reader.news(&*store).await, []);
    store.create_session(new_session(6, UserId::new(1))).await.unwrap();
    store.revoke_session(session_id(6), None, RevokedReason::Logout, after(2)).await.unwrap();
    assert_eq!(reader.news(&*store).await, ended([6]));
}
