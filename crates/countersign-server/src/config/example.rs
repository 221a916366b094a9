//! The example file.

use super::table::SETTINGS;

/// A commented file with every setting at its default, for `countersign config --example`.
pub(crate) fn example() -> String {
    let mut text =
        String::from("# Settings of Countersign. What is commented out is the default.\n");
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
    text
}
