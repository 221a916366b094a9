//! What is promised of the time.

use std::sync::Arc;
use std::time::Duration;

use super::fixtures::{after, make_user, new_session, noon, session_id};
use crate::session::{NewSession, RevokedReason};
use crate::store::Cursor;
use crate::store::admin::AdminStore;

const STEP: Duration = Duration::from_secs(300);

pub async fn a_store_follows_a_clock_by_a_step_at_most_and_back_again(store: Arc<dyn AdminStore>) {
    // A store in which nothing has happened believes what it is told.
    assert_eq!(store.agree_on_time(noon(), STEP).await.unwrap(), noon());
    assert_eq!(store.agree_on_time(after(30), STEP).await.unwrap(), after(30));
    let months = 62 * 24 * 60 * 60;
    assert_eq!(store.agree_on_time(after(months), STEP).await.unwrap(), after(300));
    assert_eq!(
        store.agree_on_time(after(months), Duration::ZERO).await.unwrap(),
        after(300),
        "a round that follows at once is none"
    );
    assert_eq!(store.agree_on_time(after(months), STEP).await.unwrap(), after(600));
    assert_eq!(store.agree_on_time(after(40), STEP).await.unwrap(), after(300));
    assert_eq!(store.agree_on_time(after(40), STEP).await.unwrap(), after(40));
    assert_eq!(store.agree_on_time(after(-months), STEP).await.unwrap(), after(-260));
}

pub async fn what_a_wrong_clock_dated_in_the_future_counts_as_written_now_and_nothing_else_is_touched(
    store: Arc<dyn AdminStore>,
) {
    let alice = make_user(&*store, "alice").await;
    let (year, month) = (10 * 365 * 24 * 60 * 60, 30 * 24 * 60 * 60);
    let born_at = |id, begun: i64| NewSession {
        created_at: after(begun),
        expires_at: after(begun + month),
        ..new_session(id, alice.id)
    };
    for session in [born_at(1, year), born_at(2, 59), born_at(3, -100), born_at(4, -100)] {
        store.create_session(session).await.unwrap();
    }
    assert!(
        store
            .revoke_session(session_id(4), None, RevokedReason::Logout, after(1_000))
            .await
            .unwrap()
    );
    let before = store.session(session_id(3)).await.unwrap();
    assert!(store.correct_times(after(60), noon(), 100).await.unwrap() >= 2);

    let born_in_future = store.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (born_in_future.created_at, born_in_future.last_used_at, born_in_future.expires_at),
        (noon(), noon(), after(month))
    );
    assert_eq!(
        store.session(session_id(2)).await.unwrap().unwrap().created_at,
        after(59),
        "the clocks may be a minute apart"
    );
    assert_eq!(store.session(session_id(3)).await.unwrap(), before);
    let ended = store.changes(&Cursor::default(), 1000).await.unwrap().changes;
    assert!(ended.iter().all(|change| change.at <= after(60)), "{ended:?}");
    assert_eq!(store.correct_times(after(60), noon(), 100).await.unwrap(), 0, "once");
}
