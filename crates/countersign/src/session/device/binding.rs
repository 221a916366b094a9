//! The setting: what becomes of devices.

use std::str::FromStr;

use serde::Serialize;

/// What becomes of devices: a setting.
///
/// ```
/// use countersign::session::device::DeviceBinding;
///
/// assert_eq!("observe".parse(), Ok(DeviceBinding::Observe));
/// assert_eq!(DeviceBinding::Enforce.as_str(), "enforce");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeviceBinding {
    /// No session is bound, and those that are count as if they were not.
    Off,
    /// Browsers' sessions are bound, and what would be refused is counted: the default.
    #[default]
    Observe,
    /// A bound session is refreshed with a proof only.
    Enforce,
}

impl DeviceBinding {
    /// Its word.
    ///
    /// ```
    /// assert_eq!(countersign::session::device::DeviceBinding::Off.as_str(), "off");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

impl FromStr for DeviceBinding {
    type Err = UnknownDeviceBinding;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Off, Self::Observe, Self::Enforce]
            .into_iter()
            .find(|binding| binding.as_str().eq_ignore_ascii_case(text))
            .ok_or(UnknownDeviceBinding)
    }
}

/// Not a value of the setting.
///
/// ```
/// use countersign::session::device::{DeviceBinding, UnknownDeviceBinding};
///
/// assert_eq!("maybe".parse::<DeviceBinding>(), Err(UnknownDeviceBinding));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("choose off, observe or enforce")]
pub struct UnknownDeviceBinding;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_for_ever() {
        for (binding, word) in [
            (DeviceBinding::Off, "off"),
            (DeviceBinding::Observe, "observe"),
            (DeviceBinding::Enforce, "enforce"),
        ] {
            assert_eq!(binding.as_str(), word);
            assert_eq!(word.to_uppercase().parse(), Ok(binding));
            assert_eq!(serde_json::to_value(binding).unwrap(), word);
        }
        assert_eq!(DeviceBinding::default(), DeviceBinding::Observe);
        assert_eq!("on".parse::<DeviceBinding>(), Err(UnknownDeviceBinding));
    }
}
