//! What is promised of passkeys: a challenge serves once, a count never goes back, and no two users
//! have the same.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::factors::{code_hash, count, user_with_session};
use super::fixtures::{after, new_session, noon, session_id};
use crate::clock::OsRandom;
use crate::factor::FactorId;
use crate::session::{NewSession, RevokedReason, SessionId};
use crate::sign_in::{FactorKind, Factors, Methods, Scope};
use crate::store::admin::AdminStore;
use crate::store::{
    AddPasskey, Begin, Begun, CHALLENGES_AT_MOST, Confirmed, FactorProof, FactorUse, NewFactor,
    NewRecoveryCode, PasskeyChallenge, RemoveFactor, Removed, StepUp, SteppedUp,
};
use crate::user::{User, UserId};

pub async fn a_challenge_is_kept_until_its_time_is_over(store: Arc<dyn AdminStore>) {
    let kept = challenge(&*store, UserId::new(7)).await;
    assert_eq!(store.challenge(kept.id, noon()).await.unwrap(), Some(kept.clone()));
    let just_before = kept.expires_at - Duration::from_micros(1);
    assert!(store.challenge(kept.id, just_before).await.unwrap().is_some());
    assert_eq!(store.challenge(kept.id, kept.expires_at).await.unwrap(), None);
    assert_eq!(store.challenge(FactorId::draw(&OsRandom), noon()).await.unwrap(), None);
    challenge(&*store, UserId::new(8)).await;
    assert_eq!(store.prune_challenges(kept.expires_at, 10).await.unwrap(), 0);
    let later = kept.expires_at + Duration::from_micros(1);
    assert_eq!(store.prune_challenges(later, 1).await.unwrap(), 1);
    assert_eq!(store.prune_challenges(later, 10).await.unwrap(), 1);
}

pub async fn a_passkey_is_enrolled_once_and_brings_codes_with_the_first_factor(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (bob, of_bob) = user_with_session(&*store, "bob", 2).await;
    let first = new(&*store, ada.id, own, 1).await;
    let Confirmed::Done { are_codes_new: true, authentication } =
        store.add_passkey(first.clone()).await.unwrap()
    else {
        panic!("a passkey that has signed is not enrolled");
    };
    assert_eq!(authentication.methods, Methods::from_words("hwk mfa"));
    assert_eq!((authentication.at, authentication.scope), (after(10), Scope::Full));
    assert_eq!(store.session(own).await.unwrap().unwrap().authentication, authentication);
    let has = store.factors_of(ada.id).await.unwrap();
    assert_eq!(has.enrolled(), Factors::of([FactorKind::Passkey, FactorKind::RecoveryCode]));
    let factor = &has.factors[0];
    assert_eq!((factor.last_step, factor.last_used_at), (Some(0), None));
    assert_eq!((factor.credential.as_deref(), factor.is_backed_up), (Some(&[1][..]), Some(true)));
    let owner = store.passkey_owner(vec![1]).await.unwrap().unwrap();
    assert_eq!((owner.user, owner.factors.version), (ada.id, has.version));
    assert_eq!(owner.factors.factors[0].credential, has.factors[0].credential);
    let row = owner.row.unwrap();
    assert_eq!((row.user.username.as_str(), row.deletion_at), ("ada", None));
    let password = store.password_of(ada.id).await.unwrap().unwrap();
    assert_eq!(row.password.as_str(), password.as_str());
    assert!(store.passkey_owner(vec![2]).await.unwrap().is_none());
    // The challenge is used, and the passkey is somebody's.
    let again = AddPasskey { credential: vec![2], factor: factor_of(ada.id), ..first };
    assert_eq!(store.add_passkey(again).await.unwrap(), Confirmed::Unknown);
    let same = new(&*store, bob.id, of_bob, 1).await;
    assert_eq!(store.add_passkey(same).await.unwrap(), Confirmed::Taken);
    let second = store.add_passkey(new(&*store, ada.id, own, 2).await).await.unwrap();
    assert!(matches!(second, Confirmed::Done { are_codes_new: false, .. }));
    let late = new(&*store, bob.id, of_bob, 3).await;
    store.revoke_session(of_bob, None, RevokedReason::Logout, after(1)).await.unwrap();
    assert_eq!(store.add_passkey(late).await.unwrap(), Confirmed::SessionEnded);
    assert_eq!(store.factors_of(bob.id).await.unwrap().version, 0);
}

