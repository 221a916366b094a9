use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::{Mail, MailKind};

/// The texts of all mails, in English and German and in whatever languages a folder adds.
///
/// A mail is a file `LANGUAGE/NAME.txt`: its first line is the subject, what follows the text. Its
/// HTML is made from the text by `layout.html`, unless there is a `LANGUAGE/NAME.html`:
///
/// - a line that ends with a colon before a line that is a link becomes a button,
/// - a line that begins with two blanks becomes a code in large letters,
/// - everything else becomes a paragraph.
///
/// Templates are in the language of Jinja2. Values are foreign text: in HTML they are escaped.
///
/// ```
/// use countersign::mail::{Mail, MailKind, MailTemplates};
///
/// let templates = MailTemplates::built_in();
/// let rendered = templates.render(&Mail::sample(MailKind::Verify, "en")).unwrap();
/// assert!(rendered.text.contains("1234 5678") && rendered.html.contains("class=\"button\""));
/// ```
#[derive(Clone)]
pub struct MailTemplates {
    environment: Arc<Environment<'static>>,
    languages: Arc<BTreeSet<String>>,
}

impl MailTemplates {
    /// The ones that are built in.
    ///
    /// ```
    /// let templates = countersign::mail::MailTemplates::built_in();
    /// assert_eq!(templates.languages().collect::<Vec<_>>(), ["de", "en"]);
    /// ```
    ///
    /// # Panics
    /// Never: a test renders each of them.
    #[must_use]
    pub fn built_in() -> Self {
        Self::with(Vec::new()).expect("the templates that are built in do")
    }

    /// The built-in ones, and in their place those that are in `folder`: `LANGUAGE/NAME.txt`,
    /// `LANGUAGE/NAME.html` and `layout.html`. A folder for another language adds it; what it does
    /// not have comes in English. Every template is parsed, and tried with example values.
    ///
    /// # Errors
    /// [`TemplateError`] with the file and the line: it cannot be read, does not parse, names a
    /// value that the mail has not, or has a name that no mail has.
    ///
    /// ```
    /// use countersign::mail::MailTemplates;
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let folder = directory.path();
    /// std::fs::create_dir(folder.join("en")).unwrap();
    /// std::fs::write(folder.join("en/test.txt"), "A test\n\nof {{ nonsense }}").unwrap();
    /// let error = MailTemplates::read(folder).unwrap_err().to_string();
    /// assert!(error.contains("en/test.txt, line 3"), "{error}");
    /// ```
    pub fn read(folder: &Path) -> Result<Self, TemplateError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| TemplateError {
                path,
                line: None,
                reason: error.to_string(),
            }
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fail(folder))? {
            let path = entry.map_err(fail(folder))?.path();
            if path.is_dir() {
                for entry in std::fs::read_dir(&path).map_err(fail(&path))? {
                    found.push(entry.map_err(fail(&path))?.path());
                }
            } else {
                found.push(path);
            }
        }
        let files = found.into_iter().filter(|path| !is_hidden(path)).map(|path| {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).map_err(fail(&path))?;
            Ok(File { name, path, text: Cow::Owned(text) })
        });
        Self::with(files.collect::<Result<_, _>>()?)
    }

    /// The languages that there are, sorted.
    ///
    /// ```
    /// let templates = countersign::mail::MailTemplates::built_in();
    /// assert!(templates.languages().any(|language| language == "de"));
    /// ```
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(String::as_str)
    }

    /// Makes the texts of a mail.
    ///
    /// # Errors
    /// [`TemplateError`] when the template names a value that the mail has not.
    ///
    /// ```
    /// use countersign::mail::{Mail, MailKind, MailTemplates};
    ///
    /// let nothing = Mail::new(MailKind::Reset, "ada@example.com", "en");
    /// assert!(MailTemplates::built_in().render(&nothing).is_err());
    /// ```
    pub fn render(&self, mail: &Mail) -> Result<Rendered, TemplateError> {
        let wanted = mail.language.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let name = mail.kind.as_str();
        let language = [wanted.as_str(), FALLBACK]
            .into_iter()
            .find(|language| {
                self.environment.get_template(&format!("{language}/{name}.txt")).is_ok()
            })
            .unwrap_or(FALLBACK);
        let values = Value::from(mail.values.clone());
        let text = self.render_file(&format!("{language}/{name}.txt"), values.clone())?;
        let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
        // A value with a line break would begin a second header.
        let subject: String = subject.trim().chars().filter(|c| !c.is_control()).collect();
        let text = format!("{}\n", text.trim());
        let own = format!("{language}/{name}.html");
        let html = if self.environment.get_template(&own).is_ok() {
            self.render_file(&own, values)?
        } else {
            let site = mail.values.get("site").map_or("", String::as_str);
            let parts = parts(&text);
            self.render_file(
                "layout.html",
                context! { subject => &subject, language, site, parts },
            )?
        };
        Ok(Rendered { subject, text, html, language: language.to_owned() })
    }

    fn render_file(&self, name: &str, values: Value) -> Result<String, TemplateError> {
        let rendered = self.environment.get_template(name).and_then(|file| file.render(values));
        rendered.map_err(|error| TemplateError::of(name.into(), &error))
    }

    fn with(files: Vec<File>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        });
        let mut languages = BTreeSet::new();
        let mut paths = Vec::new();
        let built_in = BUILT_IN.iter().map(|(name, text)| File {
            name: (*name).to_owned(),
            path: PathBuf::from(name),
            text: Cow::Borrowed(*text),
        });
        for File { name, path, text } in built_in.chain(files) {
            match kind_of_file(&name) {
                Some(FileKind::Layout) => {}
                Some(FileKind::Mail { language }) => {
                    languages.insert(language.to_owned());
                }
                None => {
                    let reason = "no mail has this name; `countersign mail preview` lists them";
                    return Err(TemplateError { path, line: None, reason: reason.to_owned() });
                }
            }
            environment
                .add_template_owned(name.clone(), text.into_owned())
                .map_err(|error| TemplateError::of(path.clone(), &error))?;
            paths.push((name, path));
        }
        let templates = Self { environment: Arc::new(environment), languages: Arc::new(languages) };
        for language in templates.languages.iter() {
            for kind in MailKind::ALL {
                templates.render(&Mail::sample(kind, language)).map_err(|error| {
                    let named = paths.iter().rev().find(|(name, _)| Path::new(name) == error.path);
                    TemplateError {
                        path: named.map_or(error.path, |(_, path)| path.clone()),
                        ..error
                    }
                })?;
            }
        }
        Ok(templates)
    }
}

