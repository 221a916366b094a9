//! The language of the pages: German as the mails have it, and English.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use countersign::mail::choose_language;

use super::security;

/// A language that the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Language {
    #[default]
    English,
    German,
}

impl Language {
    /// The one that the browser likes best.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        match choose_language(accept.unwrap_or_default(), ["en", "de"]) {
            "de" => Self::German,
            _ => Self::English,
        }
    }

    /// Its name in HTML.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// A sentence of ours in this language; as it is where there is no other.
    pub(super) fn say(self, english: &str) -> &str {
        let translated = GERMAN
            .iter()
            .chain(security::GERMAN)
            .find(|(key, _)| self == Self::German && *key == english);
        translated.map_or(english, |(_, german)| german)
    }
}

/// Every sentence of the pages, and what it is in German.
const GERMAN: &[(&str, &str)] = &[
    // What many pages have.
    ("Choose a new password", "Wählen Sie ein neues Passwort"),
    ("New password", "Neues Passwort"),
    ("At least 8 characters.", "Mindestens 8 Zeichen."),
    ("The same again", "Noch einmal dasselbe"),
    ("The two passwords differ.", "Die beiden Passwörter sind verschieden."),
    (
        "Write a password of at most 1,024 bytes.",
        "Schreiben Sie ein Passwort von höchstens 1024 Bytes.",
    ),
    ("Password", "Passwort"),
    ("E-mail address", "E-Mail-Adresse"),
    ("E-mail address or user name", "E-Mail-Adresse oder Benutzername"),
    ("Log in", "Anmelden"),
    ("Confirm", "Bestätigen"),
    ("This is not the password.", "Das ist nicht das Passwort."),
    ("Another user has this address.", "Ein anderes Konto hat diese Adresse."),
    // What is refused.
    ("This link does not work", "Dieser Link funktioniert nicht"),
    (
        "It was used, is too old, or a newer one was sent. Ask for a new one.",
        "Er wurde benutzt, ist zu alt, oder es wurde ein neuerer geschickt. Fordern Sie einen \
         neuen an.",
    ),
    ("This form came from another place", "Dieses Formular kam von anderswo"),
    (
        "Open the link of the mail again, and send the form from its page.",
        "Öffnen Sie den Link der Mail noch einmal, und senden Sie das Formular von seiner Seite \
         ab.",
    ),
    ("Too many requests", "Zu viele Anfragen"),
    ("Wait a while, and try again.", "Warten Sie eine Weile, und versuchen Sie es noch einmal."),
    ("Your account has a second factor", "Ihr Konto hat einen zweiten Faktor"),
    (
        "This page does not ask for it. Log in in the app.",
        "Diese Seite fragt nicht danach. Melden Sie sich in der App an.",
    ),
    ("This cannot be done now", "Das geht gerade nicht"),
    ("Try again in a minute.", "Versuchen Sie es in einer Minute noch einmal."),
    // A new address.
    ("Confirm your new address", "Bestätigen Sie Ihre neue Adresse"),
    (
        "Somebody, probably you, wants to use this address for their account.",
        "Jemand, wahrscheinlich Sie selbst, möchte diese Adresse für ein Konto verwenden.",
    ),
    ("Your password", "Ihr Passwort"),
    (
        "Not needed in the browser in which you asked for the change.",
        "Nicht nötig in dem Browser, in dem Sie die Änderung verlangt haben.",
    ),
    ("Write your password.", "Schreiben Sie Ihr Passwort."),
    ("This field is required.", "Dieses Feld ist nötig."),
    ("Your address is changed", "Ihre Adresse ist geändert"),
    ("From now on it is this one.", "Von jetzt an ist es diese."),
    // Its undoing.
    ("Was it not you?", "Waren Sie es nicht?"),
    (
        "This brings the former address of your account back, and logs every device out.",
        "Damit hat Ihr Konto wieder die frühere Adresse, und alle Geräte werden abgemeldet.",
    ),
    (
        "After it you choose a new password, by a mail to that address.",
        "Danach wählen Sie ein neues Passwort, durch eine Mail an diese Adresse.",
    ),
    ("Undo the change", "Die Änderung rückgängig machen"),
    ("Another account has this address by now.", "Inzwischen hat ein anderes Konto diese Adresse."),
    ("It is undone", "Es ist rückgängig gemacht"),
    (
        "Your account has the former address again, and every device was logged out.",
        "Ihr Konto hat wieder die frühere Adresse, und alle Geräte wurden abgemeldet.",
    ),
    (
        "Nobody can log in with the password of before. Choose a new one now.",
        "Mit dem bisherigen Passwort kann sich niemand anmelden. Wählen Sie jetzt ein neues.",
    ),
    // The proof of an address.
    ("Confirm your address", "Bestätigen Sie Ihre Adresse"),
    (
        "Somebody, probably you, registered with your address.",
        "Jemand, wahrscheinlich Sie selbst, hat sich mit Ihrer Adresse registriert.",
    ),
    ("The password of your registration", "Das Passwort Ihrer Registrierung"),
    (
        "Without it the password must be chosen anew.",
        "Ohne es muss das Passwort neu gewählt werden.",
    ),
    (
        "This is not the password of your registration.",
        "Das ist nicht das Passwort Ihrer Registrierung.",
    ),
    ("Your address is confirmed", "Ihre Adresse ist bestätigt"),
    ("Log in where you registered.", "Melden Sie sich an, wo Sie sich registriert haben."),
    (
        "If your password is not taken there, choose a new one: somebody else may have registered \
         with your address before you confirmed it.",
        "Wenn Ihr Passwort dort nicht gilt, wählen Sie ein neues: Jemand anderes hat sich \
         vielleicht mit Ihrer Adresse registriert, bevor Sie sie bestätigt haben.",
    ),
    // An invitation.
    ("Choose a password", "Wählen Sie ein Passwort"),
    (
        "You are invited. Choose a password for your account.",
        "Sie sind eingeladen. Wählen Sie ein Passwort für Ihr Konto.",
    ),
    ("Choose it", "Passwort festlegen"),
    ("Welcome", "Willkommen"),
    (
        "Your password is set. Log in with your address.",
        "Ihr Passwort ist festgelegt. Melden Sie sich mit Ihrer Adresse an.",
    ),
    // A forgotten password.
    (
        "We send a link to the address of your account.",
        "Wir schicken einen Link an die Adresse Ihres Kontos.",
    ),
    ("Send the link", "Link senden"),
    (
        "Write your address or your user name.",
        "Schreiben Sie Ihre Adresse oder Ihren Benutzernamen.",
    ),
    ("Look into your mail", "Sehen Sie in Ihre Mail"),
    (
        "If there is an account, a mail with a link is on its way to its address.",
        "Wenn es ein Konto gibt, ist eine Mail mit einem Link an dessen Adresse unterwegs.",
    ),
    ("Change it", "Passwort ändern"),
    ("Your password is changed", "Ihr Passwort ist geändert"),
    (
        "All devices were logged out. Log in with the new password.",
        "Alle Geräte wurden abgemeldet. Melden Sie sich mit dem neuen Passwort an.",
    ),
    // A deletion that is taken back.
    ("Keep your account", "Behalten Sie Ihr Konto"),
    (
        "Your account is to be deleted, as you asked. If you want to keep it, come back.",
        "Ihr Konto soll gelöscht werden, wie Sie es verlangt haben. Wenn Sie es behalten wollen, \
         kommen Sie zurück.",
    ),
    ("Keep it", "Behalten"),
    ("The name or the password is wrong.", "Der Name oder das Passwort ist falsch."),
    ("Your account is kept", "Ihr Konto bleibt"),
    ("Log in as before.", "Melden Sie sich an wie bisher."),
    // A login with a code.
    ("Log in with a code", "Mit einem Code anmelden"),
    (
        "We send a code to the address of your account.",
        "Wir schicken einen Code an die Adresse Ihres Kontos.",
    ),
    ("Write your address.", "Schreiben Sie Ihre Adresse."),
    ("Send the code", "Code senden"),
    (
        "If there is an account, a mail with a code is on its way to its address.",
        "Wenn es ein Konto gibt, ist eine Mail mit einem Code an dessen Adresse unterwegs.",
    ),
    ("The code", "Der Code"),
    (
        "This code does not work. After five wrong ones ask for another.",
        "Dieser Code funktioniert nicht. Fordern Sie nach fünf falschen einen anderen an.",
    ),
    (
        "You asked for this in this browser. If it was not you, close the page.",
        "Sie haben das in diesem Browser angefordert. Wenn Sie es nicht waren, schließen Sie die \
         Seite.",
    ),
    ("You are logged in", "Sie sind angemeldet"),
    ("You may go on in the app.", "Sie können in der App weitermachen."),
    ("This link does not work here", "Dieser Link funktioniert hier nicht"),
    (
        "It works once, for ten minutes unless chosen otherwise, and in the browser in which you \
         asked for it. Elsewhere enter the code of the mail where you asked.",
        "Er gilt einmal, zehn Minuten lang, wenn nichts anderes eingestellt ist, und in dem \
         Browser, in dem Sie ihn angefordert haben. Anderswo geben Sie den Code der Mail dort \
         ein, wo Sie ihn angefordert haben.",
    ),
    ("Ask for another code", "Einen anderen Code anfordern"),
    // Passwords that do not do.
    (
        "Too close to your username: choose something that does not contain it.",
        "Zu nahe an Ihrem Benutzernamen: Wählen Sie etwas, worin er nicht vorkommt.",
    ),
    (
        "Too close to your first name: choose something that does not contain it.",
        "Zu nahe an Ihrem Vornamen: Wählen Sie etwas, worin er nicht vorkommt.",
    ),
    (
        "Too close to your last name: choose something that does not contain it.",
        "Zu nahe an Ihrem Nachnamen: Wählen Sie etwas, worin er nicht vorkommt.",
    ),
    (
        "Too close to your email address: choose something that does not contain it.",
        "Zu nahe an Ihrer E-Mail-Adresse: Wählen Sie etwas, worin sie nicht vorkommt.",
    ),
    (
        "Too short: use 8 characters or more; a few words make a good password.",
        "Zu kurz: Nehmen Sie 8 Zeichen oder mehr; ein paar Wörter sind ein gutes Passwort.",
    ),
    (
        "Many people use this password, so it is guessed first: choose a rarer one.",
        "Viele benutzen dieses Passwort, es wird also zuerst geraten: Wählen Sie ein selteneres.",
    ),
    ("Only digits: add letters or words.", "Nur Ziffern: Nehmen Sie Buchstaben oder Wörter dazu."),
    (
        "This password was stolen at another site, so it is guessed early: choose another.",
        "Dieses Passwort wurde bei einer anderen Seite gestohlen, es wird also früh geraten: \
         Wählen Sie ein anderes.",
    ),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use countersign::http::{Code, Problem};
    use countersign::password::PasswordProblem;

    use super::*;

    /// Whether it is said in German, be it in the same word.
    fn is_there(english: &str) -> bool {
        GERMAN.iter().chain(security::GERMAN).any(|(known, _)| *known == english)
    }

    /// Every text in quotation marks of a file that begins with a capital letter, but for its
    /// comments and tests.
    fn sentences(file: &Path) -> Vec<String> {
        let text = fs::read_to_string(file).unwrap();
        let text = text.split("mod tests {").next().unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: Vec<&str> = code.map(str::trim).collect();
        let code = code.join("\n").replace("\\\n", "");
        let quoted = code.split('"').skip(1).step_by(2);
        quoted
            .filter(|text| text.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_sentence_of_the_pages_is_there_in_german() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/account");
        let files = [pages.clone(), pages.join("security")].map(|folder| {
            let files = fs::read_dir(folder).unwrap().map(|page| page.unwrap().path());
            files.filter(|file| file.is_file()).collect::<Vec<_>>()
        });
        let mut seen = 0;
        for file in files.concat() {
            if file.ends_with("language.rs") || file.ends_with("german.rs") {
                continue;
            }
            let is_said = |text: &String| !text.contains('_') && !text.starts_with("Bearer");
            for sentence in sentences(&file).into_iter().filter(is_said) {
                seen += 1;
                assert!(is_there(&sentence), "{sentence:?} of {}", file.display());
            }
        }
        assert!(seen > 80, "{seen}");
    }

    #[test]
    fn the_page_of_security_says_nothing_that_is_not_there_in_german() {
        let page = include_str!("../../../templates/account/security.html");
        let mut seen = 0;
        for call in ["self.say(\"", "self.fill(\""] {
            for rest in page.split(call).skip(1) {
                let sentence = rest.split('"').next().unwrap();
                assert!(is_there(sentence), "{sentence:?}");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
        // No text stands between the tags by itself.
        let (mut bare, mut depth) = (String::new(), 0_usize);
        for c in page.chars() {
            match c {
                '<' | '{' => depth += 1,
                '>' | '}' => depth = depth.saturating_sub(1),
                c if depth == 0 => bare.push(c),
                _ => {}
            }
        }
        assert!(!bare.contains(char::is_alphabetic), "{bare}");
    }

    #[test]
    fn what_the_endpoints_refuse_is_said_in_german_too() {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../countersign/src");
        let mut seen = 0;
        for file in [
            "flow/factors.rs",
            "flow/totp.rs",
            "flow/passkeys.rs",
            "flow/step_up.rs",
            "flow/password.rs",
            "flow/sessions.rs",
            "flow/login_factor.rs",
            "flow/login_passkey.rs",
            "entry/own_password.rs",
            "session/device_name.rs",
        ] {
            let is_for_people = |text: &String| {
                text.ends_with(['.', '?']) && !text.contains(['`', '{']) && text.contains(' ')
            };
            for sentence in sentences(&library.join(file)).into_iter().filter(is_for_people) {
                seen += 1;
                assert!(is_there(&sentence), "{sentence:?} of {file}");
            }
        }
        assert!(seen > 10, "{seen}");
        for code in [
            Code::InvalidCredentials,
            Code::FactorInvalid,
            Code::PendingTokenInvalid,
            Code::Conflict,
        ] {
            assert!(is_there(Problem::new(code).as_detail()), "{code:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_password_is_said_in_german_too() {
        let attributes = ["username", "first name", "last name", "email address"];
        let similar = attributes.map(PasswordProblem::TooSimilar);
        let others = [
            PasswordProblem::TooShort,
            PasswordProblem::TooCommon,
            PasswordProblem::EntirelyNumeric,
            PasswordProblem::Breached,
        ];
        for problem in similar.into_iter().chain(others) {
            let said = problem.to_string();
            assert_ne!(Language::German.say(&said), said);
        }
    }

    #[test]
    fn no_sentence_is_there_twice_and_english_stays_as_it_is() {
        let all: Vec<_> = GERMAN.iter().chain(security::GERMAN).collect();
        for (at, (english, _)) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|(other, _)| other != english), "{english}");
            assert_eq!(Language::English.say(english), *english);
        }
        assert_eq!(Language::German.say("what nobody has said"), "what nobody has said");
    }
}
