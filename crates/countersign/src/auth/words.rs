//! Settings that are one of a few words.

/// Declares an enum of words that a setting may have.
macro_rules! words {
    ($(#[$about:meta])* $Name:ident, $choose:literal, {
        $($(#[$said:meta])* $Variant:ident = $word:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $Name {
            $($(#[$said])* $Variant,)+
        }

        impl $Name {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$Variant,)+];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$Variant => $word,)+ }
            }
        }

        impl std::str::FromStr for $Name {
            type Err = $crate::auth::words::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$Variant),)+
                    _ => Err($crate::auth::words::UnknownWord($choose)),
                }
            }
        }
    };
}

pub(super) use words;

/// Not a word of the setting. Its `Display` says which ones there are.
///
/// ```
/// use countersign::settings::WhenStale;
///
/// let error = "wait".parse::<WhenStale>().unwrap_err();
/// assert_eq!(error.to_string(), "choose refuse or go-on");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownWord(pub(super) &'static str);
