//! `/admin/users/ID/mail`: a link for a user, by mail, and an operator's word for their address.

use axum::extract::State;
use countersign::token::Purpose;

use crate::admin::gate::{Path, Posted};
use crate::admin::kit::letters::{desk, not_sent};
use crate::admin::kit::page::redirect;
use crate::admin::kit::page_error::{PageError, PageResult, beyond_in_words};
use crate::admin::kit::users::record;
use crate::admin::rules::{Permit, beyond, may_set_password, may_touch};
use crate::admin::site::Admin;

pub(crate) async fn send(State(admin): State<Admin>, Path(id): Path, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::ChangeUser)?;
    let record = record(&admin, &id).await?;
    let user = &record.user;
    if !may_touch(&posted.staff.user, user, Permit::ChangeUser) {
        return Err(PageError::forbidden(
            "This user is staff or a superuser, whom only a superuser may change.",
        ));
    }
    if let Some(what) = beyond(&posted.staff.user, user) {
        return Err(PageError::forbidden(beyond_in_words(&user.username, &what)));
    }
    let act = posted.form.text("act");
    if !["verify", "reset", "invitation", "mark"].contains(&act) {
        return Err(PageError::bad("Choose what is to be sent."));
    }
    // Whoever reads that mailbox comes in by it, who perhaps could not before.
    posted.confirm(&admin).await?;
    let operator = posted.operator(&admin).who(may_set_password);
    let kind = match act {
        "verify" => Purpose::VerifyEmail,
        "reset" => Purpose::ResetPassword,
        "invitation" => Purpose::Invitation,
        _ => {
            // The word is for the address that the operator saw, whatever it is by now.
            let seen = posted.form.text("address").to_owned();
            if operator.mark_verified(&[(user.id, seen)]).await? == 0 && !user.email_verified {
                return Err(PageError::conflict("The address is another by now."));
            }
            admin.auth.catch_up().await?;
            return Ok(redirect(&format!("/admin/users/{}/?said=verified", user.id)));
        }
    };
    let desk = desk(&admin).await?;
    operator.send_letter(&admin.services, &desk, kind, user).await.map_err(not_sent)?;
    Ok(redirect(&format!("/admin/users/{}/?said=link-sent", user.id)))
}
