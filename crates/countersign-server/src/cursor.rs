//! A place in a list, as a text that a page or a program carries to the next one. It is checked
//! when it comes back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::store::admin::PageCursor;

/// A place as a text.
pub(crate) fn encode(place: &PageCursor) -> String {
    let side = if place.backwards { 'b' } else { 'f' };
    URL_SAFE_NO_PAD.encode(format!("{side}{}:{}", place.id, place.key))
}

/// The place that a text stands for; `None` for what no page named.
pub(crate) fn decode(text: &str) -> Option<PageCursor> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let backwards = match text.get(..1)? {
        "b" => true,
        "f" => false,
        _ => return None,
    };
    let (id, key) = text.get(1..)?.split_once(':')?;
    if key.contains('\0') || key.len() > 1_024 {
        return None;
    }
    Some(PageCursor { key: key.to_owned(), id: id.parse().ok()?, backwards })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_went_and_nothing_else_is_one() {
        for place in [
            PageCursor { key: "a:b é".to_owned(), id: -7, backwards: true },
            PageCursor { key: String::new(), id: i64::MAX, backwards: false },
        ] {
            assert_eq!(decode(&encode(&place)), Some(place));
        }
        let made = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in [
            "!",
            "",
            &made("x1:a"),
            &made("f:a"),
            &made("f1"),
            &made("f1:a\0"),
            &made("f99999999999999999999:a"),
            &made(&format!("f1:{}", "a".repeat(2_000))),
        ] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
