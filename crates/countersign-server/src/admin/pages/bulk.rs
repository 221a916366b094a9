//! `/admin/users/act`: one thing done to many users, to those that are ticked or to all that a
//! search finds. Before the second, and before deleting, it shows whom it would be done to, and
//! what goes.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::store::admin::{Rule, UserAct, UserSearch, WhatGoes};
use countersign::user::{User, UserId};

use crate::admin::gate::Posted;
use crate::admin::kit::field::{Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult, beyond_in_words};
use crate::admin::kit::users::search;
use crate::admin::rules::{
    Permit, beyond, may_deactivate, may_delete, may_edit, may_end_sessions, may_touch,
};
use crate::admin::site::Admin;
use crate::text::thousands;

pub(crate) async fn act(State(admin): State<Admin>, posted: Posted) -> PageResult {
    let staff = &posted.staff;
    let (act, permit, rule, said): (_, _, Rule, _) = match posted.form.text("act") {
        "activate" => (UserAct::Activate, Permit::ChangeUser, may_edit, "activated"),
        "deactivate" => (UserAct::Deactivate, Permit::ChangeUser, may_deactivate, "deactivated"),
        "end" => (UserAct::EndSessions, Permit::DeleteSession, may_end_sessions, "ended"),
        "delete" => (UserAct::Delete, Permit::DeleteUser, may_delete, "deleted"),
        _ => return Err(PageError::bad("Choose what to do with the users that you ticked.")),
    };
    staff.needs(permit)?;
    // The answer names those whom it is about.
    staff.needs(Permit::ViewUser)?;
    let whom = Whom::asked(&posted.form)?;
    let ids = match &whom {
        Whom::Ticked(ids) => ids.clone(),
        Whom::Matching(query) => matching(&admin, query).await?,
    };
    let mut users = Vec::with_capacity(ids.len());
    for id in &ids {
        let user = admin.store.user_by_id(*id).await?;
        users.push(user.ok_or_else(|| {
            PageError::gone("One of the users is not there any more, and nothing was done.")
        })?);
    }
    // Ending sessions takes nothing from anybody but a login; the rest is for superusers only where
    // staff and superusers are concerned.
    if act != UserAct::EndSessions
        && let Some(above) = users.iter().find(|user| !may_touch(&staff.user, *user, permit))
    {
        return Err(PageError::forbidden(format!(
            "{} is staff or a superuser, whom only a superuser may change. Nothing was done to \
             anybody.",
            above.username
        )));
    }
    if act == UserAct::Activate {
        for user in users.iter().filter(|user| !user.is_active) {
            if let Some(what) = beyond(&staff.user, user) {
                return Err(PageError::forbidden(beyond_in_words(&user.username, &what)));
            }
        }
    }
    if act == UserAct::Delete || matches!(whom, Whom::Matching(_)) {
        // Others than those who matched have not been asked about: the page that asks comes again.
        let is_sure = posted.form.ticked("sure")
            && (matches!(whom, Whom::Ticked(_)) || posted.form.text("seen") == mark_of(&ids));
        if !is_sure {
            let page_to_confirm = ConfirmAct::new(&admin, &posted, act, &whom, users).await?;
            return Ok(page(StatusCode::OK, &page_to_confirm));
        }
    }
    if is_asked_about(act) {
        posted.confirm(&admin).await?;
    }
    for (done, some) in (0..).step_by(TOGETHER).zip(ids.chunks(TOGETHER)) {
        match posted.operator(&admin).who(rule).act_on_users(some, act).await {
            Ok(_) => {}
            Err(error) if done == 0 => return Err(error.into()),
            Err(error) => {
                admin.auth.catch_up().await?;
                return Err(PageError::broke_off(format!(
                    "It was done to the first {} of {} users, and then stopped: {error}. Those who \
                     still match are on the list.",
                    thousands(done),
                    thousands(ids.len() as u64),
                )));
            }
        }
    }
    admin.auth.catch_up().await?;
    let query = if let Whom::Matching(query) = &whom { query.clone() } else { Form::default() };
    Ok(redirect(&format!("/admin/users/{}", query.with(&[("said", said), ("at", "")]))))
}

/// Whether the operator is asked who they are first: before what is for good, and before what lets
/// somebody in who was kept out.
fn is_asked_about(act: UserAct) -> bool {
    matches!(act, UserAct::Delete | UserAct::Activate)
}

/// With whom something is to be done.
enum Whom {
    /// With those that are ticked.
    Ticked(Vec<UserId>),
    /// With all that a search finds.
    Matching(Form),
}

