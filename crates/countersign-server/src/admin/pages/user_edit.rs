//! `/admin/users/ID/`: a user, to look at and to change. An operator whose form is older than
//! somebody else's change sees both, and overwrites nothing.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::store::StoreError;
use countersign::store::admin::{AdminError, AuditSearch, UserEdit, UserRecord};
use countersign::user::{NAME_MAX_CHARS, User};
use serde_json::{Map, Value};

use crate::admin::gate::{Path, Posted, Query, Staff};
use crate::admin::kit::audit::{Line, lines};
use crate::admin::kit::field::{Errors, Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::letters::{Offer, offers};
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult, beyond_in_words};
use crate::admin::kit::user_form::{ADDRESS_TAKEN, NAME_TAKEN, Names};
use crate::admin::kit::users::{fingerprint, record, seen};
use crate::admin::kit::when::When;
use crate::admin::rules::{Permit, beyond, may, may_edit, may_raise, may_touch};
use crate::admin::site::Admin;
use crate::operate::people::owner_of;
use crate::text::holds_nul;

pub(crate) async fn form(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
    Path(id): Path,
) -> PageResult {
    staff.needs(Permit::ViewUser)?;
    let record = record(&admin, &id).await?;
    let filled = Filled::of(&record.user);
    let frame = staff.frame("/admin/users/", record.user.username.clone()).saying(&query);
    let none = Errors::default();
    let template =
        EditUserPage::new(&admin, &staff, frame, &record, &filled, &none, Vec::new()).await?;
    Ok(page(StatusCode::OK, &template))
}

