//! What a form or an address sends: names and texts, read once and strictly.

use std::collections::HashSet;

use url::form_urlencoded;

use crate::admin::kit::page_error::PageError;

/// The fields of a form or of the part of an address behind `?`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the fields.
    ///
    /// # Errors
    /// A NUL, a field twice that is no list, or more than [`NAMES_MOST`] names: no form of ours
    /// sends any.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, PageError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        // Looked up by hash: a stranger may send thousands of names.
        let mut seen = HashSet::new();
        for (name, text) in form_urlencoded::parse(bytes) {
            if name.contains('\0') || text.contains('\0') {
                return Err(PageError::bad(
                    "A text holds a NUL character. Leave it out and send the form again.",
                ));
            }
            if !LISTS.contains(&&*name) {
                if seen.len() == NAMES_MOST {
                    return Err(PageError::bad(
                        "These are more fields than any form of this site has. Go back to the page \
                         and send its form.",
                    ));
                }
                if !seen.insert(name.clone()) {
                    return Err(PageError::bad(
                        "The same field came twice. Go back to the page and send its form once.",
                    ));
                }
            }
            // A text area's lines end as browsers send them; what is kept ends them as everybody
            // else does.
            fields.push((name.into_owned(), text.replace("\r\n", "\n")));
        }
        Ok(Self(fields))
    }

    /// The text of a field; empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, text)| text)
    }

    /// Whether a box is ticked.
    pub(crate) fn ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Every text of a list.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, text)| text.as_str())
    }

    /// The numbers of a list, each once, sorted.
    ///
    /// # Errors
    /// A text that is no number.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<i64>, PageError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| PageError::bad("One of the choices is none that the page offered."))
        };
        let mut numbers = self.all(name).map(parse).collect::<Result<Vec<i64>, _>>()?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// A number, if the field is there and not empty.
    ///
    /// # Errors
    /// A text that is no number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, PageError> {
        match self.text(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| PageError::bad("A number in the address is none.")),
        }
    }

    /// All fields, in their order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The same fields as the part of an address behind `?`, with these in place of those of the
    /// same name; without the empty ones.
    pub(crate) fn with(&self, changes: &[(&str, &str)]) -> String {
        let kept = self.fields().filter(|(name, text)| {
            !text.is_empty() && changes.iter().all(|(changed, _)| changed != name)
        });
        let changed = changes.iter().copied().filter(|(_, text)| !text.is_empty());
        form_urlencoded::Serializer::for_suffix(String::from("?"), 1)
            .extend_pairs(kept.chain(changed))
            .finish()
    }
}

/// The fields that may come several times: ticked rows and choices.
const LISTS: [&str; 4] = ["ids", "groups", "permissions", "sessions"];

/// How many names a form may have beside its lists: ten times what any of ours has.
const NAMES_MOST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_twice_or_a_nul_is_refused_and_a_list_is_not() {
        assert!(Form::parse(b"username=a&username=b").is_err());
        assert!(Form::parse(b"username=a%00b").is_err());
        assert!(Form::parse(b"a%00=b").is_err());
        let form = Form::parse(b"ids=3&ids=1&ids=3&username=a+b&bio=1%0D%0A2").unwrap();
        assert_eq!(form.numbers("ids").unwrap(), [1, 3]);
        assert_eq!(
            (form.text("username"), form.text("bio"), form.text("none")),
            ("a b", "1\n2", "")
        );
        assert!(Form::parse(b"ids=x").unwrap().numbers("ids").is_err());
        assert!(Form::parse(b"ids=99999999999999999999").unwrap().numbers("ids").is_err());
    }

    #[test]
    fn as_many_names_as_a_form_can_have_are_read_and_no_more() {
        let many = |count: usize| (0..count).map(|n| format!("f{n}=&")).collect::<String>();
        assert_eq!(Form::parse(many(NAMES_MOST).as_bytes()).unwrap().fields().count(), NAMES_MOST);
        assert!(Form::parse(many(NAMES_MOST + 1).as_bytes()).is_err());
        assert!(Form::parse("ids=1&".repeat(3000).as_bytes()).is_ok(), "ticked rows");
    }

    #[test]
    fn an_address_keeps_what_is_not_changed() {
        let query = Form::parse(b"q=a%26b&o=email&page=&from=x").unwrap();
        assert_eq!(query.with(&[("from", ""), ("o", "joined")]), "?q=a%26b&o=joined");
    }
}
