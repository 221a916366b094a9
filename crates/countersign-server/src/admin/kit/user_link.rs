//! Users where they are mentioned: a name for an id, and an id for what was typed as a name.

use std::collections::HashMap;

use askama::filters;
use countersign::store::StoreError;
use countersign::store::admin::{UserAdmin, Who};
use countersign::user::UserId;

use crate::admin::kit::forms::Form;
use crate::admin::kit::page_error::PageError;
use crate::admin::site::Admin;
use crate::operate::NOBODY;

/// The names of some users.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<UserId, Option<String>>);

impl Names {
    /// Reads the names of these that are not known yet; of those who are gone it is known then that
    /// they are.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn read(
        &mut self,
        store: &dyn UserAdmin,
        mut ids: Vec<UserId>,
    ) -> Result<(), StoreError> {
        ids.retain(|id| !self.0.contains_key(id));
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let there = store.usernames(&ids).await?;
        self.0.extend(ids.into_iter().map(|id| (id, None)));
        self.0.extend(there.into_iter().map(|(id, name)| (id, Some(name))));
        Ok(())
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The user or the shell that did something, as HTML.
    pub(crate) fn link_who(&self, who: &Who, linked: bool) -> String {
        match who {
            Who::User(id) => self.link(*id, linked),
            Who::Shell(name) => format!("{} in the shell", escape(name)),
            Who::Service { id, name } => format!("the service {} (token {id})", escape(name)),
            other => escape(&other.to_string()),
        }
    }

    /// The name of somebody who is still there.
    pub(crate) fn get(&self, id: UserId) -> Option<&str> {
        self.0.get(&id)?.as_deref()
    }

    /// The name as HTML, as a link to the user's page where wanted.
    pub(crate) fn link(&self, id: UserId, linked: bool) -> String {
        match self.get(id) {
            None if id == NOBODY => "the server itself".to_owned(),
            Some(name) if linked => format!("<a href=\"/admin/users/{id}/\">{}</a>", escape(name)),
            Some(name) => escape(name),
            None => format!("<span class=\"none\">user {id}, gone</span>"),
        }
    }
}

/// The one whom a filter names, as [`asked`] or by the name of the operating system's user:
/// `shell:NAME`.
///
/// # Errors
/// A page that says that there is none.
pub(crate) async fn asked_who(
    admin: &Admin,
    query: &Form,
    field: &str,
) -> Result<Option<Who>, PageError> {
    if let Some(who) = Who::from_name(query.text(field).trim()) {
        return Ok(Some(who));
    }
    Ok(asked(admin, query, field).await?.map(Who::User))
}

/// The user whom a filter names, by user name, e-mail address or id.
///
/// # Errors
/// A page that says that there is none.
pub(crate) async fn asked(
    admin: &Admin,
    query: &Form,
    field: &str,
) -> Result<Option<UserId>, PageError> {
    let text = query.text(field).trim();
    if text.is_empty() {
        return Ok(None);
    }
    let id = text.parse::<UserId>().ok().filter(|id| id.as_i64().is_some());
    if let Some(id) = id
        && admin.store.user_by_id(id).await?.is_some()
    {
        return Ok(Some(id));
    }
    match admin.store.user_by_login(text).await? {
        Some(found) => Ok(Some(found.user.id)),
        // Lines stay when a user is gone, and then there is no name to find them by.
        None if id.is_some() => Ok(id),
        None => Err(PageError::gone(&format!(
            "Nobody is called {text:?}. Write the whole user name or e-mail address, or the id."
        ))),
    }
}

/// As text in HTML, as the templates write it.
fn escape(text: &str) -> String {
    let Ok(filters::Safe(escaped)) = filters::escape(text, filters::Html);
    escaped.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_wherever_it_is_shown() {
        let mut names = Names::default();
        names.0.insert(UserId::new(7), Some("<b>\"&'".to_owned()));
        for linked in [true, false] {
            let html = names.link(UserId::new(7), linked);
            assert!(!html.contains("<b>") && html.contains("&#60;b&#62;"), "{html}");
        }
        let html = names.link_who(&Who::Shell("<script>".to_owned()), true);
        assert!(!html.contains('<'), "{html}");
    }
}
