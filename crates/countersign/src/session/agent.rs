//! What a client calls itself, in words: `Firefox on Windows`. A guess for people to read; nothing
//! is decided by it.

/// The words for a `User-Agent`: `Firefox on Windows`. Its own first 60 characters where nothing in
/// it is known, and `not told` where there is nothing. A guess for people to read: any client can
/// call itself anything.
///
/// ```
/// use countersign::session::device_in_words;
///
/// assert_eq!(device_in_words("curl/8.10.1"), "curl");
/// ```
#[must_use]
pub fn device_in_words(user_agent: &str) -> String {
    let known = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (known(&PROGRAMS), known(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        _ if user_agent.trim().is_empty() => "not told".to_owned(),
        (None, Some(system)) => format!("something on {system}"),
        (None, None) => user_agent.chars().take(SHOWN_CHARS).collect(),
    }
}

/// The program and the system, in no language and without a word of the client's own: for mails,
/// which must not carry what a stranger writes. Empty where nothing is known.
#[cfg(feature = "axum")]
pub(crate) fn device_without_words(user_agent: &str) -> String {
    let known = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(mark, _)| user_agent.contains(mark));
        found.map(|(_, name)| name.trim_start_matches("an ").trim_start_matches("a "))
    };
    let parts: Vec<&str> = [known(&PROGRAMS), known(&SYSTEMS)].into_iter().flatten().collect();
    parts.join(", ")
}

/// In the order in which they are looked for: most browsers call themselves by the names of others
/// too.
const PROGRAMS: [(&str, &str); 17] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome without a window"),
    ("Chrome/", "Chrome"),
    ("okhttp/", "an Android app"),
    ("CFNetwork/", "an Apple app"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-requests/", "Python requests"),
    ("Dart/", "a Flutter app"),
    ("node", "Node.js"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("Windows", "Windows"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "a Mac"),
    ("Darwin", "an Apple device"),
    ("Linux", "Linux"),
];

const SHOWN_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_by_their_own_names() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like \
            Gecko) Chrome/130.0.0.0 Safari/537.36";
        assert_eq!(device_in_words(chrome), "Chrome on Windows");
        assert_eq!(device_in_words(&format!("{chrome} Edg/130.0.0.0")), "Edge on Windows");
        assert_eq!(
            device_in_words(
                "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
            ),
            "Firefox on Linux"
        );
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
            (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(device_in_words(iphone), "Safari on an iPhone");
        assert_eq!(device_in_words("curl/8.10.1"), "curl");
        assert_eq!(device_in_words("  "), "not told");
        assert_eq!(device_in_words(&"x".repeat(200)).len(), SHOWN_CHARS);
    }
}
