//! A field of a form, with its label, its hint and what is wrong with it.

use std::collections::BTreeMap;

use askama::Template;

/// A field: in a template `{{ field|safe }}`.
#[derive(Debug, Template)]
#[template(path = "admin/field.html")]
pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// As in HTML: `text`, `email`, `password`, and `area` and `tick` besides.
    pub(super) kind: &'static str,
    pub(super) value: &'a str,
    pub(super) hint: &'static str,
    pub(super) error: Option<&'a str>,
    /// The most characters; 0 for no limit.
    pub(super) max: usize,
    pub(super) required: bool,
    pub(super) disabled: bool,
    pub(super) autocomplete: &'static str,
}

impl<'a> Field<'a> {
    /// A line of text.
    pub(super) fn text(
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
    pub(super) fn password(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self { kind: "password", required: true, autocomplete, ..Self::text(name, label, "", 1024) }
    }

    /// Several lines of text.
    pub(super) fn area(name: &'static str, label: &'static str, value: &'a str) -> Self {
        Self { kind: "area", ..Self::text(name, label, value, 0) }
    }

    /// A box to tick.
    pub(super) fn tick(name: &'static str, label: &'static str, ticked: bool) -> Self {
        Self { kind: "tick", ..Self::text(name, label, if ticked { "on" } else { "" }, 0) }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn disabled(self, disabled: bool) -> Self {
        Self { disabled, ..self }
    }

    /// With what is wrong with it.
    pub(super) fn wrong(self, errors: &'a Errors) -> Self {
        Self { error: errors.get(self.name), ..self }
    }
}

/// What is wrong with a form's fields.
#[derive(Debug, Default)]
pub(super) struct Errors(BTreeMap<&'static str, String>);

impl Errors {
    /// Notes what is wrong with a field; the first thing stays.
    pub(super) fn add(&mut self, name: &'static str, what: impl Into<String>) {
        self.0.entry(name).or_insert_with(|| what.into());
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text of at most so many characters.
    pub(super) fn at_most(&mut self, name: &'static str, text: &str, max: usize) -> String {
        if text.chars().count() > max {
            self.add(name, format!("At most {max} characters, please."));
        } else if text.chars().any(char::is_control) {
            self.add(name, "This holds a control character. Leave it out.");
        }
        text.to_owned()
    }
}
