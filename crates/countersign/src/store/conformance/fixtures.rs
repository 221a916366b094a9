//! What the promises take for granted: a moment, users, sessions.

use jiff::{SignedDuration, Timestamp};

use crate::password::EncodedPassword;
use crate::session::rotation::Jti;
use crate::session::{NewSession, SessionId, Transport};
use crate::store::UserStore;
use crate::user::{Email, NewUser, User, UserId, Username};

/// The moment at which every test begins.
pub fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// So many seconds after noon.
pub fn after(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

pub fn new_user(name: &str, email: &str) -> NewUser {
    let email = (!email.is_empty()).then(|| Email::parse(email).unwrap());
    NewUser::new(
        Username::parse(name).unwrap(),
        email,
        EncodedPassword::from_stored("argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA".to_owned()),
    )
}

pub async fn make_user(store: &dyn UserStore, name: &str) -> User {
    store.create_user(new_user(name, &format!("{name}@example.com")), noon()).await.unwrap()
}

pub fn new_session(id: u64, user: UserId) -> NewSession {
    NewSession {
        id: session_id(id),
        user_id: user,
        jti: Jti([u8::try_from(id).unwrap(); 16]),
        created_at: noon(),
        expires_at: after(30 * 24 * 60 * 60),
        transport: Transport::Cookie,
        user_agent: "a browser".to_owned(),
        device_name: None,
        ip: Some("192.0.2.1".parse().unwrap()),
    }
}

pub fn session_id(id: u64) -> SessionId {
    SessionId::new(id).unwrap()
}
