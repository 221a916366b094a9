//! `/admin/users/act`: one thing done to many users; before deleting it shows what goes.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::store::admin::{UserAct, WhatGoes};
use countersign::user::{User, UserId};

use super::fault::Fault;
use super::field::Field;
use super::frame::{Frame, page, redirect, thousands};
use super::gate::Posted;
use super::rules::{Permit, may_touch};
use super::user_add::own_password;
use super::{Admin, Answer};

pub(super) async fn act(State(admin): State<Admin>, posted: Posted) -> Answer {
    let staff = &posted.staff;
    let (act, permit, said) = match posted.form.text("act") {
        "activate" => (UserAct::Activate, Permit::ChangeUser, "activated"),
        "deactivate" => (UserAct::Deactivate, Permit::ChangeUser, "deactivated"),
        "end" => (UserAct::EndSessions, Permit::DeleteSession, "ended"),
        "delete" => (UserAct::Delete, Permit::DeleteUser, "deleted"),
        _ => return Err(Fault::bad("Choose what to do with the users that you ticked.")),
    };
    staff.needs(permit)?;
    let ids: Vec<UserId> = posted.form.numbers("ids")?.into_iter().map(UserId::new).collect();
    if ids.is_empty() {
        return Err(Fault::bad("No user is ticked. Go back and tick those that you mean."));
    }
    if ids.len() > AT_ONCE {
        return Err(Fault::bad(format!("At most {AT_ONCE} users at once, please.")));
    }
    let mut users = Vec::with_capacity(ids.len());
    for id in &ids {
        let user = admin.store.user_by_id(*id).await?;
        users.push(user.ok_or_else(|| Fault::gone("One of the users is not there any more, and nothing was done."))?);
    }
    // Ending sessions takes nothing from anybody but a login; the rest is for superusers only where staff and superusers are concerned.
    if act != UserAct::EndSessions
        && let Some(above) = users.iter().find(|user| !may_touch(&staff.user, *user, permit))
    {
        return Err(Fault::forbidden(format!(
            "{} is staff or a superuser, whom only a superuser may change. Nothing was done to anybody.",
            above.username
        )));
    }
    if act == UserAct::Delete {
        if !posted.form.ticked("sure") {
            let goes = admin.store.what_goes_with(&ids, admin.clock.now()).await?;
            let own_password = (!staff.is_fresh(admin.clock.now())).then(own_password);
            let frame = Frame::new(staff, "/admin/users/", "Delete these users?");
            return Ok(page(StatusCode::OK, &Sure { frame, users, goes: told(goes), own_password }));
        }
        posted.confirm(&admin).await?;
    }
    admin.store.act_on_users(&ids, act, &posted.actor(admin.clock.now())).await?;
    admin.auth.catch_up().await?;
    Ok(redirect(&format!("/admin/users/?said={said}")))
}

/// What goes with them, in words.
fn told(goes: WhatGoes) -> Vec<String> {
    let so_many = |n: u64, one: &str, several: &str| format!("{} {}", thousands(n), if n == 1 { one } else { several });
    vec![
        so_many(goes.users, "user", "users"),
        so_many(goes.sessions, "live session, which ends at once", "live sessions, which end at once"),
        so_many(goes.memberships, "membership in a group", "memberships in groups"),
        so_many(goes.permissions, "permission given to a user alone", "permissions given to users alone"),
    ]
}

#[derive(Template)]
#[template(path = "admin/users_delete.html")]
struct Sure {
    frame: Frame,
    users: Vec<User>,
    goes: Vec<String>,
    own_password: Option<Field<'static>>,
}

/// Two pages of the list.
const AT_ONCE: usize = 100;
