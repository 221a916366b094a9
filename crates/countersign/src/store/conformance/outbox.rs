//! What is promised of the outbox.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::fixtures::{after, noon};
use crate::store::admin::AdminStore;
use crate::store::{MailBounds, MailState, NewMail, OutboxCounts};

pub async fn a_mail_is_taken_when_it_is_due_and_by_one_at_a_time(store: Arc<dyn AdminStore>) {
    let mails = vec![
        NewMail { due_at: after(10), ..mail(1, "ada@example.com") },
        mail(2, "ada@example.com"),
        NewMail { is_void: true, ..mail(3, "nobody@example.com") },
    ];
    store.queue_mails(mails, MailBounds::default()).await.unwrap();
    assert_eq!(store.next_mail().await.unwrap(), Some(noon()));
    assert_eq!(claimed(&*store, noon(), after(60)).await, [2]);
    assert_eq!(claimed(&*store, noon(), after(60)).await, [0; 0]);
    assert_eq!(claimed(&*store, after(10), after(60)).await, [1]);
    // Who had it died: it is taken again when the lease is over.
    assert_eq!(claimed(&*store, after(59), after(120)).await, [0; 0]);
    assert_eq!(claimed(&*store, after(60), after(120)).await, [2, 1]);
}

pub async fn a_mail_that_was_sent_or_failed_is_not_taken_again_and_keeps_no_content(
    store: Arc<dyn AdminStore>,
) {
    let mails = (1..=3).map(|id| mail(id, "ada@example.com")).collect();
    store.queue_mails(mails, MailBounds::default()).await.unwrap();
    claimed(&*store, noon(), after(60)).await;
    store.mail_sent(1, after(1)).await.unwrap();
    store.mail_failed(2, after(1), "550 no such user").await.unwrap();
    store.mail_put_off(3, after(300), "no connection").await.unwrap();
    assert_eq!(store.outbox_counts().await.unwrap(), OutboxCounts { waiting: 1, failed: 1 });
    assert_eq!(claimed(&*store, after(299), after(400)).await, [0; 0]);
    let again = store.claim_mails(after(300), after(400), 10).await.unwrap();
    assert_eq!(again.iter().map(|mail| (mail.id, mail.tries)).collect::<Vec<_>>(), [(3, 1)]);
    assert_eq!(again[0].sealed, [3]);
    let rows = store.outbox(None, None, 10).await.unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row.id, row.state, row.tries, row.error.as_str())).collect();
    assert_eq!(
        told,
        [
            (3, MailState::Waiting, 1, "no connection"),
            (2, MailState::Failed, 1, "550 no such user"),
            (1, MailState::Sent, 1, ""),
        ]
    );
}

pub async fn mails_that_are_given_back_are_anybodys_at_once(store: Arc<dyn AdminStore>) {
    let mails = (1..=3).map(|id| mail(id, "ada@example.com")).collect();
    store.queue_mails(mails, MailBounds::default()).await.unwrap();
    assert_eq!(claimed(&*store, noon(), after(60)).await, [1, 2, 3]);
    store.give_mails_back(&[2, 3], after(60)).await.unwrap();
    let again = store.claim_mails(after(1), after(90), 10).await.unwrap();
    assert_eq!(
        again.iter().map(|mail| (mail.id, mail.tries)).collect::<Vec<_>>(),
        [(2, 0), (3, 0)]
    );
    // Whoever comes too late takes nothing from those who have it by now.
    store.give_mails_back(&[1, 2, 3], after(60)).await.unwrap();
    assert_eq!(claimed(&*store, after(2), after(120)).await, [1]);
}

pub async fn an_operator_sends_what_was_put_off_at_once(store: Arc<dyn AdminStore>) {
    store.queue_mails(vec![mail(1, "ada@example.com")], MailBounds::default()).await.unwrap();
    claimed(&*store, noon(), after(60)).await;
    store.mail_put_off(1, after(3_600), "no connection").await.unwrap();
    assert!(store.mail_due_now(1, after(5)).await.unwrap());
    assert!(!store.mail_due_now(2, after(5)).await.unwrap());
    assert_eq!(claimed(&*store, after(5), after(60)).await, [1]);
}

