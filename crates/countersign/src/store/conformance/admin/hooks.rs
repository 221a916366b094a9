//! What is promised of web hooks.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{as_is, root};
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::admin::{
    Actor, AdminError, AdminStore, AuditKind, ClaimedHookMessage, Grants, HOOK_EVENTS,
    HookMessageRow, HookMessageState, HookWants, UserAct, UserEdit,
};
use crate::store::conformance::fixtures::{
    after, make_user, new_session, new_user, noon, session_id,
};
use crate::store::{Begin, DeletionAsked, SelfDeletion};
use crate::user::{Email, User};

pub async fn an_act_is_queued_once_for_each_hook_that_wants_it_and_for_no_other(
    store: Arc<dyn AdminStore>,
) {
    make_user(&*store, "before").await;
    let hooks = [("all", &HOOK_EVENTS[..]), ("gone", &["user.deleted"][..])];
    wanted(&*store, &hooks).await;
    let ada = make_user(&*store, "ada").await;
    assert_eq!(events(&claim(&*store, "all", soon()).await), ["user.created"]);
    assert!(store.delete_user(ada.id, noon()).await.unwrap());
    let told = claim(&*store, "gone", soon()).await;
    assert_eq!(events(&told), ["user.deleted"]);
    let id: i64 = told[0].data["user"]["id"].as_i64().unwrap();
    assert_eq!((id, &told[0].data["user"]["username"]), (ada.id.as_i64().unwrap(), &"ada".into()));
    assert_eq!(told[0].data["user"].as_object().unwrap().len(), 2, "nothing else of who is gone");
    // Nobody wants anything any more.
    wanted(&*store, &[]).await;
    make_user(&*store, "later").await;
    assert!(
        claim(&*store, "all", after_a_lease())
            .await
            .iter()
            .all(|m| m.event != "user.created" || m.data["user"]["username"] == "ada")
    );
    assert!(store.hooks().await.unwrap().is_empty());
}

pub async fn each_act_is_told_by_its_name_and_without_a_secret(store: Arc<dyn AdminStore>) {
    wanted(&*store, &[("all", &HOOK_EVENTS)]).await;
    let ada = make_user(&*store, "ada").await;
    assert_eq!(told(&*store).await, ["user.created"]);
    // The hash of the same password made anew is nothing to tell.
    let old = store.password_of(ada.id).await.unwrap().unwrap();
    let new = EncodedPassword::from_stored("argon2$argon2id$v=19$m=65,t=1,p=1$c2E$aGE".to_owned());
    assert!(store.upgrade_password(ada.id, &old, &new).await.unwrap());
    assert_eq!(told(&*store).await, [""; 0]);
    assert!(store.reset_password(ada.id, &EncodedPassword::unusable(), noon()).await.unwrap());
    assert_eq!(told(&*store).await, ["password.changed"]);

    let known = Begin::unchecked(new_session(1, ada.id));
    store.begin_session(known).await.unwrap();
    assert_eq!(told(&*store).await, [""; 0], "a login on a known device is nothing to tell");
    let unknown = Begin { is_new_device: true, ..Begin::unchecked(new_session(2, ada.id)) };
    store.begin_session(unknown).await.unwrap();
    let message = claim(&*store, "all", soon()).await.remove(0);
    assert_eq!(message.event, "login.new_device");
    assert_eq!(message.data["session"]["id"], "0000000000000002");
    assert_eq!(message.data["session"]["created_at"], "2026-06-01T12:00:00Z");
    assert_eq!(message.data["user"]["email"], "ada@example.com");
    store.hook_message_sent(message.number, soon()).await.unwrap();

    let end = async |id, reason| {
        store.revoke_session(session_id(id), None, reason, after(1)).await.unwrap();
    };
    end(1, RevokedReason::Logout).await;
    assert_eq!(told(&*store).await, ["session.ended"]);
    end(2, RevokedReason::TokenTheft).await;
    assert_eq!(told(&*store).await, ["session.theft", "session.ended"]);

    let email = Some(Email::parse("ada@example.org").unwrap());
    let edit = UserEdit { email, is_staff: true, ..as_is(&ada) };
    let ada = edited(&*store, &ada, &edit).await;
    assert_eq!(told(&*store).await, ["address.changed", "user.changed"]);
    store.mark_verified(&[(ada.id, ada.email.clone())], &root()).await.unwrap();
    assert_eq!(told(&*store).await, ["user.verified", "user.changed"]);
    let ada = store.user_by_id(ada.id).await.unwrap().unwrap();
    let ada = edited(&*store, &ada, &as_is(&ada)).await;
    assert_eq!(told(&*store).await, [""; 0], "an edit that changes nothing");
    store.act_on_users(&[ada.id], UserAct::Deactivate, &root()).await.unwrap();
    assert_eq!(told(&*store).await, ["user.deactivated", "user.changed"]);
    assert!(store.delete_user(ada.id, noon()).await.unwrap());
    assert_eq!(told(&*store).await, ["user.deleted"]);
}

