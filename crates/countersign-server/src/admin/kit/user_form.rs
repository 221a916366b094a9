//! The fields of a user's names and address, and of a new password.

use countersign::password::{Judge, Password, UserAttributes};
use countersign::user::{Email, NAME_MAX_CHARS, Username};

use super::field::{Errors, Field};
use super::forms::Form;

/// The names and the address of a user, as they were typed.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
}

impl Names {
    /// Reads the four fields.
    pub(crate) fn read(form: &Form, errors: &mut Errors) -> Self {
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
    pub(crate) fn username(&self, errors: &mut Errors) -> Option<Username> {
        Username::parse(&self.username)
            .map_err(|error| errors.add("username", error.to_string()))
            .ok()
    }

    /// The address, or none.
    pub(crate) fn email(&self, errors: &mut Errors) -> Option<Email> {
        if self.email.is_empty() {
            return None;
        }
        Email::parse(&self.email).map_err(|error| errors.add("email", error.to_string())).ok()
    }

    /// What a password must not be like.
    pub(crate) fn attributes(&self) -> UserAttributes<'_> {
        UserAttributes {
            username: &self.username,
            email: &self.email,
            first_name: &self.first_name,
            last_name: &self.last_name,
        }
    }
}

/// A new password, given twice, that will do.
pub(crate) async fn new_password(
    judge: &Judge,
    form: &Form,
    names: &Names,
    errors: &mut Errors,
) -> Option<Password> {
    checked_password(judge, form, &names.attributes(), errors).await
}

/// As [`new_password`], for somebody known.
pub(crate) async fn checked_password(
    judge: &Judge,
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
    for problem in judge.judge(&password, about).await {
        errors.add("password1", problem.to_string());
    }
    errors.is_empty().then_some(password)
}

/// The four fields of names and address.
pub(crate) fn personal(names: &Names) -> [Field<'_>; 4] {
    [
        Field::text("username", "User name", &names.username, 150)
            .required()
            .hint("Letters, digits and @ . + - _, at most 150."),
        Field { kind: "email", ..Field::text("email", "E-mail address", &names.email, 254) },
        Field::text("first_name", "First name", &names.first_name, NAME_MAX_CHARS),
        Field::text("last_name", "Last name", &names.last_name, NAME_MAX_CHARS),
    ]
}

pub(crate) const NAME_TAKEN: &str =
    "Another user has this name, to the letter or in another case, or as e-mail address.";

pub(crate) const ADDRESS_TAKEN: &str = "Another user has this address, or is called so.";

/// What the validators ask of a password.
pub(crate) const PASSWORD_HINT: &str = "At least 8 characters; a few words make a good one. Not \
    only digits, not one of the 20,000 commonest, and not like the name or the address.";