pub async fn a_session_begins_with_a_passkey_once_for_each_challenge(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = enrol(&*store, ada.id, own, 1).await;
    let asked = FactorId::draw(&OsRandom);
    let signed = signed(&*store, &ada, 10, proof(id, asked, 1)).await;
    let other_factors = Begin { factors: 0, ..signed.clone() };
    assert_eq!(store.begin_session(other_factors).await.unwrap(), Begun::UserChanged);
    assert!(matches!(store.begin_session(signed.clone()).await.unwrap(), Begun::Done { .. }));
    let factor = store.factors_of(ada.id).await.unwrap().factors.remove(0);
    assert_eq!((factor.last_step, factor.is_backed_up), (Some(1), Some(false)));
    assert_eq!(factor.last_used_at, Some(noon()));
    let another = NewSession { id: session_id(11), ..signed.session.clone() };
    let again = Begin { session: another, factor: uses(proof(id, asked, 2)), ..signed };
    assert_eq!(store.begin_session(again).await.unwrap(), Begun::FactorUsed);
    // Too late, and of nobody's passkey.
    let draw = || FactorId::draw(&OsRandom);
    let old = FactorProof::Passkey {
        id,
        challenge: draw(),
        until: noon(),
        count: 3,
        is_backed_up: false,
    };
    for (number, proof) in [(12, old), (13, proof(draw(), draw(), 3))] {
        let begin = self::signed(&*store, &ada, number, proof).await;
        assert_eq!(store.begin_session(begin).await.unwrap(), Begun::FactorUsed, "{number}");
    }
    // What was used is known until its time is over, and is no challenge that was kept.
    let kept = challenge(&*store, UserId::new(7)).await;
    for (id, is_used) in [(asked, true), (kept.id, false), (draw(), false)] {
        assert_eq!(store.is_challenge_used(id).await.unwrap(), is_used);
    }
    assert_eq!(store.challenge(asked, noon()).await.unwrap(), None);
    assert_eq!(store.prune_challenges(after(300), 10).await.unwrap(), 0);
    assert_eq!(store.prune_challenges(after(301), 10).await.unwrap(), 2);
}

pub async fn of_one_user_the_newest_few_challenges_are_kept(store: Arc<dyn AdminStore>) {
    let keep = async |user: i64, second: i64| {
        let (id, state, expires_at) = (FactorId::draw(&OsRandom), vec![7], after(300 + second));
        let new = PasskeyChallenge { id, user: UserId::new(user), state, expires_at };
        store.keep_challenge(new).await.unwrap();
        id
    };
    let of_another = keep(8, 0).await;
    let mut asked = Vec::new();
    for second in 0..20 {
        asked.push(keep(7, second).await);
    }
    let is_kept = async |id| store.challenge(id, noon()).await.unwrap().is_some();
    let few = asked.len() - CHALLENGES_AT_MOST as usize;
    for (number, id) in asked.into_iter().enumerate() {
        assert_eq!(is_kept(id).await, number >= few, "{number}");
    }
    assert!(is_kept(of_another).await);
    // The new one is kept, whatever is asked for in the same moment, or on a node that is ahead.
    for _ in 0..10 {
        let new = keep(7, -100).await;
        assert!(is_kept(new).await);
    }
    assert_eq!(store.prune_challenges(after(1_000), 100).await.unwrap(), 5);
}

pub async fn the_count_of_a_passkey_goes_up_or_stays_away(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = enrol(&*store, ada.id, own, 1).await;
    let counts = [(0, true), (0, true), (5, true), (5, false), (4, false), (0, false), (6, true)];
    for (number, (count, is_good)) in (10..).zip(counts) {
        let asked = FactorId::draw(&OsRandom);
        let begin = signed(&*store, &ada, number, proof(id, asked, count)).await;
        let begun = store.begin_session(begin).await.unwrap();
        assert_eq!(matches!(begun, Begun::Done { .. }), is_good, "{number}: {begun:?}");
    }
}

pub async fn a_passkey_is_proved_again_in_a_session_with_a_challenge_of_its_own(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = enrol(&*store, ada.id, own, 1).await;
    let again = StepUp {
        session: own,
        user: ada.id,
        checked: store.password_of(ada.id).await.unwrap(),
        factors: store.factors_of(ada.id).await.unwrap().version,
        methods: Methods::from_words("hwk mfa"),
        proof: Some(proof(id, FactorId::draw(&OsRandom), 1)),
        now: after(60),
        mails: Vec::new(),
    };
    assert!(matches!(store.step_up(again.clone()).await.unwrap(), SteppedUp::Done(_)));
    assert_eq!(store.step_up(again).await.unwrap(), SteppedUp::Used);
}

