//! The pages: one file each, with its template of the same name. No page imports another.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod audit_csv;
pub(crate) mod bulk;
pub(crate) mod dashboard;
pub(crate) mod first_user;
pub(crate) mod groups;
pub(crate) mod hooks;
pub(crate) mod keys;
pub(crate) mod outbox;
pub(crate) mod permissions;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod tokens;
pub(crate) mod user_add;
pub(crate) mod user_edit;
pub(crate) mod user_factors;
pub(crate) mod user_invite;
pub(crate) mod user_mail;
pub(crate) mod user_password;
pub(crate) mod users;
pub(crate) mod users_csv;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn no_page_imports_another() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/pages");
        let mut looked_at = 0;
        for path in fs::read_dir(pages).unwrap().map(|entry| entry.unwrap().path()) {
            if path.ends_with("mod.rs") {
                continue;
            }
            looked_at += 1;
            let text = fs::read_to_string(&path).unwrap();
            // A page's own tests say `super::*`, and mean the page.
            let text = text.replace("super::*", "");
            for way in ["super::", "admin::pages"] {
                assert!(!text.contains(way), "{} says {way}", path.display());
            }
        }
        assert!(looked_at > 10, "{looked_at}");
    }
}
