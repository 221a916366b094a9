//! `/admin/users/invite`: a new user who chooses a password by a link. It is mailed, or, where no
//! mail is sent, shown once.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::store::StoreError;
use countersign::store::admin::AdminError;
use countersign::user::Username;

use crate::admin::gate::{Posted, Staff};
use crate::admin::kit::field::{Errors, Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::letters::{desk, not_sent};
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageResult, shown};
use crate::admin::kit::user_form::{ADDRESS_TAKEN, NAME_TAKEN, Names, personal};
use crate::admin::rules::{Permit, may, may_invite};
use crate::admin::site::Admin;
use crate::operate::people::{Invitee, NotSent, Sent};

pub(crate) async fn form(State(admin): State<Admin>, staff: Staff) -> PageResult {
    staff.needs(Permit::AddUser)?;
    let (names, errors) = (Names::default(), Errors::default());
    shown(&InvitePage::new(&admin, &staff, &names, "", &errors))
}

pub(crate) async fn invite(State(admin): State<Admin>, posted: Posted) -> PageResult {
    let staff = &posted.staff;
    staff.needs(Permit::AddUser)?;
    let mut errors = Errors::default();
    let (names, username) = read(&posted.form, &mut errors);
    let language = posted.form.text("language");
    let again = |errors: &Errors| {
        let template = InvitePage::new(&admin, staff, &names, language, errors);
        Ok(page(StatusCode::BAD_REQUEST, &template))
    };
    if names.email.is_empty() {
        errors.add("email", "Give the address that the invitation goes to.");
    }
    if !["", "en", "de"].contains(&language) {
        errors.add("language", "Choose one of the languages.");
    }
    let (Some(email), true) = (names.email(&mut Errors::default()), errors.is_empty()) else {
        return again(&errors);
    };
    let who = Invitee {
        email,
        username,
        first_name: names.first_name.clone(),
        last_name: names.last_name.clone(),
        language: language.to_owned(),
    };
    // The link opens an account, perhaps one that waits for its owner and may much by now.
    posted.confirm(&admin).await?;
    let desk = desk(&admin).await?;
    let operator = posted.operator(&admin).who(may_invite);
    match operator.invite(&admin.services, &desk, who).await {
        Ok((user, Sent::Queued | Sent::Earlier)) if may(&staff.user, Permit::ViewUser) => {
            Ok(redirect(&format!("/admin/users/{}/?said=invited", user.id)))
        }
        Ok((_, Sent::Queued | Sent::Earlier)) => Ok(redirect("/admin/?said=invited")),
        Ok((user, Sent::ByHand(link))) => {
            let frame = staff.frame("/admin/users/", format!("{} is invited", user.username));
            shown(&InvitedPage { frame, link })
        }
        Err(NotSent::HasAccount(name)) => {
            errors.add("email", format!("This is the address of {name}, who has an account."));
            again(&errors)
        }
        Err(NotSent::Act(AdminError::Store(StoreError::UsernameTaken) | AdminError::NameTaken)) => {
            errors.add("username", NAME_TAKEN);
            again(&errors)
        }
        Err(NotSent::Act(AdminError::Store(StoreError::EmailTaken))) => {
            errors.add("email", ADDRESS_TAKEN);
            again(&errors)
        }
        Err(error) => Err(not_sent(error)),
    }
}

/// The fields; without a user name one is made up.
fn read(form: &Form, errors: &mut Errors) -> (Names, Option<Username>) {
    let mut wrong = Errors::default();
    let names = Names::read(form, &mut wrong);
    let fields = ["username", "email", "first_name", "last_name"];
    for name in fields.into_iter().filter(|name| *name != "username" || !names.username.is_empty())
    {
        if let Some(what) = wrong.get(name) {
            errors.add(name, what);
        }
    }
    let username = names.username(&mut Errors::default());
    (names, username)
}

#[derive(Template)]
#[template(path = "admin/user_invite.html")]
struct InvitePage<'a> {
    frame: Frame,
    fields: [Field<'a>; 4],
    language: &'a str,
    language_error: Option<&'a str>,
    can_mail: bool,
    own_password: Option<Field<'a>>,
}

impl<'a> InvitePage<'a> {
    fn new(
        admin: &Admin,
        staff: &Staff,
        names: &'a Names,
        language: &'a str,
        errors: &'a Errors,
    ) -> Self {
        let [username, email, first, last] = personal(names);
        let username = Field { required: false, ..username }
            .hint("Letters, digits and @ . + - _, at most 150. Without one a name is made up.");
        Self {
            frame: staff.frame("/admin/users/", "Invite a user"),
            fields: [email.required(), username, first, last].map(|field| field.wrong(errors)),
            language,
            language_error: errors.get("language"),
            can_mail: admin.auth.can_mail(),
            own_password: (!staff.is_fresh(admin.clock.now())).then(own_password),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/user_invited.html")]
struct InvitedPage {
    frame: Frame,
    link: String,
}
