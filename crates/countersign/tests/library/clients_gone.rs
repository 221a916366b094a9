//! Clients that go away in the middle of a request.

use tokio::sync::Notify;

use super::events::Diary;
use super::*;

/// A table that says when a password is in it, and takes its time to say so to whoever asked.
#[derive(Debug, Clone)]
struct Slow {
    members: Members,
    changed: Arc<Notify>,
    go_on: Arc<Notify>,
}

#[async_trait::async_trait]
impl Users for Slow {
    type User = Member;

    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<Member>>, StoreError> {
        self.members.by_login(login).await
    }

    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<Member>>, StoreError> {
        self.members.by_id(id).await
    }

    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        let is_set = self.members.set_password(id, old, new).await;
        self.changed.notify_one();
        self.go_on.notified().await;
        is_set
    }

    async fn note_login(&self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        self.members.note_login(id, at).await
    }
}

#[tokio::test]
async fn what_was_done_is_told_to_the_app_though_the_client_has_gone() {
    let (builder, _directory, _) = builder();
    let (diary, members) = (Diary::default(), Members::with(cheap(), &["41"]).await);
    let table = Slow { members, changed: Arc::default(), go_on: Arc::default() };
    let auth = builder.users(table.clone()).events(diary.clone()).build().await.unwrap();
    let app = auth.routes();
    let login = log_in(&app, "nick-41").await;
    diary.taken();

    let passwords = json!({"old_password": PASSWORD, "new_password": "copper lantern 27"});
    let mut change = post("/accounts/password", &passwords);
    let bearer = format!("Bearer {}", text(&login, "access_token"));
    change.headers_mut().insert("authorization", bearer.parse().unwrap());
    let mut asked = Box::pin(app.clone().oneshot(change));
    tokio::select! {
        biased;
        answer = &mut asked => panic!("{answer:?}"),
        () = table.changed.notified() => {}
    }
    // As a server does whose client closes the connection.
    drop(asked);
    table.go_on.notify_one();
    for _ in 0..500 {
        if !diary.taken().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the password is changed, and the app does not know");
}