impl fmt::Debug for MailTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailTemplates").field("languages", &self.languages).finish_non_exhaustive()
    }
}

/// The texts of one mail. They hold links and codes.
///
/// ```
/// use countersign::mail::{Mail, MailKind, MailTemplates};
///
/// let mail = Mail::sample(MailKind::Test, "en");
/// let rendered = MailTemplates::built_in().render(&mail).unwrap();
/// assert_eq!(rendered.language, "en");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As HTML.
    pub html: String,
    /// The language that was found.
    pub language: String,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").field("language", &self.language).finish_non_exhaustive()
    }
}

/// A template that does not do.
///
/// ```
/// use countersign::mail::MailTemplates;
///
/// let error = MailTemplates::read("/nowhere".as_ref()).unwrap_err();
/// assert!(error.to_string().starts_with("/nowhere: "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateError {
    /// The file.
    pub path: PathBuf,
    /// The line, where one is to blame.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

impl TemplateError {
    fn of(path: PathBuf, error: &minijinja::Error) -> Self {
        let reason = match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        Self { path, line: error.line(), reason }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for TemplateError {}

struct File {
    name: String,
    path: PathBuf,
    text: Cow<'static, str>,
}

enum FileKind<'a> {
    Layout,
    Mail { language: &'a str },
}

/// What a file is: the layout, or a mail in a language. `None` for a name that nothing has.
fn kind_of_file(name: &str) -> Option<FileKind<'_>> {
    if name == "layout.html" {
        return Some(FileKind::Layout);
    }
    let (language, file) = name.split_once('/')?;
    let kind = file.strip_suffix(".txt").or_else(|| file.strip_suffix(".html"))?;
    let is_language =
        (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase());
    (is_language && MailKind::from_word(kind).is_some()).then_some(FileKind::Mail { language })
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'))
}

/// The parts of a text that the layout shows: buttons, codes, paragraphs.
fn parts(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            let (first, rest) = part.split_once('\n').unwrap_or((part, ""));
            if let Some(code) = part.strip_prefix("  ") {
                context! { code => code.trim(), link => "", text => "" }
            } else if first.ends_with(':') && is_link(rest.trim()) {
                let text = first.trim_end_matches(':');
                context! { link => rest.trim(), text, code => "" }
            } else {
                context! { text => part.trim(), link => "", code => "" }
            }
        })
        .collect()
}

