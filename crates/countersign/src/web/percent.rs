//! Percent-encoding (RFC 3986), for texts in headers.
//!
//! ```
//! assert_eq!(countersign::web::percent::encoded("zoë, 100%"), "zo%C3%AB%2C%20100%25");
//! ```

/// The text with all but unreserved characters and `@` and `+` encoded, which user names may hold:
/// a header is no place for the rest, and a comma in a group's name is no second group.
///
/// ```
/// use countersign::web::percent::encoded;
///
/// assert_eq!(encoded("alice@x+y"), "alice@x+y");
/// assert_eq!(encoded("a\r\nX: y"), "a%0D%0AX%3A%20y");
/// ```
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' | b'+' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_travel_in_a_header_without_becoming_other_names() {
        for (name, header) in [
            ("alice@x+y", "alice@x+y"),
            ("a,b", "a%2Cb"),
            ("zoë", "zo%C3%AB"),
            ("a\r\nX: y", "a%0D%0AX%3A%20y"),
            ("100%", "100%25"),
        ] {
            assert_eq!(encoded(name), header);
        }
    }
}
