//! `/admin/keys/`: what access tokens are signed with; rotating and retiring, with what each will
//! do.

use askama::Template;
use axum::extract::State;
use countersign::store::admin::AdminError;
use countersign::token::KeyId;
use jiff::SignedDuration;

use crate::admin::gate::{Path, Posted, Query, Staff};
use crate::admin::kit::field::{Field, own_password};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::keys::{KeyRow, key_rows};
use crate::admin::kit::page::redirect;
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::rules::{Permit, may, may_change_keys};
use crate::admin::site::Admin;
use crate::command_error::CommandError;
use crate::operate::keys::{KeyState, NotRetired};
use crate::text::roughly;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewKey)?;
    let now = admin.clock.now();
    let keys = admin.store.keys().await?;
    let may_change = may(&staff.user, Permit::ChangeKey);
    let rows: Vec<KeyRow> = key_rows(&keys, now);
    shown(&KeysPage {
        frame: staff.frame("/admin/keys/", "Keys").saying(&query),
        can_retire: may_change && rows.iter().any(|row| row.state == KeyState::Verifying),
        rows,
        algorithm: admin.settings.signing_algorithm.to_string(),
        lifetime: roughly(
            SignedDuration::try_from(admin.settings.access_lifetime).unwrap_or_default(),
        ),
        may_change,
        own_password: (may_change && !staff.is_fresh(now)).then(own_password),
    })
}

pub(crate) async fn rotate(State(admin): State<Admin>, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::ChangeKey)?;
    let cut_off = match posted.form.text("how") {
        "gently" => false,
        "now" => true,
        _ => return Err(PageError::bad("Choose how the old keys go.")),
    };
    posted.confirm(&admin).await?;
    posted
        .operator(&admin)
        .who(may_change_keys)
        .rotate_keys(&admin.services, cut_off)
        .await
        .map_err(|failure| failed(&failure))?;
    admin.auth.catch_up().await?;
    Ok(redirect(if cut_off { "/admin/keys/?said=cut-off" } else { "/admin/keys/?said=rotated" }))
}

pub(crate) async fn retire(
    State(admin): State<Admin>,
    Path(id): Path,
    posted: Posted,
) -> PageResult {
    posted.staff.needs(Permit::ChangeKey)?;
    let id: KeyId = id.parse().map_err(|_| gone())?;
    posted.operator(&admin).may_retire(id).await.map_err(kept)?;
    posted.confirm(&admin).await?;
    posted.operator(&admin).who(may_change_keys).retire_key(id).await.map_err(kept)?;
    admin.auth.catch_up().await?;
    Ok(redirect("/admin/keys/?said=retired"))
}

/// Why a key stays.
fn kept(why: NotRetired) -> PageError {
    match why {
        NotRetired::Already => PageError::conflict("This key is retired already."),
        NotRetired::Signing => PageError::conflict(
            "This key signs. Without it nobody could sign in: rotate first, and retire it when \
             another one signs.",
        ),
        NotRetired::Next => PageError::conflict(
            "This key is the next to sign. Without it nobody could sign in when the others are \
             gone: rotate first.",
        ),
        NotRetired::Store(AdminError::Gone) => gone(),
        NotRetired::Store(error) => error.into(),
    }
}

fn gone() -> PageError {
    PageError::gone("There is no such key.")
}

fn failed(failure: &CommandError) -> PageError {
    tracing::error!(error = failure.sentence(), "the keys could not be rotated");
    PageError::conflict(format!("The keys go on as they were: {}.", failure.sentence()))
}

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct KeysPage {
    frame: Frame,
    rows: Vec<KeyRow>,
    algorithm: String,
    lifetime: String,
    may_change: bool,
    can_retire: bool,
    own_password: Option<Field<'static>>,
}
