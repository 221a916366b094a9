//! Requests as types: what reads a body is what the OpenAPI document describes.
//!
//! A flow declares its body with [`request!`] and reads it with
//! [`body`](super::fields::body) or [`body_if_any`](super::fields::body_if_any). The type of a
//! field says what may be in it, to who reads and to who sends.

use serde_json::Value;
use utoipa::openapi::schema::{self, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use super::fields::Field;
use crate::password::Password;
use crate::session::{DeviceName, Transport};

/// A field that may be left out. What it may not be is null.
impl<T: Field> Field for Option<T> {
    const IS_REQUIRED: bool = false;

    fn missing() -> Result<Self, String> {
        Ok(None)
    }

    fn unread() -> Option<Self> {
        Some(None)
    }

    fn read(given: Value, from_form: bool) -> Result<Self, String> {
        T::read(given, from_form).map(Some)
    }

    fn schema() -> schema::Object {
        T::schema()
    }
}

/// A text of at most `MAX` characters, none of them NUL. It may be blank, and it does not print: it
/// may be a token.
pub(crate) struct Text<const MAX: usize>(pub(crate) String);

impl<const MAX: usize> Field for Text<MAX> {
    fn read(given: Value, _: bool) -> Result<Self, String> {
        match given {
            Value::String(text) if text.contains('\0') => {
                Err("Null characters are not allowed.".to_owned())
            }
            Value::String(text) if text.chars().count() > MAX => {
                Err(format!("Ensure this field has no more than {MAX} characters."))
            }
            Value::String(text) => Ok(Self(text)),
            Value::Null => Err("This field may not be null.".to_owned()),
            _ => Err("Not a valid string.".to_owned()),
        }
    }

    fn schema() -> schema::Object {
        ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX)).build()
    }
}

/// A [`Text`] with something in it.
pub(crate) struct Filled<const MAX: usize>(pub(crate) String);

impl<const MAX: usize> Field for Filled<MAX> {
    fn read(given: Value, from_form: bool) -> Result<Self, String> {
        let Text(text) = Text::<MAX>::read(given, from_form)?;
        if text.is_empty() {
            return Err("This field may not be blank.".to_owned());
        }
        Ok(Self(text))
    }

    fn schema() -> schema::Object {
        ObjectBuilder::from(Text::<MAX>::schema()).min_length(Some(1)).build()
    }
}

/// Counted in bytes, unlike texts: its length is bounded for the hash.
impl Field for Password {
    fn read(given: Value, from_form: bool) -> Result<Self, String> {
        let Filled(text) = Filled::<{ Self::MAX_BYTES }>::read(given, from_form)?;
        Self::parse(text).map_err(|error| error.to_string())
    }

    fn schema() -> schema::Object {
        let schema = ObjectBuilder::from(Filled::<{ Self::MAX_BYTES }>::schema());
        schema.format(Some(utoipa::openapi::SchemaFormat::Custom("password".to_owned()))).build()
    }
}

impl Field for DeviceName {
    fn read(given: Value, from_form: bool) -> Result<Self, String> {
        let Filled(text) = Filled::<{ Self::MAX_CHARS }>::read(given, from_form)?;
        Self::parse(&text).map_err(|error| error.to_string())
    }

    fn schema() -> schema::Object {
        Filled::<{ Self::MAX_CHARS }>::schema()
    }
}

/// A JSON object, as a library wants it. A form has its text.
pub(crate) struct Object(pub(crate) Value);

impl Field for Object {
    fn read(given: Value, from_form: bool) -> Result<Self, String> {
        let given = match given {
            Value::String(text) if from_form => serde_json::from_str(&text).unwrap_or_default(),
            given => given,
        };
        if given.is_object() { Ok(Self(given)) } else { Err("Not a valid object.".to_owned()) }
    }

    fn schema() -> schema::Object {
        ObjectBuilder::new().schema_type(Type::Object).build()
    }
}

impl Field for bool {
    fn read(given: Value, from_form: bool) -> Result<Self, String> {
        match given {
            Value::Bool(flag) => Some(flag),
            Value::String(text) if from_form => match text.as_str() {
                "true" | "True" | "on" | "1" => Some(true),
                "false" | "False" | "off" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| "Must be a valid boolean.".to_owned())
    }

    fn schema() -> schema::Object {
        ObjectBuilder::new().schema_type(Type::Boolean).build()
    }
}

impl Field for Transport {
    fn read(given: Value, from_form: bool) -> Result<Self, String> {
        let Text(word) = Text::<16>::read(given, from_form)?;
        Self::from_word(&word).ok_or_else(|| "Choose cookie or body.".to_owned())
    }

