//! “Why was I logged out?”: what became of a session, and what its refreshes were, in plain words.

use std::time::Duration;

use countersign::session::{RevokedReason, Session};
use countersign::store::admin::{Step, StepKind};
use jiff::Timestamp;

use crate::text::length_in_words;

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It goes on.
    Live,
    /// Nobody used it for so long that its refresh token has expired.
    Idle,
    /// It has lasted as long as a session may.
    Old,
    /// It was ended.
    By(RevokedReason),
}

/// What became of a session by now.
pub(crate) fn state(session: &Session, idle: Duration, now: Timestamp) -> State {
    match session.revoked {
        Some((_, reason)) => State::By(reason),
        None if now >= session.expires_at => State::Old,
        None if now >= session.last_used_at.saturating_add(idle).unwrap_or(Timestamp::MAX) => {
            State::Idle
        }
        None => State::Live,
    }
}

/// The answer, in sentences.
pub(crate) fn session_story(
    session: &Session,
    state: State,
    steps: &[Step],
    idle: Duration,
) -> Vec<String> {
    let at = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let ended = session.revoked.map(|(when, _)| at(when)).unwrap_or_default();
    let mut said = match state {
        State::Live => vec![
            format!(
                "It began on {} and was last refreshed on {}.",
                at(session.created_at),
                at(session.last_used_at)
            ),
            format!(
                "Without another refresh it ends after {} of silence; at the latest it ends on \
                {}.",
                length_in_words(idle),
                at(session.expires_at)
            ),
        ],
        State::Idle => vec![
            format!(
                "The session was last refreshed on {}, and then not for {}. That is how long a \
                refresh token lives (session_idle), so it had expired.",
                at(session.last_used_at),
                length_in_words(idle)
            ),
            "Nobody ended it. Signing in again is all there is to do. If it happens to people who \
             do come back in time, their client does not keep the refresh token: look at its \
             storage or its cookies."
                .to_owned(),
        ],
        State::Old => vec![
            format!(
                "The session had lasted as long as one may (session_absolute): it began on {} \
                and was to end on {}, however busy it was.",
                at(session.created_at),
                at(session.expires_at)
            ),
            "Nobody ended it. Signing in again is all there is to do.".to_owned(),
        ],
        State::By(RevokedReason::Logout) => vec![format!(
            "The user signed out on {ended}: in this client, or from another session by \
                ending this one in the list of sessions."
        )],
        State::By(RevokedReason::LogoutAll) => vec![format!(
            "The user signed out everywhere on \
            {ended}."
        )],
        State::By(RevokedReason::PasswordChanged) => vec![
            format!(
                "The password was changed on {ended}, and that ends every session but the one \
                that changed it."
            ),
            "If it was not the user who changed it, somebody knows the password: set a new one."
                .to_owned(),
        ],
        State::By(RevokedReason::Admin) => vec![format!(
            "An operator ended it on {ended}: here or on the command line, by itself or \
                with a new password. The audit log says who."
        )],
        State::By(RevokedReason::UserInactive) => vec![format!(
            "The user was deactivated or \
            deleted on {ended}, and that ends all sessions at once."
        )],
        State::By(RevokedReason::TokenTheft) => vec![
            format!(
                "On {ended} a refresh token came that had been replaced by newer ones long \
                before. An honest client never does that: two parties held tokens of this session. \
                Which of them was the user cannot be told, so the session was ended for both."
            ),
            "Mostly it means that somebody copied the token. It can also be a copy of the whole \
             client: a restored backup of the device, a cloned machine or browser profile. Ask the \
             user; if it was neither, look for malware on the device, and set a new password."
                .to_owned(),
        ],
        State::By(RevokedReason::Replaced) => vec![format!(
            "Somebody signed in on {ended} in the browser that had this session: the new \
                one took its place."
        )],
        State::By(RevokedReason::SessionLimit) => vec![format!(
            "The user signed in once more on {ended} and had as many sessions as one may \
                (sessions_per_user). This was the oldest, and it made room."
        )],
        State::By(RevokedReason::FactorRemoved) => vec![format!(
            "The user removed a second factor in another session on {ended}. That ends all others: \
                the removed one may have begun them."
        )],
        State::By(other) => vec![format!("It was ended on {ended} ({other}).")],
    };
    if steps.iter().filter(|step| matches!(step.kind, StepKind::Race | StepKind::Restart)).count()
        >= MANY
    {
        said.push(
            "Many of its last refreshes came with a token that had just been replaced. Mostly \
             several tabs or threads of the client refresh without taking turns, and that does no \
             harm. But somebody who copied the refresh token, and keeps in step with the client, \
             looks just the same, until the session's credit for it is used up. If the client does \
             take turns, or if the addresses in the audit log are not all the user's, end the \
             session."
                .to_owned(),
        );
    }
    said
}

/// One refresh, in a sentence.
pub(crate) fn step_in_words(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Rotated => "The newest token was turned in for the next, as usual.",
        StepKind::Race => {
            "A token came that had just been replaced: two tabs, or a request and its repetition, \
             at the same moment; or a copied cookie that acts in step. It was answered."
        }
        StepKind::Restart => {
            "A token came that had been replaced within half a minute: of a browser that died \
             before it wrote its cookies down, or of somebody with a copy. It was answered."
        }
        StepKind::Healed => {
            "A token came that the database did not know yet: it had been restored from a backup, \
             or taken over by a copy that lagged. The session went on from there."
        }
        StepKind::Theft => {
            "A token came that had been replaced long before, and that nobody honest holds any \
             more. The session was ended."
        }
        _ => "A refresh of a kind that this version does not know.",
    }
}

/// Of the eight that are kept.
const MANY: usize = 3;