pub async fn a_passkey_that_was_removed_or_whose_user_is_gone_is_nobodys(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = enrol(&*store, ada.id, own, 1).await;
    let asked = FactorId::draw(&OsRandom);
    let under_way = signed(&*store, &ada, 10, proof(id, asked, 1)).await;
    let (user, session, now, mails) = (ada.id, own, after(20), Vec::new());
    let remove = RemoveFactor { id, user, keeps_one: false, session, now, mails };
    assert_eq!(store.remove_factor(remove).await.unwrap(), Removed::Done);
    assert!(store.passkey_owner(vec![1]).await.unwrap().is_none());
    assert_eq!(store.begin_session(under_way).await.unwrap(), Begun::UserChanged);
    // It may be registered again.
    enrol(&*store, ada.id, own, 1).await;
    assert!(store.delete_user(ada.id, after(60)).await.unwrap());
    assert!(store.passkey_owner(vec![1]).await.unwrap().is_none());
}

pub async fn of_fifty_who_use_one_challenge_at_once_one_begins_a_session(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let (ada, own) = user_with_session(&*nodes[0], "ada", 1).await;
    let id = enrol(&*nodes[0], ada.id, own, 1).await;
    let asked = FactorId::draw(&OsRandom);
    let before = count(&*nodes[0], ada.id).await;
    let mut tries = JoinSet::new();
    for number in 0..50_u32 {
        let (node, ada) = (Arc::clone(&nodes[usize::from(number % 2 == 0)]), ada.clone());
        tries.spawn(async move {
            let session = 100 + u64::from(number);
            let begin = signed(&*node, &ada, session, proof(id, asked, number + 1)).await;
            matches!(node.begin_session(begin).await.unwrap(), Begun::Done { .. })
        });
    }
    let begun = tries.join_all().await.into_iter().filter(|begun| *begun).count();
    assert_eq!((begun, count(&*nodes[0], ada.id).await), (1, before + 1));
}

async fn challenge(store: &dyn AdminStore, user: UserId) -> PasskeyChallenge {
    let id = FactorId::draw(&OsRandom);
    let new = PasskeyChallenge { id, user, state: b"state".to_vec(), expires_at: after(300) };
    store.keep_challenge(new.clone()).await.unwrap();
    new
}

fn factor_of(user: UserId) -> NewFactor {
    let (id, kind, created_at): (_, _, Timestamp) =
        (FactorId::draw(&OsRandom), FactorKind::Passkey, after(10));
    NewFactor { id, user, kind, name: None, sealed: vec![1, 2, 3], created_at }
}

/// A passkey that its authenticator calls by this byte.
pub(super) async fn new(
    store: &dyn AdminStore,
    user: UserId,
    session: SessionId,
    called: u8,
) -> AddPasskey {
    let id = FactorId::draw(&OsRandom);
    AddPasskey {
        factor: factor_of(user),
        credential: vec![called],
        count: 0,
        is_backed_up: true,
        challenge: challenge(store, user).await.id,
        codes: vec![NewRecoveryCode { id, hash: code_hash(user, called) }],
        session,
        methods: Methods::from_words("hwk mfa"),
        mails: Vec::new(),
    }
}

pub(super) async fn enrol(
    store: &dyn AdminStore,
    user: UserId,
    session: SessionId,
    called: u8,
) -> FactorId {
    let new = new(store, user, session, called).await;
    let id = new.factor.id;
    let added = store.add_passkey(new).await.unwrap();
    assert!(matches!(added, Confirmed::Done { .. }), "{added:?}");
    id
}

fn proof(id: FactorId, challenge: FactorId, count: u32) -> FactorProof {
    FactorProof::Passkey { id, challenge, until: after(300), count, is_backed_up: false }
}

fn uses(proof: FactorProof) -> Option<FactorUse> {
    Some(FactorUse { pending: None, proof, mails: Vec::new() })
}

async fn signed(store: &dyn AdminStore, user: &User, number: u64, proof: FactorProof) -> Begin {
    let session = NewSession { id: session_id(number), ..new_session(1, user.id) };
    Begin {
        checked: store.password_of(user.id).await.unwrap(),
        factors: store.factors_of(user.id).await.unwrap().version,
        methods: Methods::from_words("hwk mfa"),
        factor: uses(proof),
        ..Begin::unchecked(session)
    }
}
