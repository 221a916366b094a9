//! `/admin/users/ID/password`: a new password for somebody, or none at all. Either way the user's
//! sessions end.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::password::{EncodedPassword, UserAttributes};
use countersign::store::admin::UserRecord;

use crate::admin::gate::{Path, Posted, Staff};
use crate::admin::kit::field::{Errors, Field, own_password};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult, beyond_in_words};
use crate::admin::kit::user_form::{PASSWORD_HINT, checked_password};
use crate::admin::kit::users::record;
use crate::admin::rules::{Permit, beyond, may_set_password, may_touch};
use crate::admin::site::Admin;

pub(crate) async fn form(State(admin): State<Admin>, staff: Staff, Path(id): Path) -> PageResult {
    let record = touched(&admin, &staff, &id).await?;
    Ok(page(StatusCode::OK, &SetPasswordPage::new(&admin, &staff, &record, &Errors::default())))
}

pub(crate) async fn set(State(admin): State<Admin>, Path(id): Path, posted: Posted) -> PageResult {
    let record = touched(&admin, &posted.staff, &id).await?;
    posted.confirm(&admin).await?;
    let user = &record.user;
    let (encoded, said) = if posted.form.text("act") == "unusable" {
        (EncodedPassword::unusable(), "unusable")
    } else {
        let about = UserAttributes {
            username: &user.username,
            email: &user.email,
            first_name: &user.first_name,
            last_name: &user.last_name,
        };
        let mut errors = Errors::default();
        let judge = admin.auth.judge();
        let Some(password) = checked_password(judge, &posted.form, &about, &mut errors).await
        else {
            return Ok(page(
                StatusCode::BAD_REQUEST,
                &SetPasswordPage::new(&admin, &posted.staff, &record, &errors),
            ));
        };
        (admin.auth.passwords().hash(&password).await?, "password")
    };
    let operator = posted.operator(&admin).who(may_set_password);
    operator.set_password(user, &encoded, Some(&**admin.auth.post()), &*admin.random).await?;
    admin.auth.catch_up().await?;
    Ok(redirect(&format!("/admin/users/{}/?said={said}", user.id)))
}

async fn touched(admin: &Admin, staff: &Staff, id: &str) -> Result<UserRecord, PageError> {
    staff.needs(Permit::ChangeUser)?;
    let record = record(admin, id).await?;
    if !may_touch(&staff.user, &record.user, Permit::ChangeUser) {
        return Err(PageError::forbidden(
            "This user is staff or a superuser, whose password only a superuser may set.",
        ));
    }
    if let Some(what) = beyond(&staff.user, &record.user) {
        return Err(PageError::forbidden(beyond_in_words(&record.user.username, &what)));
    }
    Ok(record)
}

#[derive(Template)]
#[template(path = "admin/user_password.html")]
struct SetPasswordPage<'a> {
    frame: Frame,
    record: &'a UserRecord,
    fields: [Field<'a>; 2],
    own_password: Option<Field<'a>>,
}

impl<'a> SetPasswordPage<'a> {
    fn new(admin: &Admin, staff: &Staff, record: &'a UserRecord, errors: &'a Errors) -> Self {
        let fields = [
            Field {
                required: false,
                ..Field::password("password1", "New password", "new-password")
            }
            .hint(PASSWORD_HINT),
            Field {
                required: false,
                ..Field::password("password2", "The same password again", "new-password")
            },
        ];
        Self {
            frame: staff.frame("/admin/users/", format!("Password of {}", record.user.username)),
            record,
            fields: fields.map(|field| field.wrong(errors)),
            own_password: (!staff.is_fresh(admin.clock.now())).then(own_password),
        }
    }
}