    fn schema() -> schema::Object {
        let words = [Self::Cookie, Self::Body].map(Self::as_str);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
    }
}

/// Declares the body of a request: the struct, how it is read, and how the document describes it.
/// Comments become descriptions; `#[example = …]` stands after a field's comment and fills the
/// field in on the page `/docs`.
macro_rules! request {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $Request:ident {
            $($(#[doc = $said:literal])* $(#[example = $example:expr])? $field:ident: $Field:ty,)*
        }
    ) => {
        $(#[doc = $about])*
        $vis struct $Request {
            $($(#[doc = $said])* $field: $Field,)*
        }

        impl $crate::http::fields::RequestBody for $Request {
            fn take(fields: &mut $crate::http::fields::Fields) -> Option<Self> {
                // All of them first: whatever is wrong is told at once.
                $(let $field = fields.take::<$Field>(
                    $crate::http::request::field_name(stringify!($field)),
                );)*
                Some(Self { $($field: $field.or_else($crate::http::fields::Field::unread)?,)* })
            }
        }

        impl utoipa::PartialSchema for $Request {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use $crate::http::request::{described, described_field, field_name};
                let fields = [$(described_field::<$Field>(
                    field_name(stringify!($field)),
                    concat!($($said),*),
                    None $(.or(Some($example)))?,
                )),*];
                described(concat!($($about),*), fields)
            }
        }

        impl utoipa::ToSchema for $Request {}
    };
}

pub(crate) use request;

/// The name of a field: one that is a word of Rust's too has a prefix there.
pub(crate) fn field_name(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// A field as the document has it.
pub(crate) struct DescribedField {
    name: &'static str,
    is_required: bool,
    schema: schema::Object,
}

pub(crate) fn described_field<T: Field>(
    name: &'static str,
    description: &'static str,
    example: Option<&str>,
) -> DescribedField {
    let description = Some(description.trim()).filter(|description| !description.is_empty());
    let schema =
        ObjectBuilder::from(T::schema()).description(description).examples(example).build();
    DescribedField { name, is_required: T::IS_REQUIRED, schema }
}

pub(crate) fn described(
    description: &'static str,
    fields: impl IntoIterator<Item = DescribedField>,
) -> RefOr<Schema> {
    let object = ObjectBuilder::new().description(Some(description.trim()));
    let object = fields.into_iter().fold(object, |object, field| {
        let object = object.property(field.name, Schema::Object(field.schema));
        if field.is_required { object.required(field.name) } else { object }
    });
    object.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;
    use crate::http::fields::Fields;

    request! {
        /// What is ordered,
        /// and for whom.
        struct Order {
            /// The tea.
            #[example = "oolong"]
            tea: Filled<8>,
            /// What is said of it.
            note: Option<Text<4>>,
            hot: Option<bool>,
        }
    }

    fn read(body: Value) -> Result<Order, Value> {
        let Value::Object(values) = body else { panic!("an object") };
        let answer = Fields::of(values, false).into_request::<Order>();
        answer.map_err(|problem| {
            let bytes = problem.to_http::<Vec<u8>>().into_body();
            serde_json::from_slice::<Value>(&bytes).unwrap()["errors"].clone()
        })
    }

    #[test]
    fn a_body_is_read_by_the_type_that_describes_it() {
        let order = read(json!({"tea": "oolong", "hot": true, "sugar": [1]})).ok().unwrap();
        assert_eq!((order.tea.0.as_str(), order.hot), ("oolong", Some(true)));
        assert!(order.note.is_none());
        assert_eq!(
            serde_json::to_value(Order::schema()).unwrap(),
            json!({
                "type": "object",
                "description": "What is ordered, and for whom.",
                "required": ["tea"],
                "properties": {
                    "tea": {"type": "string", "minLength": 1, "maxLength": 8,
                        "description": "The tea.", "examples": ["oolong"]},
                    "note": {"type": "string", "maxLength": 4,
                        "description": "What is said of it."},
                    "hot": {"type": "boolean"},
                },
            })
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let errors = read(json!({"note": "too long", "hot": null})).err().unwrap();
        assert_eq!(
            errors,
            json!({
                "tea": ["This field is required."],
                "note": ["Ensure this field has no more than 4 characters."],
                "hot": ["Must be a valid boolean."],
            })
        );
        for (tea, message) in [
            (json!(""), "This field may not be blank."),
            (json!(null), "This field may not be null."),
            (json!(7), "Not a valid string."),
            (json!("a\0b"), "Null characters are not allowed."),
        ] {
            assert_eq!(read(json!({"tea": tea})).err().unwrap(), json!({"tea": [message]}));
        }
    }
}
