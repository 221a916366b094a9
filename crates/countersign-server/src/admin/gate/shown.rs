//! What a form shows as a second factor.

use countersign::FactorShown;

/// The passkey that the page's script has put into the form, or else what was typed: a code, or a
/// recovery code. `None` for what is none at all.
pub(crate) fn shown(typed: &str, passkey: &str) -> Option<FactorShown> {
    if passkey.is_empty() {
        FactorShown::code(typed).or_else(|| FactorShown::recovery_code(typed))
    } else {
        passkey_of(passkey)
    }
}

/// What the page's script has put into the form.
pub(crate) fn passkey_of(text: &str) -> Option<FactorShown> {
    FactorShown::passkey(serde_json::from_str(text).ok()?)
}

/// A recovery code has eleven characters with its hyphen, and people add blanks.
pub(crate) const CODE_MAX_CHARS: usize = 32;
