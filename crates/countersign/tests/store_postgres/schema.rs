//! A schema of its own, in the database of an app.

use countersign::session::RevokedReason;
use countersign::store::What;

use super::postgres::{run, shell};
use super::*;

#[test]
fn two_schemas_of_one_database_and_the_apps_own_tables_know_nothing_of_each_other() {
    run(async |url| {
        let app = shell(&url).await;
        // Names that are ours, too.
        let own =
            "CREATE TABLE users (id text, shoe_size integer); CREATE TABLE sessions (id text);
                   INSERT INTO users VALUES ('ada', 38)";
        app.batch_execute(own).await.unwrap();
        let one = PostgresStore::connect_in("auth", &url, 2).await.unwrap();
        let two = PostgresStore::connect_in("auth_two", &url, 2).await.unwrap();
        let (ada, other) = (make_user(&one, "ada").await, make_user(&two, "ada").await);
        assert_eq!(ada.id, other.id, "each counts for itself");
        one.begin_session(countersign::store::Begin::unchecked(new_session(1, ada.id)))
            .await
            .unwrap();
        assert!(two.session(session_id(1)).await.unwrap().is_none());
        let mut cursor = one.cursor_now().await.unwrap();
        one.revoke_user_sessions(ada.id, None, RevokedReason::Admin, after(1)).await.unwrap();
        let page = one.changes(&cursor, 10).await.unwrap();
        cursor = page.cursor;
        assert!(page.changes.iter().any(|change| change.what == What::SessionEnded(session_id(1))));
        // A writer that knows nothing of it, with the app's own search path.
        app.batch_execute(&format!(
            "UPDATE auth.users SET is_active = false WHERE id = {}",
            ada.id
        ))
        .await
        .unwrap();
        let page = one.changes(&cursor, 10).await.unwrap();
        assert!(page.changes.iter().any(|change| change.what == What::UserChanged(ada.id)));
        let kept = app.query_one("SELECT shoe_size FROM users", &[]).await.unwrap();
        assert_eq!(kept.get::<_, i32>(0), 38);
        // Again, as a second node does.
        drop(one);
        let again = PostgresStore::connect_in("auth", &url, 2).await.unwrap();
        assert!(again.user_by_id(ada.id).await.unwrap().is_some());
    });
}

#[test]
fn a_schema_whose_name_would_be_more_than_a_name_is_refused() {
    run(async |url| {
        for bad in ["", "Auth", "a b", "a;b", "1a", "pg_auth", "a\"b", &"a".repeat(64)] {
            let refused = PostgresStore::connect_in(bad, &url, 2).await.unwrap_err().to_string();
            assert!(refused.contains("cannot be used"), "{bad:?}: {refused}");
        }
    });
}
