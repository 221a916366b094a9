//! What every page has around it: its head, the way to the other pages, and who is signed in.

use countersign::user::User;

use crate::admin::kit::forms::Form;
use crate::admin::rules::{Permit, may};

/// What the frame around a page shows.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) links: Vec<MenuLink>,
    pub(crate) who: String,
    pub(crate) csrf: String,
    /// What has just been done.
    pub(crate) said: Option<&'static str>,
}

/// A way to another page.
#[derive(Debug)]
pub(crate) struct MenuLink {
    pub(crate) href: &'static str,
    pub(crate) text: &'static str,
    pub(crate) here: bool,
}

impl Frame {
    /// The frame of a page in this section, `/admin/users/` and the like, for this operator, whose
    /// forms carry `csrf`.
    pub(crate) fn new(
        operator: &User,
        csrf: String,
        section: &str,
        title: impl Into<String>,
    ) -> Self {
        let links = MENU
            .iter()
            .filter(|(_, _, permit)| permit.is_none_or(|permit| may(operator, permit)))
            .map(|&(href, text, _)| MenuLink { href, text, here: href == section })
            .collect();
        Self { title: title.into(), links, who: operator.username.clone(), csrf, said: None }
    }

    /// With the message that the address asks for, after a form was taken.
    pub(crate) fn saying(mut self, query: &Form) -> Self {
        let word = query.text("said");
        self.said = SAID.iter().find(|(own, _)| *own == word).map(|(_, text)| *text);
        self
    }
}

/// Where an operator can go, and what for.
const MENU: [(&str, &str, Option<Permit>); 10] = [
    ("/admin/", "Dashboard", None),
    ("/admin/users/", "Users", Some(Permit::ViewUser)),
    ("/admin/groups/", "Groups", Some(Permit::ViewGroup)),
    ("/admin/permissions/", "Permissions", Some(Permit::ViewPermission)),
    ("/admin/sessions/", "Sessions", Some(Permit::ViewSession)),
    ("/admin/outbox/", "Outbox", Some(Permit::ViewOutbox)),
    ("/admin/hooks/", "Web hooks", Some(Permit::ViewHook)),
    ("/admin/audit/", "Audit log", Some(Permit::ViewAuditEvent)),
    ("/admin/keys/", "Keys", Some(Permit::ViewKey)),
    ("/admin/tokens/", "Service tokens", Some(Permit::ViewServiceToken)),
];

/// What a page says after a form was taken. The word travels in the address; the text is ours.
const SAID: [(&str, &str); 28] = [
    ("added", "The user was added."),
    ("invited", "The user was invited. The mail is on its way."),
    ("link-sent", "The mail with the link is on its way."),
    ("verified", "The address counts as proved."),
    ("mail-retried", "The mail is tried again now."),
    ("mail-forgotten", "The mail was taken out of the outbox."),
    ("hook-replayed", "The web hook goes on. What waits is tried now."),
    ("saved", "Your changes were saved."),
    ("unchanged", "Nothing was different, so nothing was changed."),
    ("password", "The password was set, and the user's sessions were ended."),
    ("factors", "Every second factor was removed, and the user's sessions were ended."),
    ("unusable", "The password was made unusable, and the user's sessions were ended."),
    ("activated", "The users you ticked may sign in."),
    ("deactivated", "The users you ticked may no longer sign in, and their sessions were ended."),
    ("ended", "The sessions were ended."),
    ("deleted", "What you chose was deleted."),
    ("group-added", "The group was added."),
    ("group-saved", "The group was saved."),
    ("group-deleted", "The group was deleted."),
    ("permission-added", "The permission was added."),
    ("permission-saved", "The permission was saved."),
    ("permission-deleted", "The permission was deleted."),
    ("access", "Groups and permissions were saved."),
    (
        "rotated",
        "A new key was made. It signs in two minutes; the old ones verify until their last token \
         has expired.",
    ),
    (
        "cut-off",
        "A new key signs now, and the old keys are cut off. Clients get new access tokens with \
         their next refresh.",
    ),
    ("retired", "The key was retired. What it signed is refused from now on."),
    ("token-revoked", "The token was revoked. Whatever still shows it is refused."),
    ("welcome", "You are signed in as the first superuser."),
];
