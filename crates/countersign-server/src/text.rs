//! Small things as text, for the command line and the site alike.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A moment to the second, in UTC: `2026-11-24 03:59:59Z`.
pub(crate) fn to_the_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A number with its thousands apart.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in a unit in which it is easy to read.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..10_240 => format!("{} bytes", thousands(n)),
        10_240..10_485_760 => format!("{} KiB", n / 1_024),
        10_485_760..10_737_418_240 => format!("{} MiB", n / 1_048_576),
        _ => format!("{} GiB", n / 1_073_741_824),
    }
}

/// A length of time in its largest whole unit.
pub(crate) fn length_in_words(length: Duration) -> String {
    let seconds = length.as_secs();
    let (n, unit) = [(86_400, "day"), (3_600, "hour"), (60, "minute")]
        .into_iter()
        .find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size))
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    counted(n, unit)
}

/// A length of time in one unit, what is left over left out.
pub(crate) fn roughly(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let (n, unit) = match seconds {
        172_800.. => (seconds / 86_400, "day"),
        7_200.. => (seconds / 3_600, "hour"),
        120.. => (seconds / 60, "minute"),
        _ => (seconds.max(0), "second"),
    };
    counted(u64::try_from(n).unwrap_or(0), unit)
}

/// So many of them, by their singular.
pub(crate) fn counted(n: u64, unit: &str) -> String {
    if n == 1 { format!("1 {unit}") } else { format!("{} {unit}s", thousands(n)) }
}

/// A number as sixteen digits of base 16.
pub(crate) const fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let mut i = 0;
    while i < 16 {
        digits[i] = b"0123456789abcdef"[(number >> (60 - 4 * i)) as usize & 15];
        i += 1;
    }
    digits
}

/// Whether a text or a name in it holds a NUL. JSON may write one as an escape, which a form's own
/// check does not see; PostgreSQL keeps none.
pub(crate) fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), text);
        }
    }

    #[test]
    fn lengths_are_told_in_their_largest_whole_unit() {
        for (seconds, text) in
            [(604_800, "7 days"), (86_400, "1 day"), (5_400, "90 minutes"), (61, "61 seconds")]
        {
            assert_eq!(length_in_words(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_number_has_sixteen_digits_of_base_16() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(hex(number).as_slice(), format!("{number:016x}").as_bytes());
        }
    }
}
