//! Mail as an app sees it that sends by itself: at an orderly stop, and while the store fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::mail::{Mail, MailError, MailKind, MailSeal, Mailer, Message};
use countersign::store::sqlite::SqliteStore;
use countersign::store::{MailBounds, MailState, NewMail, OutboxStore};
use countersign::token::Secrets;
use countersign::{Auth, Settings};
use tokio::sync::Semaphore;

use super::cheap;

/// Takes a mail when it has leave to.
#[derive(Debug, Default)]
struct Slow {
    begun: AtomicU32,
    leave: Option<Semaphore>,
}

#[async_trait::async_trait]
impl Mailer for Slow {
    async fn send(&self, _: &Message) -> Result<(), MailError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        if let Some(leave) = &self.leave {
            leave.acquire().await.unwrap().forget();
        }
        Ok(())
    }
}

/// Three mails wait.
async fn with_three(file: &std::path::Path, mailer: Arc<Slow>) -> Auth {
    let store = SqliteStore::open(file).unwrap();
    let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
    let (seal, now) = (MailSeal::new(&secrets).unwrap(), SystemClock.now());
    let mails = (1..=3).map(|id| {
        let mail = Mail::new(MailKind::Test, "ada@example.com", "en").with("site", "a.example");
        NewMail::new(id, "ada@example.com", seal.seal(&mail, id).unwrap(), now)
    });
    store.queue_mails(mails.collect(), MailBounds::default()).await.unwrap();
    let mut settings = Settings::default();
    settings.hash = cheap();
    Auth::builder(store).settings(settings).secrets(secrets).mailer(mailer).build().await.unwrap()
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let looks = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), looks).await.is_ok(), "not yet: {what}");
}

#[tokio::test]
async fn a_stop_finishes_the_mail_under_way_and_gives_the_others_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    let mailer = Arc::new(Slow { leave: Some(Semaphore::new(0)), ..Slow::default() });
    let auth = with_three(&file, Arc::clone(&mailer)).await;
    eventually("one is under way", async || mailer.begun.load(Ordering::Relaxed) == 1).await;
    let closing = tokio::spawn({
        let auth = auth.clone();
        async move { auth.close().await }
    });
    let other = SqliteStore::open(&file).unwrap();
    let now = SystemClock.now();
    eventually("another node takes the others", async || {
        let taken = other.claim_mails(now, now + Duration::from_secs(600), 10).await.unwrap();
        taken.iter().map(|mail| mail.id).eq([2, 3])
    })
    .await;
    mailer.leave.as_ref().unwrap().add_permits(3);
    closing.await.unwrap();
    let rows = other.outbox(Some(MailState::Sent), None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1]);
    assert_eq!(mailer.begun.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_mail_that_this_node_cannot_read_is_left_to_one_that_can() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.sqlite3");
    let auth = with_three(&file, Arc::default()).await;
    let secrets = |text: &str| Secrets::from_text(&text.repeat(32)).unwrap();
    // Sealed by another secret; and without a value that its template names.
    let (other, own) = (MailSeal::new(&secrets("b")).unwrap(), MailSeal::new(&secrets("a")));
    let whole = Mail::new(MailKind::Test, "ada@example.com", "en").with("site", "a.example");
    let half = Mail::new(MailKind::Test, "ada@example.com", "en");
    let now = SystemClock.now();
    let mails = vec![
        NewMail::new(4, "ada@example.com", other.seal(&whole, 4).unwrap(), now),
        NewMail::new(5, "ada@example.com", own.unwrap().seal(&half, 5).unwrap(), now),
    ];
    auth.store().queue_mails(mails, MailBounds::default()).await.unwrap();
    eventually("both were tried, and wait", async || {
        let waiting = auth.store().outbox(Some(MailState::Waiting), None, 10).await.unwrap();
        waiting.iter().filter(|row| row.tries == 1 && !row.error.is_empty()).count() == 2
    })
    .await;
    assert_eq!(auth.store().outbox_counts().await.unwrap().failed, 0);
}

#[tokio::test]
async fn a_mail_of_which_the_store_cannot_be_told_keeps_no_other_and_is_sent_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    drop(SqliteStore::open(&file).unwrap());
    let shell = rusqlite::Connection::open(&file).unwrap();
    shell
        .execute_batch(
            "CREATE TRIGGER refused BEFORE UPDATE OF state ON outbox
             WHEN OLD.id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let mailer = Arc::new(Slow::default());
    let auth = with_three(&file, Arc::clone(&mailer)).await;
    let sent = async |state| {
        let rows = auth.store().outbox(Some(state), None, 10).await.unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    eventually("the others are sent", async || sent(MailState::Sent).await.len() == 2).await;
    assert_eq!(sent(MailState::Waiting).await, [1]);
    shell.execute_batch("DROP TRIGGER refused").unwrap();
    eventually("it is told", async || sent(MailState::Sent).await.len() == 3).await;
    assert_eq!(mailer.begun.load(Ordering::Relaxed), 3);
}
