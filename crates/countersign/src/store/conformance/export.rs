//! What is promised of what is kept about a user, for the user.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::fixtures::{after, make_user, new_session, new_user, noon, session_id};
use crate::clock::OsRandom;
use crate::factor::FactorId;
use crate::session::{NewSession, RevokedReason, SessionId};
use crate::sign_in::{FactorKind, Methods};
use crate::store::admin::{AdminSession, AdminStore, AuditKind, AuditLine, Who};
use crate::store::{
    CheckedRow, ConfirmFactor, Confirmed, Kept, KeptKind, KeptPlace, MailBounds, NewFactor,
    NewMail, NewToken,
};
use crate::token::{OneTimeToken, Purpose};
use crate::user::{NewUser, User, UserId};

pub async fn everything_about_a_user_comes_once_page_by_page_and_nothing_of_others(
    store: Arc<dyn AdminStore>,
) {
    let (ada, bob) = (staff(&*store, "ada").await, staff(&*store, "bob").await);
    for (user, first) in [(&ada, 1), (&bob, 101)] {
        fill(&*store, user, first).await;
    }
    for kind in KeptKind::ALL {
        let mut met = HashSet::new();
        let mut after: Option<KeptPlace> = None;
        loop {
            let page = store.kept(ada.id, kind, after, 2).await.unwrap();
            for (place, kept) in &page {
                assert!(after.is_none_or(|after| after < *place), "{kind:?}");
                assert!(met.insert(name(kept, ada.id)), "{kind:?} comes twice");
                after = Some(*place);
            }
            if page.len() < 2 {
                break;
            }
        }
        assert_eq!(met.len(), 5, "{kind:?}: {met:?}");
    }
    let stranger = UserId::new(4711);
    for kind in KeptKind::ALL {
        assert!(store.kept(stranger, kind, None, 10).await.unwrap().is_empty());
    }
}

pub async fn sessions_that_ended_are_kept_beside_those_that_live(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    for id in 1..=4 {
        assert!(store.create_session(new_session(id, ada.id)).await.unwrap());
    }
    for id in [2, 3] {
        let (id, reason) = (session_id(id), RevokedReason::Logout);
        assert!(store.revoke_session(id, None, reason, after(1)).await.unwrap());
    }
    let kept = store.kept(ada.id, KeptKind::Session, None, 10).await.unwrap();
    let ended = kept.iter().map(|(_, kept)| match kept {
        Kept::Session(session) => (session.id, session.revoked.is_some()),
        other => panic!("{other:?}"),
    });
    let ids = [(1, false), (2, true), (3, true), (4, false)];
    assert_eq!(ended.collect::<Vec<_>>(), ids.map(|(id, ended)| (session_id(id), ended)));
}

async fn staff(store: &dyn AdminStore, name: &str) -> User {
    let new = NewUser { is_staff: true, ..new_user(name, &format!("{name}@example.com")) };
    store.create_user(new, noon()).await.unwrap()
}

/// Five of each kind.
async fn fill(store: &dyn AdminStore, user: &User, first: u64) {
    let password = store.password_of(user.id).await.unwrap().unwrap();
    for n in 0..5 {
        let id = first + n;
        let at = after(n.cast_signed());
        let session = NewSession { created_at: at, ..new_session(id, user.id) };
        assert!(store.create_session(session).await.unwrap());
        let token = OneTimeToken::draw(&OsRandom);
        let purpose = Purpose::ALL[usize::try_from(n).unwrap()];
        let new =
            NewToken { user: Some(user.id), ..NewToken::new(&token, purpose, noon(), after(600)) };
        let id = id.cast_signed();
        let mail = NewMail { user: Some(user.id), ..NewMail::new(id, &user.email, vec![1], at) };
        store.issue_token(new, vec![mail], MailBounds::default()).await.unwrap();
        let admin = AdminSession {
            token_hash: [u8::try_from(id).unwrap(); 32],
            user: user.id,
            created_at: at,
            used_at: at,
            password_at: at,
            ip: None,
            user_agent: format!("browser {id}"),
        };
        let factors = store.factors_of(user.id).await.unwrap().version;
        let row = CheckedRow { factors, ..CheckedRow::new(password.clone()) };
        assert!(store.begin_admin_session(&admin, &row).await.unwrap());
        // Some are of one moment.
        enrol(store, user.id, session_id(first), after(n.cast_signed() / 2)).await;
        store
            .note(&[AuditLine {
                // Some are of one moment.
                at: after(n.cast_signed() / 2),
                kind: AuditKind::Login,
                actor: Some(Who::User(user.id)),
                user: Some(user.id),
                session: None,
                ip: None,
                detail: format!("line {id}"),
            }])
            .await
            .unwrap();
    }
}

async fn enrol(store: &dyn AdminStore, user: UserId, session: SessionId, at: Timestamp) {
    let (id, kind, created_at) = (FactorId::draw(&OsRandom), FactorKind::Totp, at);
    let new = NewFactor { id, user, kind, name: None, sealed: vec![1], created_at };
    store.offer_factor(new).await.unwrap();
    let confirm = ConfirmFactor {
        id,
        user,
        step: 59_000_000,
        offered_after: Timestamp::MIN,
        codes: Vec::new(),
        session,
        methods: Methods::from_words("otp"),
        now: at,
        mails: Vec::new(),
    };
    let confirmed = store.confirm_factor(confirm).await.unwrap();
    assert!(matches!(confirmed, Confirmed::Done { .. }), "{confirmed:?}");
}

/// What it is, if it is the user's.
fn name(kept: &Kept, owner: UserId) -> String {
    match kept {
        Kept::Session(session) => {
            assert_eq!(session.user_id, owner);
            session.id.to_string()
        }
        Kept::AdminSession(session) => session.user_agent.clone(),
        Kept::Factor(factor) => factor.id.to_string(),
        Kept::Token(token) => {
            assert_eq!(token.user, Some(owner));
            token.purpose.as_str().to_owned()
        }
        Kept::Mail(mail) => {
            assert_eq!(mail.user, Some(owner));
            mail.id.to_string()
        }
        Kept::Line(row) => {
            assert_eq!(row.line.user, Some(owner));
            row.line.detail.clone()
        }
    }
}