pub async fn a_change_that_follows_one_that_waits_takes_its_place(store: Arc<dyn AdminStore>) {
    let editors = store.save_group(None, "editors", &[], None, &root()).await.unwrap();
    wanted(&*store, &[("all", &["user.created", "user.changed"])]).await;
    let grants = Grants { groups: vec![editors], ..Grants::default() };
    let ada = store.add_user(new_user("ada", ""), &grants, &root()).await.unwrap();
    let edit = UserEdit { first_name: "Ada".to_owned(), ..as_is(&ada) };
    let ada = edited(&*store, &ada, &edit).await;
    let made = claim(&*store, "all", soon()).await;
    assert_eq!(events(&made), ["user.created"]);
    assert_eq!(made[0].data["user"]["first_name"], "Ada");
    assert_eq!(made[0].data["user"]["groups"], serde_json::json!(["editors"]));
    // What somebody sends already stays as it is.
    for name in ["Augusta", "A."] {
        let ada = store.user_by_id(ada.id).await.unwrap().unwrap();
        edited(&*store, &ada, &UserEdit { first_name: name.to_owned(), ..as_is(&ada) }).await;
    }
    store.hook_message_sent(made[0].number, soon()).await.unwrap();
    let changed = claim(&*store, "all", soon()).await;
    assert_eq!(events(&changed), ["user.changed"]);
    assert_eq!(changed[0].data["user"]["first_name"], "A.");
    assert_ne!(changed[0].id, made[0].id);
    store.hook_message_sent(changed[0].number, soon()).await.unwrap();
    assert!(claim(&*store, "all", after_a_lease()).await.is_empty());
}

pub async fn what_is_about_one_user_goes_in_its_order_and_holds_up_nobody_else(
    store: Arc<dyn AdminStore>,
) {
    wanted(&*store, &[("all", &HOOK_EVENTS)]).await;
    let (ada, bob) = (make_user(&*store, "ada").await, make_user(&*store, "bob").await);
    for user in [&ada, &bob] {
        store.reset_password(user.id, &EncodedPassword::unusable(), noon()).await.unwrap();
    }
    let now = soon();
    let first = claim(&*store, "all", now).await;
    assert_eq!(events(&first), ["user.created", "user.created"]);
    assert!(claim(&*store, "all", soon()).await.is_empty(), "the next of each waits");
    let later = now + SignedDuration::from_secs(300);
    store.hook_message_put_off(first[0].number, now, later, "it answers 500").await.unwrap();
    store.hook_message_sent(first[1].number, soon()).await.unwrap();
    let second = claim(&*store, "all", soon()).await;
    assert_eq!(events(&second), ["password.changed"]);
    assert_eq!(second[0].data["user"]["username"], "bob");
    store.hook_message_sent(second[0].number, soon()).await.unwrap();
    // What comes now waits behind the one that was put off, and is not looked at before it.
    store.delete_user(ada.id, noon()).await.unwrap();
    assert_eq!(store.next_hook_message("all").await.unwrap(), Some(later));
    assert!(claim(&*store, "all", later - SignedDuration::from_secs(1)).await.is_empty());
    for expected in ["user.created", "password.changed", "user.deleted"] {
        let next = claim(&*store, "all", later).await;
        assert_eq!(events(&next), [expected]);
        if expected == "user.created" {
            assert_eq!((next[0].tries, next[0].tried_since), (1, Some(now)));
            assert_eq!(next[0].id, first[0].id, "it is the same message");
        }
        store.hook_message_sent(next[0].number, later).await.unwrap();
    }
    assert_eq!(store.next_hook_message("all").await.unwrap(), None);
}

