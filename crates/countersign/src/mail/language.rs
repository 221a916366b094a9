/// The language of `available` that a browser's `Accept-Language` likes best; the first of
/// `available` where it likes none (RFC 9110, 12.5.4). Looks at the first 20 of its choices.
///
/// ```
/// use countersign::mail::choose_language;
///
/// let available = ["en", "de"];
/// assert_eq!(choose_language("de-AT, en;q=0.5", available), "de");
/// assert_eq!(choose_language("fr", available), "en");
/// ```
pub fn choose_language<'a>(
    accept: &str,
    available: impl IntoIterator<Item = &'a str> + Clone,
) -> &'a str {
    let mut best: Option<(&str, f32)> = None;
    for choice in accept.split(',').take(20) {
        let (range, weight) = choice.split_once(";q=").unwrap_or((choice, "1"));
        let weight = weight.trim().parse::<f32>().unwrap_or(0.0);
        let wanted = range.trim().split('-').next().unwrap_or_default();
        let found = available.clone().into_iter().find(|name| name.eq_ignore_ascii_case(wanted));
        if let Some(found) = found
            && weight > best.map_or(0.0, |(_, weight)| weight)
        {
            best = Some((found, weight));
        }
    }
    best.map_or_else(|| available.into_iter().next().unwrap_or("en"), |(found, _)| found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_heaviest_choice_that_is_there_is_taken() {
        for (accept, language) in [
            ("", "en"),
            ("*", "en"),
            ("de", "de"),
            ("DE-de", "de"),
            ("fr, de;q=0.3, en;q=0.2", "de"),
            ("en;q=0.2,de;q=0.9", "de"),
            ("de;q=0, en", "en"),
            ("de;q=nonsense", "en"),
            (";;;,,,de", "de"),
        ] {
            assert_eq!(choose_language(accept, ["en", "de"]), language, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_a_language_comes_out(accept in "\\PC{0,60}") {
            let language = choose_language(&accept, ["en", "de"]);
            prop_assert!(["en", "de"].contains(&language));
        }
    }
}
