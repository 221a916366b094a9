//! `/admin/groups/`: groups, and what each gives its members.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::store::admin::{AdminError, GroupRecord, GroupRow, PermissionRow};

use crate::admin::gate::{Path, Posted, Query, Staff};
use crate::admin::kit::field::{Errors, Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::listing::{PAGE_ROWS, counted};
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::kit::permissions::{name_of, permission_picker};
use crate::admin::kit::picker::Picker;
use crate::admin::kit::users::{fingerprint, seen};
use crate::admin::rules::{
    Permit, may, may_add_group, may_change_group, may_rename_group, may_rename_groups, not_to_give,
    rule_of_deletion,
};
use crate::admin::site::Admin;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewGroup)?;
    let (find, after) = (query.text("q").trim(), query.text("after"));
    let mut rows = admin
        .store
        .groups(find, Some(after).filter(|after| !after.is_empty()), PAGE_ROWS + 1)
        .await?;
    let next = (rows.len() > PAGE_ROWS as usize).then(|| {
        rows.truncate(PAGE_ROWS as usize);
        query.with(&[("after", rows.last().map_or("", |row| row.name.as_str())), ("said", "")])
    });
    shown(&GroupsPage {
        frame: staff.frame("/admin/groups/", "Groups").saying(&query),
        find,
        first: (!after.is_empty()).then(|| query.with(&[("after", ""), ("said", "")])),
        next,
        rows: rows
            .into_iter()
            .map(|row| (counted(row.members, "member", "members"), row))
            .collect(),
        may_add: may(&staff.user, Permit::AddGroup),
    })
}

pub(crate) async fn new(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::AddGroup)?;
    shown(
        &GroupPage::new(&admin, &staff, &query, None, &Filled::default(), &Errors::default(), None)
            .await?,
    )
}

pub(crate) async fn add(State(admin): State<Admin>, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::AddGroup)?;
    put(&admin, &posted, None).await
}

pub(crate) async fn form(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
    Path(id): Path,
) -> PageResult {
    staff.needs(Permit::ViewGroup)?;
    let record = record(&admin, &id).await?;
    let filled = Filled { name: record.name.clone(), permissions: record.permissions.clone() };
    shown(
        &GroupPage::new(&admin, &staff, &query, Some(&record), &filled, &Errors::default(), None)
            .await?,
    )
}

pub(crate) async fn save(State(admin): State<Admin>, Path(id): Path, posted: Posted) -> PageResult {
    posted.staff.needs(Permit::ChangeGroup)?;
    let record = record(&admin, &id).await?;
    put(&admin, &posted, Some(&record)).await
}

pub(crate) async fn delete(
    State(admin): State<Admin>,
    Path(id): Path,
    posted: Posted,
) -> PageResult {
    posted.staff.needs(Permit::DeleteGroup)?;
    let record = record(&admin, &id).await?;
    let rule = rule_of_deletion(&admin.settings.sign_in.second_factor, &record.name);
    let user = &posted.staff.user;
    if !rule(user, user, user) {
        return Err(PageError::forbidden(
            "Only a superuser deletes a group that the setting second_factor names: its members \
             would need no second factor any more.",
        ));
    }
    posted.confirm(&admin).await?;
    posted.operator(&admin).who(rule).delete_group(record.id).await?;
    admin.auth.catch_up().await?;
    Ok(redirect("/admin/groups/?said=group-deleted"))
}

