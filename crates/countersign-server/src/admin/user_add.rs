//! `/admin/users/add`: a new user, with the password twice.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::password::{EncodedPassword, Password, UserAttributes, validate};
use countersign::store::StoreError;
use countersign::store::admin::AdminError;
use countersign::user::{Email, NAME_MAX_CHARS, NewUser, Username};

use super::field::{Errors, Field};
use super::forms::Form;
use super::frame::{Frame, page, redirect, shown};
use super::gate::{Posted, Staff};
use super::rules::{Permit, may, may_add_user, may_raise};
use super::{Admin, Answer};

/// Who somebody is, as it was typed.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) username: String,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
}

impl Names {
    /// Reads the four fields.
    pub(super) fn read(form: &Form, errors: &mut Errors) -> Self {
        let names = Self {
            username: form.text("username").trim().to_owned(),
            email: form.text("email").trim().to_owned(),
            first_name: errors.at_most(
                "first_name",
                form.text("first_name").trim(),
                NAME_MAX_CHARS,
            ),
            last_name: errors.at_most("last_name", form.text("last_name").trim(), NAME_MAX_CHARS),
        };
        let _ = (names.username(errors), names.email(errors));
        names
    }

    /// The user name.
    pub(super) fn username(&self, errors: &mut Errors) -> Option<Username> {
        Username::parse(&self.username)
            .map_err(|error| errors.add("username", error.to_string()))
            .ok()
    }

    /// The address, or none.
    pub(super) fn email(&self, errors: &mut Errors) -> Option<Email> {
        if self.email.is_empty() {
            return None;
        }
        Email::parse(&self.email).map_err(|error| errors.add("email", error.to_string())).ok()
    }

    /// What a password must not be like.
    pub(super) fn attributes(&self) -> UserAttributes<'_> {
        UserAttributes {
            username: &self.username,
            email: &self.email,
            first_name: &self.first_name,
            last_name: &self.last_name,
        }
    }
}

/// A new password, given twice, that will do.
pub(super) fn new_password(form: &Form, names: &Names, errors: &mut Errors) -> Option<Password> {
    checked_password(form, &names.attributes(), errors)
}

/// As [`new_password`], for somebody known.
pub(super) fn checked_password(
    form: &Form,
    about: &UserAttributes<'_>,
    errors: &mut Errors,
) -> Option<Password> {
    let (one, other) = (form.text("password1"), form.text("password2"));
    if one.is_empty() {
        errors.add("password1", "Give a password.");
    } else if one != other {
        errors.add("password2", "The two are not the same. Type the password again, twice.");
    }
    let password = Password::parse(one.to_owned())
        .map_err(|error| errors.add("password1", error.to_string()))
        .ok()?;
    for problem in validate(one, about).err().into_iter().flatten() {
        errors.add("password1", problem.to_string());
    }
    errors.is_empty().then_some(password)
}

pub(super) async fn form(State(admin): State<Admin>, staff: Staff) -> Answer {
    staff.needs(Permit::AddUser)?;
    shown(&Add::new(&admin, &staff, &Names::default(), &Form::default(), &Errors::default()))
}

pub(super) async fn add(State(admin): State<Admin>, posted: Posted) -> Answer {
    let staff = &posted.staff;
    staff.needs(Permit::AddUser)?;
    let form = &posted.form;
    let mut errors = Errors::default();
    let names = Names::read(form, &mut errors);
    let (is_staff, is_superuser, unusable) =
        (form.ticked("is_staff"), form.ticked("is_superuser"), form.ticked("unusable"));
    if (is_staff || is_superuser) && !may_raise(&staff.user) {
        errors.add("is_staff", "Only a superuser makes staff and superusers.");
    }
    let password = if unusable { None } else { new_password(form, &names, &mut errors) };
    let again = |errors: &Errors| {
        Ok(page(StatusCode::BAD_REQUEST, &Add::new(&admin, staff, &names, form, errors)))
    };
    let (Some(username), true) = (names.username(&mut Errors::default()), errors.is_empty()) else {
        return again(&errors);
    };
    if is_staff || is_superuser {
        posted.confirm(&admin).await?;
    }
    let encoded = match &password {
        Some(password) => admin.auth.passwords().hash(password).await?,
        None => EncodedPassword::unusable(),
    };
    let new = NewUser {
        first_name: names.first_name.clone(),
        last_name: names.last_name.clone(),
        is_staff,
        is_superuser,
        ..NewUser::new(username, names.email(&mut Errors::default()), encoded)
    };
    match posted.operator(&admin).who(may_add_user).add_user(new).await {
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
struct Add<'a> {
    frame: Frame,
    fields: [Field<'a>; 4],
    passwords: [Field<'a>; 3],
    flags: [Field<'a>; 2],
    own_password: Option<Field<'a>>,
}

impl<'a> Add<'a> {
    fn new(
        admin: &Admin,
        staff: &Staff,
        names: &'a Names,
        form: &Form,
        errors: &'a Errors,
    ) -> Self {
        let raise = may_raise(&staff.user);
        let fresh = staff.is_fresh(admin.clock.now());
        Self {
            frame: Frame::new(staff, "/admin/users/", "Add a user"),
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
            own_password: (raise && !fresh).then(own_password),
        }
    }
}

/// The four fields of who somebody is.
pub(super) fn personal(names: &Names) -> [Field<'_>; 4] {
    [
        Field::text("username", "User name", &names.username, 150)
            .required()
            .hint("Letters, digits and @ . + - _, at most 150."),
        Field { kind: "email", ..Field::text("email", "E-mail address", &names.email, 254) },
        Field::text("first_name", "First name", &names.first_name, NAME_MAX_CHARS),
        Field::text("last_name", "Last name", &names.last_name, NAME_MAX_CHARS),
    ]
}

/// The operator's own password, before something dangerous.
pub(super) fn own_password<'a>() -> Field<'a> {
    Field {
        required: false,
        ..Field::password("own_password", "Your own password", "current-password")
    }
    .hint(
        "You entered it more than ten minutes ago. It is needed for what is dangerous: \
            staff, superusers, passwords, deleting.",
    )
}

/// What the validators ask of a password.
pub(super) const NAME_TAKEN: &str =
    "Another user has this name, to the letter or in another case, or as e-mail address.";

pub(super) const ADDRESS_TAKEN: &str = "Another user has this address, or is called so.";

pub(super) const PASSWORD_HINT: &str = "At least 8 characters; a few words make a good one. Not \
    only digits, not one of the 20,000 commonest, and not like the name or the address.";