fn is_link(text: &str) -> bool {
    let is_http = text.starts_with("https://") || text.starts_with("http://");
    is_http && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// What is spoken where a mail's own language is not there.
const FALLBACK: &str = "en";

macro_rules! built_in {
    ($($name:literal)*) => {
        &[
            ("layout.html", include_str!("templates/layout.html")),
            $(
                (concat!("en/", $name, ".txt"),
                    include_str!(concat!("templates/en/", $name, ".txt"))),
                (concat!("de/", $name, ".txt"),
                    include_str!(concat!("templates/de/", $name, ".txt"))),
            )*
        ]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in!(
    "verify" "account_exists" "reset" "code" "change" "address_changed" "invitation" "new_device"
    "password_changed" "session_stolen" "factor_added" "factor_removed" "recovery_code_used"
    "recovery_codes_made" "passkey_copied" "deletion" "test"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_has_a_subject_a_text_and_html_in_both_languages() {
        let templates = MailTemplates::built_in();
        for kind in MailKind::ALL {
            for language in ["en", "de"] {
                let mail = Mail::sample(kind, language);
                let rendered = templates.render(&mail).unwrap();
                assert_eq!(rendered.language, language);
                assert!((5..=78).contains(&rendered.subject.chars().count()), "{kind:?}");
                for (name, value) in kind.samples() {
                    assert!(rendered.text.contains(value) || *name == "site", "{kind:?} {name}");
                }
                if kind.samples().iter().any(|(name, _)| *name == "link") {
                    assert!(rendered.html.contains("class=\"button\""), "{kind:?}");
                }
                let has_code = kind.samples().iter().any(|(name, _)| *name == "code");
                assert_eq!(rendered.html.contains("class=\"code\""), has_code, "{kind:?}");
                assert!(rendered.html.contains(&format!("<html lang=\"{language}\">")));
            }
        }
    }

    #[test]
    fn a_deletion_at_once_offers_no_way_back() {
        for (language, subject) in
            [("en", "Your account was deleted"), ("de", "Ihr Konto wurde gelöscht")]
        {
            let mail = Mail::sample(MailKind::Deletion, language).with("link", "");
            let rendered = MailTemplates::built_in().render(&mail).unwrap();
            assert_eq!(rendered.subject, subject);
            assert!(!rendered.html.contains("class=\"button\""));
        }
    }

    #[test]
    fn foreign_text_begins_no_header_and_no_element() {
        let mail = Mail::new(MailKind::Test, "ada@example.com", "en")
            .with("site", "evil\r\nBcc: all@example.com <script>alert(1)</script>");
        let rendered = MailTemplates::built_in().render(&mail).unwrap();
        assert!(!rendered.subject.contains(['\r', '\n']), "{}", rendered.subject);
        assert!(!rendered.html.contains("<script>"), "{}", rendered.html);
    }

    #[test]
    fn a_language_that_is_not_there_is_english() {
        for (wanted, found) in [("de-AT", "de"), ("DE", "de"), ("fr", "en"), ("", "en")] {
            let mail = Mail::sample(MailKind::Reset, wanted);
            assert_eq!(MailTemplates::built_in().render(&mail).unwrap().language, found);
        }
    }

    #[test]
    fn a_folder_replaces_mails_and_adds_languages() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("en/reset.txt", "New password\n\nGo to {{ link }}"),
            ("fr/reset.txt", "Nouveau mot de passe\n\n{{ link }}"),
            ("en/code.html", "<b>{{ code }}</b>"),
            ("en/.swp", "nothing"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let templates = MailTemplates::read(folder.path()).unwrap();
        assert_eq!(templates.languages().collect::<Vec<_>>(), ["de", "en", "fr"]);
        let of = |kind, language| templates.render(&Mail::sample(kind, language)).unwrap();
        assert_eq!(of(MailKind::Reset, "en").subject, "New password");
        assert_eq!(of(MailKind::Reset, "fr").subject, "Nouveau mot de passe");
        assert_eq!(of(MailKind::Verify, "fr").language, "en");
        assert_eq!(of(MailKind::Code, "en").html, "<b>1234 5678</b>");
    }

    #[test]
    fn a_template_that_does_not_do_is_named_with_its_line() {
        for (name, text, line) in [
            ("en/reset.txt", "Subject\n\n{{ link", Some(3)),
            ("de/verify.html", "<p>\n{{ nonsense }}\n</p>", Some(2)),
            ("layout.html", "{{ nonsense }}", Some(1)),
            ("en/rest.txt", "Subject", None),
            ("reset.txt", "Subject", None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let error = MailTemplates::read(folder.path()).unwrap_err();
            assert_eq!((&error.path, error.line), (&path, line), "{error}");
        }
    }
}