async fn put(admin: &Admin, posted: &Posted, record: Option<&GroupRecord>) -> PageResult {
    let staff = &posted.staff;
    let mut errors = Errors::default();
    let name = match record {
        Some(record) if !may_rename_groups(&staff.user) => {
            if !["", record.name.as_str()].contains(&posted.form.text("name").trim()) {
                return Err(PageError::forbidden(
                    "Only a superuser renames a group: programs may know it by its name, and with \
                     another one its members would be somebody else to them.",
                ));
            }
            record.name.clone()
        }
        _ => errors.at_most("name", posted.form.text("name").trim(), NAME_MAX_CHARS),
    };
    let filled = Filled { name, permissions: posted.form.numbers("permissions")? };
    if posted.form.ticked("look") {
        // Nothing is saved, and what was seen stays what it was.
        let no_errors = Errors::default();
        let mut group =
            GroupPage::new(admin, staff, &posted.form, record, &filled, &no_errors, None).await?;
        if record.is_some() {
            group.seen = seen(fingerprint(&posted.form)?);
        }
        return Ok(page(StatusCode::OK, &group));
    }
    if filled.name.is_empty() {
        errors.add("name", "Give the group a name.");
    }
    let all = admin.store.permissions().await?;
    let had = record.map_or(&[][..], |record| &record.permissions);
    if let Some(id) = filled.permissions.iter().find(|id| all.iter().all(|row| row.id != **id)) {
        return Err(PageError::gone(&format!(
            "There is no permission {id}, and nothing was changed."
        )));
    }
    if let Some(row) = not_to_give(&staff.user, had, &filled.permissions, &all) {
        return Err(PageError::forbidden(format!(
            "You do not have {} yourself, so you may not give it. Nothing was changed.",
            name_of(row)
        )));
    }
    let again =
        async |status, record: Option<&GroupRecord>, errors: &Errors, meanwhile: Option<String>| {
            Ok(page(
                status,
                &GroupPage::new(admin, staff, &Form::default(), record, &filled, errors, meanwhile)
                    .await?,
            ))
        };
    let seen = record.map(|_| fingerprint(&posted.form)).transpose()?;
    if let Some(record) = record
        && seen != Some(record.fingerprint)
    {
        let theirs = group_in_words(record, &all);
        return again(StatusCode::CONFLICT, Some(record), &errors, Some(theirs)).await;
    }
    if !errors.is_empty() {
        return again(StatusCode::BAD_REQUEST, record, &errors, None).await;
    }
    posted.confirm(admin).await?;
    // What was read is what was seen, and the rule that was chosen is for that.
    let rule = match record {
        None => may_add_group,
        Some(record) if record.name == filled.name => may_change_group,
        Some(_) => may_rename_group,
    };
    match posted
        .operator(admin)
        .who(rule)
        .save_group(record.map(|record| record.id), &filled.name, &filled.permissions, seen)
        .await
    {
        Ok(id) => {
            admin.auth.catch_up().await?;
            let said = if record.is_some() { "group-saved" } else { "group-added" };
            Ok(redirect(&if may(&staff.user, Permit::ViewGroup) {
                format!("/admin/groups/{id}/?said={said}")
            } else {
                format!("/admin/?said={said}")
            }))
        }
        Err(AdminError::NameTaken) => {
            errors.add("name", "Another group has this name.");
            again(StatusCode::CONFLICT, record, &errors, None).await
        }
        Err(AdminError::Stale) => {
            let id = record.map_or(0, |record| record.id);
            let now = admin
                .store
                .group_record(id)
                .await?
                .ok_or_else(|| PageError::gone("There is no such group any more."))?;
            let theirs = group_in_words(&now, &all);
            again(StatusCode::CONFLICT, Some(&now), &errors, Some(theirs)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// A group in words.
fn group_in_words(group: &GroupRecord, all: &[PermissionRow]) -> String {
    let names: Vec<String> =
        all.iter().filter(|row| group.permissions.contains(&row.id)).map(name_of).collect();
    let names = if names.is_empty() { "no permission".to_owned() } else { names.join(", ") };
    format!("{}, with {names}", group.name)
}

async fn record(admin: &Admin, id: &str) -> Result<GroupRecord, PageError> {
    let gone = || PageError::gone("There is no such group.");
    admin.store.group_record(id.parse().map_err(|_| gone())?).await?.ok_or_else(gone)
}

#[derive(Default)]
struct Filled {
    name: String,
    permissions: Vec<i64>,
}

#[derive(Template)]
#[template(path = "admin/groups.html")]
struct GroupsPage<'a> {
    frame: Frame,
    find: &'a str,
    first: Option<String>,
    next: Option<String>,
    rows: Vec<(String, GroupRow)>,
    may_add: bool,
}

#[derive(Template)]
#[template(path = "admin/group.html")]
struct GroupPage<'a> {
    frame: Frame,
    id: Option<i64>,
    seen: String,
    find: String,
    name: Field<'a>,
    permissions: Picker,
    meanwhile: Option<String>,
    own_password: Option<Field<'a>>,
    may_change: bool,
    may_delete: bool,
}

impl<'a> GroupPage<'a> {
    async fn new(
        admin: &Admin,
        staff: &Staff,
        query: &Form,
        record: Option<&GroupRecord>,
        filled: &'a Filled,
        errors: &'a Errors,
        meanwhile: Option<String>,
    ) -> Result<Self, PageError> {
        let all = admin.store.permissions().await?;
        let had = record.map_or(&[][..], |record| &record.permissions);
        let may_change =
            may(&staff.user, if record.is_some() { Permit::ChangeGroup } else { Permit::AddGroup });
        let may_name = may_change && (record.is_none() || may_rename_groups(&staff.user));
        let title = record.map_or_else(|| "Add a group".to_owned(), |record| record.name.clone());
        Ok(Self {
            frame: staff.frame("/admin/groups/", title).saying(query),
            id: record.map(|record| record.id),
            seen: record.map(|record| seen(record.fingerprint)).unwrap_or_default(),
            find: query.text("find").to_owned(),
            name: Field::text("name", "Name", &filled.name, NAME_MAX_CHARS)
                .required()
                .disabled(!may_name)
                .wrong(errors),
            permissions: permission_picker(
                &staff.user,
                &all,
                had,
                &filled.permissions,
                query.text("find"),
            ),
            meanwhile,
            own_password: (may_change && !staff.is_fresh(admin.clock.now())).then(own_password),
            may_change,
            may_delete: record.is_some_and(|record| {
                let policy = &admin.settings.sign_in.second_factor;
                rule_of_deletion(policy, &record.name)(&staff.user, &staff.user, &staff.user)
            }),
        })
    }
}

/// As in Django.
const NAME_MAX_CHARS: usize = 150;
