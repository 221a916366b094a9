//! `/admin/users/add`: a new user, with the password twice.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::password::EncodedPassword;
use countersign::store::StoreError;
use countersign::store::admin::{AdminError, Grants};
use countersign::user::NewUser;

use crate::admin::gate::{Posted, Staff};
use crate::admin::kit::field::{Errors, Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageResult, shown};
use crate::admin::kit::user_form::{
    ADDRESS_TAKEN, NAME_TAKEN, Names, PASSWORD_HINT, new_password, personal,
};
use crate::admin::rules::{Permit, may, may_add_user, may_raise};
use crate::admin::site::Admin;

pub(crate) async fn form(State(admin): State<Admin>, staff: Staff) -> PageResult {
    staff.needs(Permit::AddUser)?;
    shown(&AddUserPage::new(
        &admin,
        &staff,
        &Names::default(),
        &Form::default(),
        &Errors::default(),
    ))
}

pub(crate) async fn add(State(admin): State<Admin>, posted: Posted) -> PageResult {
    let staff = &posted.staff;
    staff.needs(Permit::AddUser)?;
    // First, since the page that asks brings no password back, and comes here without one.
    posted.confirm(&admin).await?;
    let form = &posted.form;
    let mut errors = Errors::default();
    let names = Names::read(form, &mut errors);
    let (is_staff, is_superuser, unusable) =
        (form.ticked("is_staff"), form.ticked("is_superuser"), form.ticked("unusable"));
    if (is_staff || is_superuser) && !may_raise(&staff.user) {
        errors.add("is_staff", "Only a superuser makes staff and superusers.");
    }
    let password = if unusable {
        None
    } else {
        new_password(admin.auth.judge(), form, &names, &mut errors).await
    };
    let again = |errors: &Errors| {
        Ok(page(StatusCode::BAD_REQUEST, &AddUserPage::new(&admin, staff, &names, form, errors)))
    };
    let (Some(username), true) = (names.username(&mut Errors::default()), errors.is_empty()) else {
        return again(&errors);
    };
    let encoded = match &password {
        Some(password) => admin.auth.passwords().hash(password).await?,
        None => EncodedPassword::unusable(),
    };
    let mut new = NewUser::new(username, names.email(&mut Errors::default()), encoded);
    new.email_verified = true; // an operator's word is proof enough
    new.first_name = names.first_name.clone();
    new.last_name = names.last_name.clone();
    new.is_staff = is_staff;
    new.is_superuser = is_superuser;
    match posted.operator(&admin).who(may_add_user).add_user(new, &Grants::default()).await {
        Ok(user) if may(&staff.user, Permit::ViewUser) => {
            Ok(redirect(&format!("/admin/users/{}/?said=added", user.id)))
        }
        Ok(_) => Ok(redirect("/admin/?said=added")),
        Err(AdminError::Store(StoreError::UsernameTaken) | AdminError::NameTaken) => {
            errors.add("username", NAME_TAKEN);
            again(&errors)
        }
        Err(AdminError::Store(StoreError::EmailTaken)) => {
            errors.add("email", ADDRESS_TAKEN);
            again(&errors)
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "admin/user_add.html")]
struct AddUserPage<'a> {
    frame: Frame,
    fields: [Field<'a>; 4],
    passwords: [Field<'a>; 3],
    flags: [Field<'a>; 2],
    own_password: Option<Field<'a>>,
}

impl<'a> AddUserPage<'a> {
    fn new(
        admin: &Admin,
        staff: &Staff,
        names: &'a Names,
        form: &Form,
        errors: &'a Errors,
    ) -> Self {
        let raise = may_raise(&staff.user);
        Self {
            frame: staff.frame("/admin/users/", "Add a user"),
            fields: personal(names).map(|field| field.wrong(errors)),
            passwords: [
                Field {
                    required: false,
                    ..Field::password("password1", "Password", "new-password")
                }
                .hint(PASSWORD_HINT),
                Field {
                    required: false,
                    ..Field::password("password2", "The same password again", "new-password")
                },
                Field::tick(
                    "unusable",
                    "No password: cannot sign in with one",
                    form.ticked("unusable"),
                ),
            ]
            .map(|field| field.wrong(errors)),
            flags: [
                Field::tick("is_staff", "Staff: may enter this site", form.ticked("is_staff")),
                Field::tick(
                    "is_superuser",
                    "Superuser: has every permission",
                    form.ticked("is_superuser"),
                ),
            ]
            .map(|field| field.disabled(!raise).wrong(errors)),
            own_password: (!staff.is_fresh(admin.clock.now())).then(own_password),
        }
    }
}
