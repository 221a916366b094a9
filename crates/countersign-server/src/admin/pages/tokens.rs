//! `/admin/tokens/`: service tokens, which programs show that manage users; made, shown once, and
//! revoked.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::store::admin::{PermissionRow, Powers, ServiceTokenRow, Who};
use ipnet::IpNet;

use crate::admin::gate::{Path, Posted, Query, Staff};
use crate::admin::kit::field::{Errors, Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::listing::PAGE_ROWS;
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult, shown};
use crate::admin::kit::permissions::{name_of, permission_picker};
use crate::admin::kit::picker::Picker;
use crate::admin::kit::user_link::Names;
use crate::admin::rules::{
    Permit, may, may_change_service_tokens, may_revoke_service_tokens, not_to_give,
};
use crate::admin::site::Admin;
use crate::config::{duration, network};
use crate::operate::service_tokens::{
    Makers, NAME_MAX_CHARS, NotMade, TokenAsked, in_words, state,
};
use crate::text::to_the_second;

pub(crate) async fn list(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ViewServiceToken)?;
    let after = query.number("after")?;
    let mut rows = admin.store.service_tokens(after, PAGE_ROWS + 1).await?;
    let next = (rows.len() > PAGE_ROWS as usize).then(|| {
        rows.truncate(PAGE_ROWS as usize);
        let last = rows.last().map(|row| row.id.to_string()).unwrap_or_default();
        query.with(&[("after", last.as_str()), ("said", "")])
    });
    let mut names = Names::default();
    names.read(&*admin.store, rows.iter().filter_map(|row| row.maker.user()).collect()).await?;
    let makers = Makers::of(&rows, &*admin.store).await?;
    let (now, linked) = (admin.clock.now(), may(&staff.user, Permit::ViewUser));
    let row = |row: ServiceTokenRow| Row {
        id: row.id,
        state: state(&row, &makers, now),
        powers: in_words(&row.powers),
        networks: row.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        maker: names.link_who(&row.maker, linked),
        expires: to_the_second(row.expires_at),
        used: row.last_used_at.map_or_else(|| "never".to_owned(), to_the_second),
        may_revoke: row.revoked_at.is_none() && may_end(&staff, &row),
        name: row.name,
    };
    let rows: Vec<Row> = rows.into_iter().map(row).collect();
    shown(&TokensPage {
        own_password: (!staff.is_fresh(now)).then(own_password),
        may_add: may(&staff.user, Permit::ChangeServiceToken),
        first: after.map(|_| query.with(&[("after", ""), ("said", "")])),
        next,
        rows,
        frame: staff.frame("/admin/tokens/", "Service tokens").saying(&query),
    })
}

pub(crate) async fn form(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
) -> PageResult {
    staff.needs(Permit::ChangeServiceToken)?;
    let filled = Filled { expires_in: "90d".to_owned(), ..Filled::default() };
    shown(&TokenPage::new(&admin, &staff, query.text("find"), &filled, &Errors::default()).await?)
}

pub(crate) async fn add(State(admin): State<Admin>, posted: Posted) -> PageResult {
    let staff = &posted.staff;
    staff.needs(Permit::ChangeServiceToken)?;
    let mut errors = Errors::default();
    let filled = Filled::read(&posted.form)?;
    let again = async |status, errors: &Errors| {
        let find = posted.form.text("find");
        Ok(page(status, &TokenPage::new(&admin, staff, find, &filled, errors).await?))
    };
    if posted.form.ticked("look") {
        return again(StatusCode::OK, &errors).await;
    }
    let all = admin.store.permissions().await?;
    let Some(asked) = filled.asked(staff, &all, &mut errors)? else {
        return again(StatusCode::BAD_REQUEST, &errors).await;
    };
    posted.confirm(&admin).await?;
    let operator = posted.operator(&admin).who(may_change_service_tokens);
    match operator.make_service_token(&admin.services, asked).await {
        Ok((row, token)) => shown(&TokenMadePage {
            frame: staff.frame("/admin/tokens/", format!("{} was made", row.name)),
            token: token.expose(),
            expires: to_the_second(row.expires_at),
        }),
        Err(NotMade::Act(error)) => Err(error.into()),
        Err(why) => {
            let field = match why {
                NotMade::Lifetime => "expires_in",
                NotMade::Group(_) => "group_names",
                _ => "name",
            };
            errors.add(field, format!("It was not made: {why}."));
            again(StatusCode::BAD_REQUEST, &errors).await
        }
    }
}

pub(crate) async fn revoke(
    State(admin): State<Admin>,
    Path(id): Path,
    posted: Posted,
) -> PageResult {
    posted.staff.needs(Permit::ChangeServiceToken)?;
    let gone = || PageError::gone("There is no such token, or it was revoked.");
    let id: i64 = id.parse().map_err(|_| gone())?;
    let before = id.checked_sub(1).ok_or_else(gone)?;
    let found = admin.store.service_tokens(Some(before), 1).await?;
    let row = found.into_iter().find(|row| row.id == id && row.revoked_at.is_none());
    let row = row.ok_or_else(gone)?;
    if !may_end(&posted.staff, &row) {
        return Err(PageError::forbidden(
            "You may revoke the tokens that you made. Only a superuser revokes those of others.",
        ));
    }
    posted.confirm(&admin).await?;
    let is_own = row.maker == Who::User(posted.staff.user.id);
    let rule = if is_own { may_change_service_tokens } else { may_revoke_service_tokens };
    posted.operator(&admin).who(rule).revoke_service_token(id).await?;
    admin.auth.catch_up().await?;
    Ok(redirect("/admin/tokens/?said=token-revoked"))
}