pub async fn nobody_looks_through_what_waits_behind_the_first_message_of_a_user(
    store: Arc<dyn AdminStore>,
) {
    wanted(&*store, &[("all", &["user.created", "password.changed"])]).await;
    let ada = make_user(&*store, "ada").await;
    for _ in 0..50 {
        store.reset_password(ada.id, &EncodedPassword::unusable(), noon()).await.unwrap();
    }
    make_user(&*store, "bob").await;
    let now = soon();
    let first = store.claim_hook_messages("all", now, now + LEASE, 2).await.unwrap();
    let names = first.iter().map(|m| m.data["user"]["username"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["ada", "bob"]);
    for message in &first {
        store.hook_message_sent(message.number, now).await.unwrap();
    }
    // A line that was put off is due once, whatever waits in it, and goes on when it is given up.
    let next = claim(&*store, "all", now).await;
    assert_eq!(events(&next), ["password.changed"], "bob's is empty");
    let later = now + SignedDuration::from_secs(600);
    store.hook_message_put_off(next[0].number, now, later, "it answers 500").await.unwrap();
    assert_eq!(store.next_hook_message("all").await.unwrap(), Some(later));
    assert!(claim(&*store, "all", later - SignedDuration::from_secs(1)).await.is_empty());
    store.hook_is_back("all", now).await.unwrap();
    let again = claim(&*store, "all", now).await;
    assert_eq!(again[0].number, next[0].number);
    store.hook_message_given_up(again[0].number, now, "it answers 422").await.unwrap();
    let mut left = 0;
    while let Some(next) = claim(&*store, "all", now).await.into_iter().next() {
        assert!(next.number > again[0].number);
        store.hook_message_sent(next.number, now).await.unwrap();
        left += 1;
    }
    assert_eq!(left, 49);
    assert_eq!(store.next_hook_message("all").await.unwrap(), None);
    // What comes after a line has ended begins one.
    store.delete_user(ada.id, noon()).await.unwrap();
    let (eve, bob) = (make_user(&*store, "eve").await, "bob");
    let bob = store.user_by_login(bob).await.unwrap().unwrap();
    store.reset_password(bob.user.id, &EncodedPassword::unusable(), noon()).await.unwrap();
    let both = claim(&*store, "all", soon()).await;
    assert_eq!(events(&both), ["user.created", "password.changed"], "{eve:?}");
}

pub async fn a_message_that_is_sent_again_waits_for_no_later_one(store: Arc<dyn AdminStore>) {
    wanted(&*store, &[("all", &["user.created", "password.changed"])]).await;
    let ada = make_user(&*store, "ada").await;
    store.reset_password(ada.id, &EncodedPassword::unusable(), noon()).await.unwrap();
    let now = soon();
    let first = claim(&*store, "all", now).await;
    store.hook_message_given_up(first[0].number, now, "it answers 422").await.unwrap();
    let second = claim(&*store, "all", now).await;
    assert_eq!(events(&second), ["password.changed"]);
    store.replay_hook("all", None, &Actor { now, ..root() }).await.unwrap();
    let later = now + SignedDuration::from_hours(8);
    store.hook_message_put_off(second[0].number, now, later, "it answers 500").await.unwrap();
    let again = claim(&*store, "all", now).await;
    assert_eq!(again[0].id, first[0].id);
    store.hook_message_sent(again[0].number, now).await.unwrap();
    assert!(claim(&*store, "all", now).await.is_empty());
    assert_eq!(events(&claim(&*store, "all", later).await), ["password.changed"]);
}

pub async fn a_hook_that_is_paused_gets_nothing_until_it_is_replayed(store: Arc<dyn AdminStore>) {
    wanted(&*store, &[("all", &["user.created"]), ("other", &["user.created"])]).await;
    for name in ["ada", "bob", "eve"] {
        make_user(&*store, name).await;
    }
    let all = claim(&*store, "all", soon()).await;
    store.hook_message_sent(all[0].number, soon()).await.unwrap();
    store.hook_message_given_up(all[1].number, soon(), "it answers 422").await.unwrap();
    store.hook_message_put_off(all[2].number, soon(), soon(), "no connection").await.unwrap();
    assert!(store.pause_hook("all", noon(), "it took nothing").await.unwrap());
    assert!(!store.pause_hook("all", noon(), "twice").await.unwrap());
    assert!(claim(&*store, "all", after_a_lease()).await.is_empty());
    assert_eq!(store.next_hook_message("all").await.unwrap(), None);
    assert_eq!(claim(&*store, "other", soon()).await.len(), 3, "the other hook goes on");
    let states = store.hooks().await.unwrap();
    let all_state = &states[0];
    assert_eq!((all_state.hook.as_str(), states.len()), ("all", 2));
    assert_eq!(all_state.paused, Some((noon(), "it took nothing".to_owned())));
    assert_eq!((all_state.waiting, all_state.failed), (1, 1));
    assert_eq!(all_state.error, "no connection");
    assert!(all_state.last_sent.is_some());

    let by = Actor { now: soon(), ..root() };
    assert_eq!(store.replay_hook("all", None, &by).await.unwrap(), 1, "what was given up");
    let again = claim(&*store, "all", by.now).await;
    assert_eq!(again.iter().map(|m| (m.tries, m.tried_since)).collect::<Vec<_>>(), [(0, None); 2]);
    let since = Timestamp::UNIX_EPOCH;
    assert_eq!(store.replay_hook("all", Some(since), &by).await.unwrap(), 1, "what was sent");
    let ids = |messages: &[ClaimedHookMessage]| {
        messages.iter().map(|message| message.id.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(claim(&*store, "all", by.now).await.len(), 1, "the others are under way");
    assert_eq!(ids(&claim(&*store, "all", after_a_lease()).await), ids(&all));
    assert!(matches!(store.replay_hook("none", None, &by).await, Err(AdminError::Gone)));
    let lines = super::audit_lines(&*store).await;
    let replayed = AuditKind::HookReplayed.as_str();
    assert_eq!(lines.iter().filter(|(word, _)| word == replayed).count(), 2);
}

pub async fn a_change_while_a_message_that_is_replayed_is_under_way_is_told(
    store: Arc<dyn AdminStore>,
) {
    wanted(&*store, &[("all", &["user.created", "user.changed"])]).await;
    let ada = make_user(&*store, "ada").await;
    let made = claim(&*store, "all", soon()).await;
    store.replay_hook("all", None, &Actor { now: soon(), ..root() }).await.unwrap();
    assert!(claim(&*store, "all", soon()).await.is_empty(), "it is not sent twice at a time");
    edited(&*store, &ada, &UserEdit { first_name: "Augusta".to_owned(), ..as_is(&ada) }).await;
    store.hook_message_sent(made[0].number, soon()).await.unwrap();
    let changed = claim(&*store, "all", soon()).await;
    assert_eq!(events(&changed), ["user.changed"]);
    assert_eq!(changed[0].data["user"]["first_name"], "Augusta");
}

pub async fn nothing_is_told_of_a_user_behind_their_deletion(store: Arc<dyn AdminStore>) {
    wanted(&*store, &[("all", &HOOK_EVENTS)]).await;
    for (number, name) in [(1, "ada"), (2, "bob"), (3, "eve")] {
        let user = make_user(&*store, name).await;
        store.begin_session(Begin::unchecked(new_session(number, user.id))).await.unwrap();
        let (session, now) = (session_id(number), after(1));
        match number {
            1 => assert!(store.delete_user(user.id, now).await.unwrap()),
            2 => {
                let by = Actor { now, ..root() };
                store.act_on_users(&[user.id], UserAct::Delete, &by).await.unwrap();
            }
            _ => {
                let checked = store.password_of(user.id).await.unwrap().unwrap();
                let asked = SelfDeletion {
                    user: user.id,
                    session,
                    checked,
                    at: None,
                    now,
                    ip: None,
                    mails: Vec::new(),
                };
                assert_eq!(store.ask_deletion(asked).await.unwrap(), DeletionAsked::Done);
            }
        }
        assert_eq!(told(&*store).await, ["user.created", "session.ended", "user.deleted"]);
    }
}

pub async fn what_waits_and_what_was_done_is_read_in_pages_without_what_it_says(
    store: Arc<dyn AdminStore>,
) {
    wanted(&*store, &[("all", &["user.created"]), ("other", &["user.created"])]).await;
    let mut users = Vec::new();
    for name in ["ada", "bob", "eve", "joe", "kim"] {
        users.push(make_user(&*store, name).await.id);
    }
    let all = claim(&*store, "all", soon()).await;
    let due = soon() + LEASE;
    store.hook_message_sent(all[0].number, soon()).await.unwrap();
    store.hook_message_given_up(all[1].number, soon(), "it answers 422").await.unwrap();
    for message in &all[2..] {
        store.hook_message_put_off(message.number, soon(), due, "no connection").await.unwrap();
    }
    let (mut before, mut waiting) = (None, Vec::new());
    loop {
        let page = store.hook_messages("all", HookMessageState::Waiting, before, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        before = Some((last.due_at, last.number));
        waiting.extend(page);
    }
    let ids = |rows: &[HookMessageRow]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
    let expected: Vec<_> = all[2..].iter().rev().map(|message| message.id.clone()).collect();
    assert_eq!(ids(&waiting), expected, "of those due at once the newest first");
    let last = &waiting[0];
    assert_eq!((last.event.as_str(), last.user), ("user.created", users[4]));
    assert_eq!((last.due_at, last.tries, last.error.as_str()), (due, 1, "no connection"));
    for (state, message) in [(HookMessageState::Sent, &all[0]), (HookMessageState::Failed, &all[1])]
    {
        let rows = store.hook_messages("all", state, None, 9).await.unwrap();
        assert_eq!((rows.len(), &rows[0].id), (1, &message.id), "{state:?}");
        assert_eq!(rows[0].created_at, message.created_at);
    }
    let other = store.hook_messages("other", HookMessageState::Waiting, None, 9).await.unwrap();
    assert_eq!(other.len(), 5);
    let none = store.hook_messages("none", HookMessageState::Waiting, None, 9).await.unwrap();
    assert!(none.is_empty());
}

pub async fn what_was_sent_about_a_user_is_forgotten_with_them_and_all_of_it_with_its_age(
    store: Arc<dyn AdminStore>,
) {
    wanted(&*store, &[("all", &HOOK_EVENTS)]).await;
    let (ada, bob) = (make_user(&*store, "ada").await, make_user(&*store, "bob").await);
    let sent = claim(&*store, "all", soon()).await;
    store.hook_message_sent(sent[0].number, soon()).await.unwrap();
    store.reset_password(bob.id, &EncodedPassword::unusable(), noon()).await.unwrap();
    store.delete_user(ada.id, noon()).await.unwrap();
    store.delete_user(bob.id, noon()).await.unwrap();
    // Of ada, whose making was sent, the deletion alone is left; bob's waits, and goes behind it.
    loop {
        let next = claim(&*store, "all", after_a_lease()).await;
        if next.is_empty() {
            break;
        }
        for message in next {
            store.hook_message_sent(message.number, soon()).await.unwrap();
        }
    }
    let by = Actor { now: soon(), ..root() };
    let kept = store.replay_hook("all", Some(Timestamp::UNIX_EPOCH), &by).await.unwrap();
    assert_eq!(kept, 2);
    let kept = claim(&*store, "all", by.now).await;
    assert_eq!(events(&kept), ["user.deleted", "user.deleted"]);

    store.hook_message_sent(kept[0].number, soon()).await.unwrap();
    let never = Timestamp::UNIX_EPOCH;
    assert_eq!(store.prune_hook_messages(never, never, 10).await.unwrap(), 0);
    assert_eq!(store.prune_hook_messages(after_a_lease(), never, 10).await.unwrap(), 1);
    assert_eq!(store.prune_hook_messages(after_a_lease(), after_a_lease(), 10).await.unwrap(), 1);
}

pub async fn of_two_nodes_each_message_is_taken_by_one_and_again_when_it_died(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let [here, there] = nodes;
    let everything = [("all", &["user.created", "password.changed"][..])];
    // Both nodes start at once.
    tokio::join!(wanted(&*here, &everything), wanted(&*there, &everything));
    for number in 0..30 {
        let user = make_user(&*here, &format!("user{number}")).await;
        here.reset_password(user.id, &EncodedPassword::unusable(), noon()).await.unwrap();
    }
    let take = async |store: Arc<dyn AdminStore>| {
        let mut taken = Vec::new();
        loop {
            let some = store.claim_hook_messages("all", soon(), after_a_lease(), 3).await.unwrap();
            if some.is_empty() {
                return taken;
            }
            taken.extend(some);
        }
    };
    let (one, other) = tokio::join!(tokio::spawn(take(here.clone())), tokio::spawn(take(there)));
    let taken = [one.unwrap(), other.unwrap()].concat();
    assert!(taken.iter().all(|message| message.event == "user.created"), "the first of each");
    let numbers: BTreeSet<_> = taken.iter().map(|message| message.number).collect();
    assert_eq!((taken.len(), numbers.len()), (30, 30));
    // Whoever had them died.
    let again =
        here.claim_hook_messages("all", after_a_lease(), after_a_lease(), 100).await.unwrap();
    assert_eq!(again.iter().map(|message| message.number).collect::<BTreeSet<_>>(), numbers);
}

pub async fn what_comes_while_the_last_message_of_a_user_is_sent_is_not_forgotten(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    const ACTS: usize = 100;
    let [here, there] = nodes;
    wanted(&*here, &[("all", &["password.changed"])]).await;
    let ada = make_user(&*here, "ada").await.id;
    let acts = tokio::spawn(async move {
        for _ in 0..ACTS {
            here.reset_password(ada, &EncodedPassword::unusable(), noon()).await.unwrap();
        }
    });
    let mut sent = BTreeSet::new();
    loop {
        let all_is_done = acts.is_finished();
        let taken = claim(&*there, "all", soon()).await;
        if taken.is_empty() && all_is_done {
            break;
        }
        assert!(taken.len() <= 1, "one at a time");
        for message in taken {
            there.hook_message_sent(message.number, soon()).await.unwrap();
            assert!(sent.last() < Some(&message.number), "in their order");
            sent.insert(message.number);
        }
    }
    acts.await.unwrap();
    assert_eq!(sent.len(), ACTS);
}

async fn wanted(store: &dyn AdminStore, hooks: &[(&str, &[&str])]) {
    let hooks = hooks.iter().map(|(hook, events)| HookWants {
        hook: (*hook).to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
    });
    store.set_hooks(hooks.collect()).await.unwrap();
}

/// What is due, for a minute.
async fn claim(store: &dyn AdminStore, hook: &str, now: Timestamp) -> Vec<ClaimedHookMessage> {
    store.claim_hook_messages(hook, now, now + LEASE, 100).await.unwrap()
}

/// Sends all that is due for the hook "all": the events. A secret is in none.
async fn told(store: &dyn AdminStore) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(next) = claim(store, "all", soon()).await.into_iter().next() {
        let said = next.data.to_string();
        assert!(!said.contains("argon2") && !said.contains("password"), "{said}");
        store.hook_message_sent(next.number, soon()).await.unwrap();
        told.push(next.event);
    }
    told
}

fn events(messages: &[ClaimedHookMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.event.as_str()).collect()
}

async fn edited(store: &dyn AdminStore, user: &User, edit: &UserEdit) -> User {
    let seen = store.user_record(user.id).await.unwrap().unwrap().fingerprint;
    store.edit_user_and_tell(user.id, edit, seen, &root(), Vec::new()).await.unwrap()
}

/// Databases date what they queue themselves: behind now.
fn soon() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + 5).unwrap()
}

fn after_a_lease() -> Timestamp {
    soon() + LEASE + LEASE
}

const LEASE: SignedDuration = SignedDuration::from_secs(60);