pub async fn an_address_gets_so_many_mails_an_hour_and_no_more(store: Arc<dyn AdminStore>) {
    let bounds = MailBounds { an_hour: 2, ..MailBounds::default() };
    for id in 1..=4 {
        store.queue_mails(vec![mail(id, "ada@example.com")], bounds).await.unwrap();
    }
    store.queue_mails(vec![mail(5, "bob@example.com")], bounds).await.unwrap();
    let later = NewMail { created_at: after(3_601), ..mail(6, "ada@example.com") };
    store.queue_mails(vec![later], bounds).await.unwrap();
    let void = store.outbox(Some(MailState::Void), None, 10).await.unwrap();
    assert_eq!(void.iter().map(|row| row.id).collect::<Vec<_>>(), [4, 3]);
    assert_eq!(claimed(&*store, after(3_601), after(3_700)).await, [1, 2, 5, 6]);
}

pub async fn the_outbox_is_walked_page_by_page(store: Arc<dyn AdminStore>) {
    let mails = (1..=7)
        .map(|id| NewMail { created_at: after(id / 2), ..mail(id, &format!("{id}@example.com")) })
        .collect();
    store.queue_mails(mails, MailBounds::default()).await.unwrap();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.outbox(Some(MailState::Waiting), before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.created_at, last.id));
        seen.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

pub async fn mails_that_are_done_are_forgotten_and_those_that_wait_are_not(
    store: Arc<dyn AdminStore>,
) {
    let mails = (1..=3).map(|id| mail(id, "ada@example.com")).collect();
    store.queue_mails(mails, MailBounds::default()).await.unwrap();
    store.mail_sent(1, after(1)).await.unwrap();
    store.mail_failed(2, after(1), "no").await.unwrap();
    assert_eq!(store.prune_mails(noon(), noon(), 10).await.unwrap(), 0);
    assert_eq!(store.prune_mails(after(1), noon(), 10).await.unwrap(), 1);
    assert_eq!(store.prune_mails(after(1), after(1), 10).await.unwrap(), 1);
    assert_eq!(store.outbox_counts().await.unwrap(), OutboxCounts { waiting: 1, failed: 0 });
}

pub async fn of_two_nodes_each_mail_is_taken_by_one([one, two]: [Arc<dyn AdminStore>; 2]) {
    let mails = (0..100).map(|id| mail(id, &format!("{id}@example.com"))).collect();
    one.queue_mails(mails, MailBounds::default()).await.unwrap();
    let takers: Vec<_> = (0..20)
        .map(|n| {
            let store = if n % 2 == 0 { Arc::clone(&one) } else { Arc::clone(&two) };
            tokio::spawn(async move { claimed_some(&*store, noon(), after(60), 10).await })
        })
        .collect();
    let (mut taken, mut all) = (0, BTreeSet::new());
    for taker in takers {
        let ids = taker.await.unwrap();
        taken += ids.len();
        all.extend(ids);
    }
    assert_eq!((taken, all.len()), (all.len(), taken), "no mail was taken twice");
    all.extend(claimed_some(&*one, noon(), after(60), 100).await);
    assert_eq!(all.len(), 100);
}

async fn claimed(store: &dyn AdminStore, now: Timestamp, until: Timestamp) -> Vec<i64> {
    claimed_some(store, now, until, 10).await
}

async fn claimed_some(
    store: &dyn AdminStore,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Vec<i64> {
    let claimed = store.claim_mails(now, until, limit).await.unwrap();
    claimed.into_iter().map(|mail| mail.id).collect()
}

fn mail(id: i64, address: &str) -> NewMail {
    NewMail::new(id, address, vec![u8::try_from(id).unwrap()], noon())
}