pub(crate) async fn save(State(admin): State<Admin>, Path(id): Path, posted: Posted) -> PageResult {
    let staff = &posted.staff;
    staff.needs(Permit::ChangeUser)?;
    let record = record(&admin, &id).await?;
    if !may_touch(&staff.user, &record.user, Permit::ChangeUser) {
        return Err(PageError::forbidden(
            "This user is staff or a superuser, whom only a superuser may change.",
        ));
    }
    let mut errors = Errors::default();
    let filled = Filled::read(&posted.form, &record.user, &mut errors);
    let seen = fingerprint(&posted.form)?;
    let raised =
        (filled.is_staff, filled.is_superuser) != (record.user.is_staff, record.user.is_superuser);
    let takes_over = filled.takes_over(&record.user);
    if raised && !may_raise(&staff.user) {
        return Err(PageError::forbidden(
            "Only a superuser makes staff and superusers, or makes them something else.",
        ));
    }
    if takes_over && let Some(what) = beyond(&staff.user, &record.user) {
        return Err(PageError::forbidden(beyond_in_words(&record.user.username, &what)));
    }
    if seen != record.fingerprint {
        return stale(&admin, staff, &record, &filled, &errors).await;
    }
    let edit = filled.edit(&record.user, &mut errors);
    let (Some(edit), true) = (edit, errors.is_empty()) else {
        return again(
            &admin,
            staff,
            StatusCode::BAD_REQUEST,
            &record,
            &filled,
            &errors,
            Vec::new(),
        )
        .await;
    };
    if raised || takes_over {
        posted.confirm(&admin).await?;
    }
    let id = record.user.id;
    let operator = posted.operator(&admin).who(may_edit);
    let (post, random) = (Some(&**admin.auth.post()), &*admin.services.random);
    match operator.edit_user(&record.user, &edit, seen, post, random).await {
        Ok(_) => {
            admin.auth.catch_up().await?;
            Ok(redirect(&format!("/admin/users/{id}/?said=saved")))
        }
        Err(AdminError::Stale) => {
            let now = admin
                .store
                .user_record(id)
                .await?
                .ok_or_else(|| PageError::gone("There is no such user any more."))?;
            stale(&admin, staff, &now, &filled, &errors).await
        }
        Err(AdminError::Store(StoreError::UsernameTaken) | AdminError::NameTaken) => {
            errors.add("username", NAME_TAKEN);
            again(&admin, staff, StatusCode::CONFLICT, &record, &filled, &errors, Vec::new()).await
        }
        Err(AdminError::Store(StoreError::EmailTaken)) => {
            errors.add("email", ADDRESS_TAKEN);
            again(&admin, staff, StatusCode::CONFLICT, &record, &filled, &errors, Vec::new()).await
        }
        Err(AdminError::LastSuperuser) => {
            errors.add(
                "is_superuser",
                "Nobody would be left who can do everything: there must be an active superuser who \
                 is staff. Make another one first.",
            );
            again(&admin, staff, StatusCode::CONFLICT, &record, &filled, &errors, Vec::new()).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What was filled in, beside what is there now.
async fn stale(
    admin: &Admin,
    staff: &Staff,
    now: &UserRecord,
    filled: &Filled,
    errors: &Errors,
) -> PageResult {
    let differences = filled.differences(&Filled::of(&now.user));
    again(admin, staff, StatusCode::CONFLICT, now, filled, errors, differences).await
}

async fn again(
    admin: &Admin,
    staff: &Staff,
    status: StatusCode,
    record: &UserRecord,
    filled: &Filled,
    errors: &Errors,
    differences: Vec<Difference>,
) -> PageResult {
    let frame = staff.frame("/admin/users/", record.user.username.clone());
    Ok(page(
        status,
        &EditUserPage::new(admin, staff, frame, record, filled, errors, differences).await?,
    ))
}

/// The form, filled in.
struct Filled {
    names: Names,
    is_active: bool,
    is_staff: bool,
    is_superuser: bool,
    metadata: String,
}

impl Filled {
    fn of(user: &User) -> Self {
        let names = Names {
            username: user.username.clone(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
        };
        let metadata = serde_json::to_string_pretty(&user.metadata).unwrap_or_default();
        Self {
            names,
            is_active: user.is_active,
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            metadata,
        }
    }

    /// A name or an address that the row has already may stay, even if it would not be taken today.
    fn read(form: &Form, user: &User, errors: &mut Errors) -> Self {
        let mut wrong = Errors::default();
        let names = Names::read(form, &mut wrong);
        for (name, given, had) in [
            ("username", &names.username, &user.username),
            ("email", &names.email, &user.email),
            ("first_name", &names.first_name, &user.first_name),
            ("last_name", &names.last_name, &user.last_name),
        ] {
            if let Some(what) = wrong.get(name).filter(|_| given != had) {
                errors.add(name, what);
            }
        }
        Self {
            names,
            is_active: form.ticked("is_active"),
            is_staff: if form.ticked("flags") { form.ticked("is_staff") } else { user.is_staff },
            is_superuser: if form.ticked("flags") {
                form.ticked("is_superuser")
            } else {
                user.is_superuser
            },
            metadata: form.text("metadata").to_owned(),
        }
    }

    fn edit(&self, user: &User, errors: &mut Errors) -> Option<UserEdit> {
        let mut unchanged = Errors::default();
        let username =
            if self.names.username == user.username { None } else { self.names.username(errors) };
        let email =
            self.names.email(if self.names.email == user.email { &mut unchanged } else { errors });
        if self.names.email == user.email && email.is_none() && !user.email.is_empty() {
            errors.add(
                "email",
                "This address came from elsewhere and would not be taken today. \
                Correct it, or leave it empty.",
            );
        }
        let metadata = match serde_json::from_str::<Value>(if self.metadata.trim().is_empty() {
            "{}"
        } else {
            &self.metadata
        }) {
            Ok(Value::Object(metadata))
                if metadata.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)) =>
            {
                errors.add(
                    "metadata",
                    "A text in it holds a NUL character, which not every \
                    database can keep. Leave it out.",
                );
                Map::new()
            }
            Ok(Value::Object(metadata)) => metadata,
            Ok(_) => {
                errors.add("metadata", "This is JSON, but no object. Write { … }.");
                Map::new()
            }
            Err(error) => {
                errors.add("metadata", format!("This is no JSON: {error}."));
                Map::new()
            }
        };
        errors.is_empty().then(|| UserEdit {
            username,
            email,
            first_name: self.names.first_name.clone(),
            last_name: self.names.last_name.clone(),
            is_active: self.is_active,
            is_staff: self.is_staff,
            is_superuser: self.is_superuser,
            grants: None,
            metadata,
        })
    }

    /// Whether the user could sign in by another name than before, or could not before.
    fn takes_over(&self, user: &User) -> bool {
        self.names.username != user.username
            || self.names.email != user.email
            || (!user.is_active && self.is_active)
    }

    /// What is there now, beside what was typed.
    fn differences(&self, now: &Self) -> Vec<Difference> {
        let yes = |flag| if flag { "yes" } else { "no" }.to_owned();
        let fields = |filled: &Self| {
            [
                ("User name", filled.names.username.clone()),
                ("E-mail address", filled.names.email.clone()),
                ("First name", filled.names.first_name.clone()),
                ("Last name", filled.names.last_name.clone()),
                ("Active", yes(filled.is_active)),
                ("Staff", yes(filled.is_staff)),
                ("Superuser", yes(filled.is_superuser)),
                ("Metadata", filled.metadata.trim().to_owned()),
            ]
        };
        let pairs = fields(self).into_iter().zip(fields(now));
        pairs
            .map(|((field, yours), (_, theirs))| Difference {
                field,
                differs: yours != theirs,
                yours,
                theirs,
            })
            .collect()
    }
}

/// A field as it was typed and as it is.
struct Difference {
    field: &'static str,
    yours: String,
    theirs: String,
    differs: bool,
}

#[derive(Template)]
#[template(path = "admin/user_edit.html")]
struct EditUserPage<'a> {
    frame: Frame,
    record: &'a UserRecord,
    seen: String,
    joined: When,
    login: When,
    personal: Vec<Field<'a>>,
    active: Field<'a>,
    flags: Vec<Field<'a>>,
    metadata: Field<'a>,
    own_password: Option<Field<'a>>,
    differences: Vec<Difference>,
    may_change: bool,
    may_raise: bool,
    may_delete: bool,
    may_see_sessions: bool,
    may_see_audit: bool,
    offers: Vec<Offer>,
    waits: Option<Waits>,
    deletion: Option<When>,
    history: Vec<Line>,
}

impl<'a> EditUserPage<'a> {
    async fn new(
        admin: &Admin,
        staff: &Staff,
        frame: Frame,
        record: &'a UserRecord,
        filled: &'a Filled,
        errors: &'a Errors,
        differences: Vec<Difference>,
    ) -> Result<Self, PageError> {
        let user = &record.user;
        let (may_change, raise) =
            (may_touch(&staff.user, user, Permit::ChangeUser), may_raise(&staff.user));
        let may_see_audit = may(&staff.user, Permit::ViewAuditEvent);
        let history = if may_see_audit {
            let search =
                AuditSearch { user: Some(user.id), limit: HISTORY, ..AuditSearch::default() };
            lines(admin, &staff.user, admin.store.audit(&search).await?.rows).await?
        } else {
            Vec::new()
        };
        let waits = Waits::of(admin, user).await?;
        let names = &filled.names;
        let field = |field: Field<'a>| field.disabled(!may_change).wrong(errors);
        Ok(Self {
            frame,
            record,
            seen: seen(record.fingerprint),
            joined: user.date_joined.into(),
            login: When(user.last_login),
            personal: vec![
                field(Field::text("username", "User name", &names.username, 150).required()),
                field(Field {
                    kind: "email",
                    ..Field::text("email", "E-mail address", &names.email, 254)
                }),
                field(Field::text("first_name", "First name", &names.first_name, NAME_MAX_CHARS)),
                field(Field::text("last_name", "Last name", &names.last_name, NAME_MAX_CHARS)),
            ],
            active: field(Field::tick(
                "is_active",
                "Active: may sign in. Without it the sessions end at once",
                filled.is_active,
            )),
            flags: vec![
                Field::tick("is_staff", "Staff: may enter this site", filled.is_staff)
                    .disabled(!(may_change && raise))
                    .wrong(errors),
                Field::tick("is_superuser", "Superuser: has every permission", filled.is_superuser)
                    .disabled(!(may_change && raise))
                    .wrong(errors),
            ],
            metadata: field(
                Field::area("metadata", "Metadata", &filled.metadata)
                    .hint("A JSON object of your own. Access tokens do not carry it."),
            ),
            own_password: (may_change && !staff.is_fresh(admin.clock.now())).then(own_password),
            differences,
            may_change,
            may_raise: may_change && raise,
            may_delete: may_touch(&staff.user, user, Permit::DeleteUser),
            may_see_sessions: may(&staff.user, Permit::ViewSession),
            may_see_audit,
            offers: if may_change { offers(admin, record, waits.is_some()) } else { Vec::new() },
            waits,
            deletion: admin.store.deletion_of(user.id).await?.map(When::from),
            history,
        })
    }
}

/// An address that is to be proved.
struct Waits {
    address: String,
    until: When,
    /// The name of who has it already.
    taken_by: Option<String>,
}

impl Waits {
    async fn of(admin: &Admin, user: &User) -> Result<Option<Self>, PageError> {
        let Some(waits) = admin.store.registration_of(user.id).await? else { return Ok(None) };
        let taken_by = owner_of(&*admin.store, &waits.address).await?;
        Ok(Some(Self { address: waits.address, until: waits.until.into(), taken_by }))
    }
}

/// Lines of a user's history on the user's own page.
const HISTORY: u32 = 12;