impl Whom {
    fn asked(form: &Form) -> Result<Self, PageError> {
        if form.text("whom") == "matching" {
            return Ok(Self::Matching(Form::parse(form.text("search").as_bytes())?));
        }
        let ids: Vec<UserId> = form.numbers("ids")?.into_iter().map(UserId::new).collect();
        if ids.is_empty() {
            return Err(PageError::bad("No user is ticked. Go back and tick those that you mean."));
        }
        if ids.len() > AT_ONCE {
            return Err(PageError::bad(format!("At most {AT_ONCE} ticked users at once, please.")));
        }
        Ok(Self::Ticked(ids))
    }
}

/// The ids of all that a search finds.
async fn matching(admin: &Admin, query: &Form) -> Result<Vec<UserId>, PageError> {
    let mut search =
        UserSearch { from: None, limit: READ_AT_ONCE, ..search(query, admin.clock.now())? };
    let mut ids = Vec::new();
    loop {
        let found = admin.store.find_users(&search).await?;
        ids.extend(found.rows.iter().map(|user| user.id));
        if ids.len() > MATCHING_AT_ONCE {
            return Err(PageError::bad(format!(
                "More than {} users match, which is the most that one act takes. Narrow the \
                 search. Nothing was done.",
                thousands(MATCHING_AT_ONCE as u64)
            )));
        }
        match found.next {
            Some(next) => search.from = Some(next),
            None if ids.is_empty() => {
                return Err(PageError::bad(
                    "Nobody matches the search any more, and nothing was done.",
                ));
            }
            None => return Ok(ids),
        }
    }
}

/// What tells these users from any others.
fn mark_of(ids: &[UserId]) -> String {
    let mut ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    ids.sort_unstable();
    URL_SAFE_NO_PAD.encode(digest(&SHA256, ids.join(" ").as_bytes()))
}

/// What goes with them, in words.
fn losses_in_words(goes: WhatGoes) -> Vec<String> {
    let so_many = |n: u64, one: &str, several: &str| {
        format!("{} {}", thousands(n), if n == 1 { one } else { several })
    };
    vec![
        so_many(goes.users, "user", "users"),
        so_many(
            goes.sessions,
            "live session, which ends at once",
            "live sessions, which end at once",
        ),
        so_many(goes.memberships, "membership in a group", "memberships in groups"),
        so_many(
            goes.permissions,
            "permission given to a user alone",
            "permissions given to users alone",
        ),
    ]
}

/// The page that asks before something is done to many, or for good.
#[derive(Template)]
#[template(path = "admin/users_confirm.html")]
struct ConfirmAct {
    frame: Frame,
    word: String,
    is_delete: bool,
    /// The search, when all that it finds are meant.
    matching: Option<String>,
    many: usize,
    /// Who they are, for the form that says yes.
    seen: String,
    users: Vec<User>,
    more: usize,
    goes: Vec<String>,
    own_password: Option<Field<'static>>,
}

impl ConfirmAct {
    async fn new(
        admin: &Admin,
        posted: &Posted,
        act: UserAct,
        whom: &Whom,
        users: Vec<User>,
    ) -> Result<Self, PageError> {
        let (staff, now, many) = (&posted.staff, admin.clock.now(), users.len());
        let is_delete = act == UserAct::Delete;
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        let goes = if is_delete {
            losses_in_words(admin.store.what_goes_with(&ids, now).await?)
        } else {
            Vec::new()
        };
        let title = match act {
            UserAct::Activate => "Activate these users?",
            UserAct::Deactivate => "Deactivate these users, and end their sessions?",
            UserAct::EndSessions => "End the sessions of these users?",
            UserAct::Delete => "Delete these users?",
        };
        let matching = if let Whom::Matching(query) = whom { Some(query.with(&[])) } else { None };
        let shown = if matching.is_some() { NAMED } else { many };
        Ok(Self {
            frame: staff.frame("/admin/users/", title),
            word: posted.form.text("act").to_owned(),
            is_delete,
            matching: matching.map(|query| query.trim_start_matches('?').to_owned()),
            many,
            seen: mark_of(&ids),
            users: users.into_iter().take(shown).collect(),
            more: many.saturating_sub(shown),
            goes,
            own_password: (is_asked_about(act) && !staff.is_fresh(now)).then(own_password),
        })
    }
}

/// A page of the list.
const AT_ONCE: usize = 100;

/// Whom a search may find for one act.
const MATCHING_AT_ONCE: usize = 10_000;

/// Rows that are read together.
const READ_AT_ONCE: u32 = 1_000;

/// Users who are changed in one transaction: others who write wait for no more than that.
const TOGETHER: usize = 500;

/// Names on the page that asks.
const NAMED: usize = 50;
