//! `/admin/users/ID/factors`: a user's second factors, and their removal for who has lost them.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::store::admin::UserRecord;

use crate::admin::gate::{Path, Posted, Staff};
use crate::admin::kit::field::{Field, own_password};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult, beyond_in_words};
use crate::admin::kit::users::record;
use crate::admin::rules::{Permit, beyond, may_set_password, may_touch};
use crate::admin::site::Admin;
use crate::text::to_the_second;

pub(crate) async fn show(State(admin): State<Admin>, staff: Staff, Path(id): Path) -> PageResult {
    let record = touched(&admin, &staff, &id).await?;
    let found = admin.store.factors_of(record.user.id).await?;
    let factors = found.factors.into_iter().filter(|factor| factor.is_enrolled);
    let factors = factors
        .map(|factor| Row {
            kind: factor.kind.as_str(),
            name: factor.name.map(|name| name.to_string()).unwrap_or_default(),
            added: to_the_second(factor.created_at),
            used: factor.last_used_at.map_or_else(|| "never".to_owned(), to_the_second),
        })
        .collect();
    let title = format!("Second factors of {}", record.user.username);
    Ok(page(
        StatusCode::OK,
        &FactorsPage {
            frame: staff.frame("/admin/users/", title),
            record: &record,
            factors,
            codes: found.recovery_codes.len(),
            own_password: (!staff.is_fresh(admin.clock.now())).then(own_password),
        },
    ))
}

/// Removes them all. Who could set the user's password could sign in as them; so it is with this.
pub(crate) async fn reset(
    State(admin): State<Admin>,
    Path(id): Path,
    posted: Posted,
) -> PageResult {
    let record = touched(&admin, &posted.staff, &id).await?;
    posted.confirm(&admin).await?;
    let mails = admin.auth.factors_reset_notice(&record.user)?;
    let operator = posted.operator(&admin).who(may_set_password);
    operator.reset_factors(record.user.id, mails).await?;
    admin.auth.catch_up().await?;
    Ok(redirect(&format!("/admin/users/{}/?said=factors", record.user.id)))
}

async fn touched(admin: &Admin, staff: &Staff, id: &str) -> Result<UserRecord, PageError> {
    staff.needs(Permit::ChangeUser)?;
    let record = record(admin, id).await?;
    if !may_touch(&staff.user, &record.user, Permit::ChangeUser) {
        return Err(PageError::forbidden(
            "This user is staff or a superuser, whose second factors only a superuser may remove.",
        ));
    }
    if let Some(what) = beyond(&staff.user, &record.user) {
        return Err(PageError::forbidden(beyond_in_words(&record.user.username, &what)));
    }
    Ok(record)
}

struct Row {
    kind: &'static str,
    name: String,
    added: String,
    used: String,
}

#[derive(Template)]
#[template(path = "admin/user_factors.html")]
struct FactorsPage<'a> {
    frame: Frame,
    record: &'a UserRecord,
    factors: Vec<Row>,
    codes: usize,
    own_password: Option<Field<'a>>,
}
