//! The example file.

use super::table::SETTINGS;

/// A commented file with every setting at its default, for `countersign config --example`.
pub(crate) fn example() -> String {
    let mut text = String::from(HEAD);
    for setting in SETTINGS {
        if setting.secret {
            // There is no secret that everybody may have, and an empty one is a mistake.
            text.push_str(&format!(
                "\n# {} Better in {} than here.\n",
                setting.description(),
                setting.variable()
            ));
            continue;
        }
        let value = match setting.default {
            _ if setting.list => "[]".to_owned(),
            number if number.parse::<u64>().is_ok() => number.to_owned(),
            text => format!("{text:?}"),
        };
        text.push_str(&format!("\n# {}\n# {} = {value}\n", setting.description(), setting.name));
    }
    text.push_str(HOOK);
    text
}

const HEAD: &str = "\
# Settings of Countersign. What is commented out is the default; where it is empty there is none,
# and without its # it wants a value.
";

/// A table that may stand there any number of times: it is in no row of the table of settings.
const HOOK: &str = "
# Web hooks, any number of them: see docs/hooks.md. The secret is better in
# COUNTERSIGN_HOOK_SECRET_CRM than here. private: whether it may be on this machine or in a private
# network.
#[[hook]]
#name = \"crm\"
#url = \"https://crm.example.com/hooks/accounts\"
#events = [\"user.created\", \"user.deleted\"]
#secret = \"whsec_…\"
#private = false
";
