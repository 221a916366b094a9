//! `/admin/permissions/`: what can be given, to users and groups. Their names are what programs ask
//! for.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign::store::admin::{AdminError, PermissionRow, PermissionText};

use crate::admin::gate::{Path, Posted, Query, Staff};
use crate::admin::kit::field::{Errors, Field};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::kit::permissions::name_of;
use crate::admin::kit::users::{fingerprint, seen};
use crate::admin::rules::{
    Permit, may, may_add_permission, may_change_permission, may_delete_permission,
    may_rename_permission, may_rename_permissions,
};
use crate::admin::site::Admin;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewPermission)?;
    shown(&PermissionsPage::new(&admin, &staff, &query, &empty(), &Errors::default()).await?)
}

pub(crate) async fn add(State(admin): State<Admin>, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::AddPermission)?;
    let mut errors = Errors::default();
    let text = read(&posted.form, &mut errors);
    if errors.is_empty() {
        let operator = posted.operator(&admin).who(may_add_permission);
        match operator.save_permission(None, &text, None).await {
            Ok(_) if may(&posted.staff.user, Permit::ViewPermission) => {
                return Ok(redirect("/admin/permissions/?said=permission-added"));
            }
            Ok(_) => return Ok(redirect("/admin/?said=permission-added")),
            Err(AdminError::NameTaken) => {
                errors.add("codename", "There is a permission of this app and codename already.");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(page(
        StatusCode::BAD_REQUEST,
        &PermissionsPage::new(&admin, &posted.staff, &Form::default(), &text, &errors).await?,
    ))
}

pub(crate) async fn form(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
    Path(id): Path,
) -> PageResult {
    staff.needs(Permit::ViewPermission)?;
    let row = row(&admin, &id).await?;
    shown(&PermissionPage::new(&staff, &query, &row, &row.text, &Errors::default(), None))
}

pub(crate) async fn save(State(admin): State<Admin>, Path(id): Path, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::ChangePermission)?;
    let row = row(&admin, &id).await?;
    let seen = fingerprint(&posted.form)?;
    let mut errors = Errors::default();
    let mut text = read(&posted.form, &mut errors);
    if seen != row.text.fingerprint() {
        return Ok(stale(&posted, text, &row));
    }
    if !may_rename_permissions(&posted.staff.user) {
        if posted.form.ticked("app")
            && (text.app != row.text.app || text.codename != row.text.codename)
        {
            return Err(PageError::forbidden(
                "Only a superuser changes an app or a codename: with another one it would be \
                 another permission in the hands of everybody who has it.",
            ));
        }
        errors = Errors::default();
        text = PermissionText {
            name: errors.at_most("name", posted.form.text("name").trim(), NAME_MAX_CHARS),
            ..row.text.clone()
        };
    }
    if errors.is_empty() {
        let is_renamed = text.app != row.text.app || text.codename != row.text.codename;
        if is_renamed {
            posted.confirm(&admin).await?;
        }
        let rule = if is_renamed { may_rename_permission } else { may_change_permission };
        // What was read is what was seen, and the rule that was chosen is for that.
        let operator = posted.operator(&admin).who(rule);
        match operator.save_permission(Some(row.id), &text, Some(seen)).await {
            Ok(_) => {
                admin.auth.catch_up().await?;
                return Ok(redirect("/admin/permissions/?said=permission-saved"));
            }
            Err(AdminError::NameTaken) => {
                errors.add("codename", "There is another permission of this app and codename.");
            }
            Err(AdminError::Stale) => {
                return Ok(stale(&posted, text, &self::row(&admin, &id).await?));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(page(
        StatusCode::BAD_REQUEST,
        &PermissionPage::new(&posted.staff, &Form::default(), &row, &text, &errors, None),
    ))
}

/// What was filled in, beside what is there now. Of who changes the words alone, the words were
/// filled in.
fn stale(posted: &Posted, filled: PermissionText, now: &PermissionRow) -> Response {
    let filled = if may_rename_permissions(&posted.staff.user) {
        filled
    } else {
        PermissionText { name: filled.name, ..now.text.clone() }
    };
    let theirs = match now.text.name.as_str() {
        "" => format!("{}, without a name", name_of(now)),
        name => format!("{}, “{name}”", name_of(now)),
    };
    let (query, errors) = (Form::default(), Errors::default());
    page(
        StatusCode::CONFLICT,
        &PermissionPage::new(&posted.staff, &query, now, &filled, &errors, Some(theirs)),
    )
}

pub(crate) async fn delete(
    State(admin): State<Admin>,
    Path(id): Path,
    posted: Posted,
) -> PageResult {
    posted.staff.needs(Permit::DeletePermission)?;
    let row = row(&admin, &id).await?;
    posted.confirm(&admin).await?;
    posted.operator(&admin).who(may_delete_permission).delete_permission(row.id).await?;
    admin.auth.catch_up().await?;
    Ok(redirect("/admin/permissions/?said=permission-deleted"))
}

fn read(form: &Form, errors: &mut Errors) -> PermissionText {
    let mut part = |name: &'static str| {
        let text = errors.at_most(name, form.text(name).trim(), PART_MAX_CHARS);
        if text.is_empty() || !text.chars().all(|c| c.is_alphanumeric() || "_-:".contains(c)) {
            errors.add(name, "Letters, digits and _ - : only, at least one.");
        }
        text
    };
    let (app, codename) = (part("app"), part("codename"));
    PermissionText {
        app,
        codename,
        name: errors.at_most("name", form.text("name").trim(), NAME_MAX_CHARS),
    }
}

async fn row(admin: &Admin, id: &str) -> Result<PermissionRow, PageError> {
    let found = match id.parse::<i64>() {
        Ok(id) => admin.store.permissions().await?.into_iter().find(|row| row.id == id),
        Err(_) => None,
    };
    found.ok_or_else(|| PageError::gone("There is no such permission."))
}

fn empty() -> PermissionText {
    PermissionText { app: String::new(), codename: String::new(), name: String::new() }
}

fn fields<'a>(
    text: &'a PermissionText,
    errors: &'a Errors,
    rename: bool,
    change: bool,
) -> [Field<'a>; 3] {
    [
        Field::text("app", "App", &text.app, PART_MAX_CHARS)
            .hint("Which program it is for, such as shop.")
            .required()
            .disabled(!rename),
        Field::text("codename", "Codename", &text.codename, PART_MAX_CHARS)
            .hint("What it allows, such as refund_order.")
            .required()
            .disabled(!rename),
        Field::text("name", "Name", &text.name, NAME_MAX_CHARS)
            .hint("For people, such as “Can refund orders”.")
            .disabled(!change),
    ]
    .map(|field| field.wrong(errors))
}

#[derive(Template)]
#[template(path = "admin/permissions.html")]
struct PermissionsPage<'a> {
    frame: Frame,
    find: String,
    rows: Vec<PermissionRow>,
    more: usize,
    fields: [Field<'a>; 3],
    may_view: bool,
    may_add: bool,
}

impl<'a> PermissionsPage<'a> {
    async fn new(
        admin: &Admin,
        staff: &Staff,
        query: &Form,
        text: &'a PermissionText,
        errors: &'a Errors,
    ) -> Result<Self, PageError> {
        let find = query.text("q").trim().to_lowercase();
        // Whoever only adds comes here with a mistake, and sees no more than that.
        let may_view = may(&staff.user, Permit::ViewPermission);
        let all = if may_view { admin.store.permissions().await? } else { Vec::new() }.into_iter();
        let mut rows: Vec<_> = all
            .filter(|row| {
                find.is_empty()
                    || name_of(row).to_lowercase().contains(&find)
                    || row.text.name.to_lowercase().contains(&find)
            })
            .collect();
        let more = rows.len().saturating_sub(ROWS);
        rows.truncate(ROWS);
        let may_add = may(&staff.user, Permit::AddPermission);
        let frame = staff.frame("/admin/permissions/", "Permissions").saying(query);
        let fields = fields(text, errors, true, true);
        Ok(Self { frame, find, rows, more, fields, may_view, may_add })
    }
}

#[derive(Template)]
#[template(path = "admin/permission.html")]
struct PermissionPage<'a> {
    frame: Frame,
    id: i64,
    seen: String,
    /// What is there now, where somebody changed it meanwhile.
    meanwhile: Option<String>,
    fields: [Field<'a>; 3],
    may_change: bool,
    may_delete: bool,
}

impl<'a> PermissionPage<'a> {
    fn new(
        staff: &Staff,
        query: &Form,
        row: &PermissionRow,
        text: &'a PermissionText,
        errors: &'a Errors,
        meanwhile: Option<String>,
    ) -> Self {
        let may_change = may(&staff.user, Permit::ChangePermission);
        Self {
            frame: staff.frame("/admin/permissions/", name_of(row)).saying(query),
            id: row.id,
            seen: seen(row.text.fingerprint()),
            meanwhile,
            fields: fields(text, errors, may_rename_permissions(&staff.user), may_change),
            may_change,
            may_delete: may(&staff.user, Permit::DeletePermission),
        }
    }
}

/// Rows on the page; the rest is found by searching.
const ROWS: usize = 150;

/// As in Django.
const PART_MAX_CHARS: usize = 100;
const NAME_MAX_CHARS: usize = 255;
