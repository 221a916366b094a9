use countersign::session::{RevokedReason, SessionId};
use countersign::store::{Cursor, Store, What};
use countersign::user::{ProfileChange, UserId};

use super::{after, make_user, new_session, noon, on_every_store, session_id};

async fn news(store: &dyn Store, cursor: &mut Cursor) -> Vec<What> {
    let changes = store.changes(*cursor, 1000).await.unwrap();
    *cursor = changes.last().map_or(*cursor, |change| change.cursor);
    changes.into_iter().map(|change| change.what).collect()
}

fn ended(ids: impl IntoIterator<Item = u64>) -> Vec<What> {
    ids.into_iter().map(|id| What::SessionEnded(SessionId::new(id).unwrap())).collect()
}

#[test]
fn every_ending_and_every_change_of_a_user_is_in_the_feed_once_and_nothing_else_is() {
    on_every_store(async |store| {
        let mut cursor = Cursor::default();
        let alice = make_user(&*store, "alice").await;
        for id in 1..=4 {
            store.create_session(new_session(id, alice.id)).await.unwrap();
        }
        assert_eq!(news(&*store, &mut cursor).await, [], "a login changes nothing that others remember");

        store.revoke_session(session_id(1), None, RevokedReason::Logout, after(1)).await.unwrap();
        store.revoke_session(session_id(1), None, RevokedReason::Logout, after(2)).await.unwrap();
        assert_eq!(news(&*store, &mut cursor).await, ended([1]));

        let change = ProfileChange { first_name: Some("A".to_owned()), ..ProfileChange::default() };
        store.update_profile(alice.id, change).await.unwrap();
        assert_eq!(news(&*store, &mut cursor).await, [What::UserChanged(alice.id)]);

        store.set_active(alice.id, false, after(3)).await.unwrap();
        let what = news(&*store, &mut cursor).await;
        assert!(what.contains(&What::UserChanged(alice.id)), "{what:?}");
        assert!(ended(2..=4).iter().all(|session| what.contains(session)), "{what:?}");

        store.delete_user(alice.id, after(4)).await.unwrap();
        assert!(news(&*store, &mut cursor).await.contains(&What::UserChanged(alice.id)));
        assert_eq!(news(&*store, &mut cursor).await, []);
    });
}

#[test]
fn a_process_that_starts_reads_from_the_first_change_that_may_matter() {
    on_every_store(async |store| {
        assert_eq!(store.cursor_at(noon()).await.unwrap(), Cursor::default());
        for id in 1..=3 {
            store.create_session(new_session(id, UserId::new(1))).await.unwrap();
            store.revoke_session(session_id(id), None, RevokedReason::Logout, after(100 * i64::try_from(id).unwrap())).await.unwrap();
        }
        for (since, expected) in [(0, ended([1, 2, 3])), (150, ended([2, 3])), (300, ended([3])), (301, ended([]))] {
            let mut cursor = store.cursor_at(after(since)).await.unwrap();
            assert_eq!(news(&*store, &mut cursor).await, expected, "since {since}");
        }
        store.prune(after(10_000), noon(), 100).await.unwrap();
        let mut cursor = store.cursor_at(noon()).await.unwrap();
        store.create_session(new_session(4, UserId::new(1))).await.unwrap();
        store.revoke_session(session_id(4), None, RevokedReason::Logout, after(400)).await.unwrap();
        assert_eq!(news(&*store, &mut cursor).await, ended([4]), "numbers are not given twice, even when all rows are forgotten");
    });
}
