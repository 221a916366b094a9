//! A field of a form, with its label, its hint and what is wrong with it.

use std::collections::BTreeMap;

use askama::Template;

/// A field: in a template `{{ field|safe }}`.
#[derive(Debug, Template)]
#[template(path = "admin/field.html")]
pub(crate) struct Field<'a> {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// As in HTML: `text`, `email`, `password`, and `area` and `tick` besides.
    pub(crate) kind: &'static str,
    pub(crate) value: &'a str,
    pub(crate) hint: &'static str,
    pub(crate) error: Option<&'a str>,
    /// The most characters; 0 for no limit.
    pub(crate) max: usize,
    pub(crate) required: bool,
    pub(crate) disabled: bool,
    pub(crate) autocomplete: &'static str,
}

impl<'a> Field<'a> {
    /// A line of text.
    pub(crate) fn text(
        name: &'static str,
        label: &'static str,
        value: &'a str,
        max: usize,
    ) -> Self {
        Self {
            name,
            label,
            kind: "text",
            value,
            hint: "",
            error: None,
            max,
            required: false,
            disabled: false,
            autocomplete: "off",
        }
    }

    /// A password, never filled in.
    pub(crate) fn password(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self { kind: "password", required: true, autocomplete, ..Self::text(name, label, "", 1024) }
    }

    /// Several lines of text.
    pub(crate) fn area(name: &'static str, label: &'static str, value: &'a str) -> Self {
        Self { kind: "area", ..Self::text(name, label, value, 0) }
    }

    /// A box to tick.
    pub(crate) fn tick(name: &'static str, label: &'static str, ticked: bool) -> Self {
        Self { kind: "tick", ..Self::text(name, label, if ticked { "on" } else { "" }, 0) }
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(crate) fn disabled(self, disabled: bool) -> Self {
        Self { disabled, ..self }
    }

    /// With what is wrong with it.
    pub(crate) fn wrong(self, errors: &'a Errors) -> Self {
        Self { error: errors.get(self.name), ..self }
    }
}

/// The operator's own password, before something dangerous.
pub(crate) fn own_password<'a>() -> Field<'a> {
    Field {
        required: false,
        ..Field::password("own_password", "Your own password", "current-password")
    }
    .hint(
        "You entered it more than ten minutes ago. It is needed for what is dangerous: \
            new users, names and addresses to sign in with, passwords, rights, deleting.",
    )
}

/// What is wrong with a form's fields.
#[derive(Debug, Default)]
pub(crate) struct Errors(BTreeMap<&'static str, String>);

impl Errors {
    /// Notes what is wrong with a field; the first thing stays.
    pub(crate) fn add(&mut self, name: &'static str, what: impl Into<String>) {
        self.0.entry(name).or_insert_with(|| what.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text of at most so many characters.
    pub(crate) fn at_most(&mut self, name: &'static str, text: &str, max: usize) -> String {
        if text.chars().count() > max {
            self.add(name, format!("At most {max} characters, please."));
        } else if text.chars().any(char::is_control) {
            self.add(name, "This holds a control character. Leave it out.");
        }
        text.to_owned()
    }
}