/// Whether an operator may end a token: one that they made, and a superuser any.
fn may_end(staff: &Staff, row: &ServiceTokenRow) -> bool {
    may(&staff.user, Permit::ChangeServiceToken)
        && (staff.user.is_superuser || row.maker == Who::User(staff.user.id))
}

/// The form, as it was filled in.
#[derive(Default)]
struct Filled {
    name: String,
    permissions: Vec<i64>,
    groups: String,
    networks: String,
    expires_in: String,
    is_superuser: bool,
}

impl Filled {
    fn read(form: &Form) -> Result<Self, PageError> {
        let text = |name| form.text(name).trim().to_owned();
        Ok(Self {
            name: text("name"),
            permissions: form.numbers("permissions")?,
            groups: text("group_names"),
            networks: text("networks"),
            expires_in: text("expires_in"),
            is_superuser: form.ticked("is_superuser"),
        })
    }

    /// The token that is asked for; `None` where a field is wrong.
    fn asked(
        &self,
        staff: &Staff,
        all: &[PermissionRow],
        errors: &mut Errors,
    ) -> Result<Option<TokenAsked>, PageError> {
        if let Some(id) = self.permissions.iter().find(|id| all.iter().all(|row| row.id != **id)) {
            let what = format!("There is no permission {id}, and nothing was made.");
            return Err(PageError::gone(&what));
        }
        if let Some(row) = not_to_give(&staff.user, &[], &self.permissions, all) {
            return Err(PageError::forbidden(format!(
                "You do not have {} yourself, so you may not give it. Nothing was made.",
                name_of(row)
            )));
        }
        if self.is_superuser && !staff.user.is_superuser {
            return Err(PageError::forbidden(
                "Only a superuser makes a token that may everything. Nothing was made.",
            ));
        }
        let lives = duration(&self.expires_in);
        if let Err(error) = &lives {
            errors.add("expires_in", format!("{error}."));
        }
        let networks: Option<Vec<IpNet>> = lines(&self.networks).map(network).collect();
        if networks.is_none() {
            errors.add("networks", "Write a network such as 10.0.0.0/8, or an address, on a line.");
        }
        let chosen = all.iter().filter(|row| self.permissions.contains(&row.id));
        let powers = Powers {
            permissions: chosen.map(name_of).collect(),
            groups: lines(&self.groups).map(str::to_owned).collect(),
            is_superuser: self.is_superuser,
        };
        let Ok(lives) = lives else { return Ok(None) };
        let asked = networks.map(|networks| TokenAsked {
            name: self.name.clone(),
            powers,
            networks,
            lives,
        });
        Ok(asked)
    }
}

/// What stands on lines of its own.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

struct Row {
    id: i64,
    name: String,
    state: &'static str,
    powers: String,
    networks: String,
    /// A link, as HTML.
    maker: String,
    expires: String,
    used: String,
    may_revoke: bool,
}

#[derive(Template)]
#[template(path = "admin/tokens.html")]
struct TokensPage {
    frame: Frame,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
    may_add: bool,
    own_password: Option<Field<'static>>,
}

#[derive(Template)]
#[template(path = "admin/token.html")]
struct TokenPage<'a> {
    frame: Frame,
    find: &'a str,
    fields: Vec<Field<'a>>,
    permissions: Picker,
    own_password: Option<Field<'a>>,
}

impl<'a> TokenPage<'a> {
    async fn new(
        admin: &Admin,
        staff: &Staff,
        find: &'a str,
        filled: &'a Filled,
        errors: &'a Errors,
    ) -> Result<Self, PageError> {
        let all = admin.store.permissions().await?;
        let name = Field::text("name", "Name", &filled.name, NAME_MAX_CHARS)
            .required()
            .hint("For the list and the audit log.");
        let expires_in = Field::text("expires_in", "Good for", &filled.expires_in, 40)
            .required()
            .hint("From a minute to ten years: 30d, 12h.");
        let networks = Field::area("networks", "Networks", &filled.networks)
            .hint("Where it may be used from, one on a line. Everywhere, if there is none.");
        let groups = Field::area("group_names", "Groups", &filled.groups).hint(
            "By name, one on a line: groups into which it may put users, and whose members it may \
             change.",
        );
        let everything =
            Field::tick("is_superuser", "It may everything: a superuser", filled.is_superuser);
        let mut fields = vec![name, expires_in, networks, groups];
        fields.extend(staff.user.is_superuser.then_some(everything));
        Ok(Self {
            frame: staff.frame("/admin/tokens/", "Make a service token"),
            find,
            fields: fields.into_iter().map(|field| field.wrong(errors)).collect(),
            permissions: permission_picker(&staff.user, &all, &[], &filled.permissions, find),
            own_password: (!staff.is_fresh(admin.clock.now())).then(own_password),
        })
    }
}

#[derive(Template)]
#[template(path = "admin/token_made.html")]
struct TokenMadePage<'a> {
    frame: Frame,
    token: &'a str,
    expires: String,
}
