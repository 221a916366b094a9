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
        let (range, parameters) = choice.split_once(';').unwrap_or((choice, ""));
        let weight = weight(parameters);
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

/// How much a choice is liked, by what stands behind its `;`, with blanks or without (RFC 9110,
/// 12.4.2). Not at all where that is no number.
fn weight(parameters: &str) -> f32 {
    let of = |text: &str| {
        let (name, value) = text.trim().split_once('=')?;
        let value = name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>());
        value.map(|value| value.unwrap_or(0.0))
    };
    parameters.split(';').find_map(of).unwrap_or(1.0)
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
            ("de; q=0.9, en; q=0.1", "de"),
            ("en ;q=0.1 , de ; Q=0.9", "de"),
            ("de; q=0, en; q=0.1", "en"),
            ("de;q=0.1;q=1, en;q=0.5", "en"),
            ("de;q=NaN, en;q=0.1", "en"),
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
