//! The passwords that people choose most; origin and licence are in `data/README.md`.

use std::cmp::Ordering;

/// Whether the list holds this word. The list is lower-cased; so must the word be.
pub(super) fn is_common(word: &str) -> bool {
    // A search in the text itself: an index of 20,000 strings would cost more memory than the list.
    let list = LIST.as_bytes();
    let (mut low, mut high) = (0, list.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = list[low..middle]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(low, |newline| low + newline + 1);
        let end = list[middle..high]
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(high, |newline| middle + newline);
        match list[start..end].cmp(word.as_bytes()) {
            Ordering::Equal => return true,
            Ordering::Less => low = end + 1,
            Ordering::Greater => high = start,
        }
    }
    false
}

/// Sorted by bytes, one word a line.
static LIST: &str = include_str!("data/common-passwords.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_list_is_found() {
        assert!(LIST.lines().count() > 19_000);
        assert!(LIST.lines().all(is_common));
    }

    #[test]
    fn the_list_is_sorted_as_the_search_needs_it() {
        let words: Vec<&str> = LIST.lines().collect();
        assert!(words.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            words.iter().all(|word| !word.is_empty()
                && word.trim() == *word
                && word.to_lowercase() == **word)
        );
    }

    #[test]
    fn what_is_not_in_the_list_is_not_found() {
        for word in [
            "",
            "\n",
            "passwor\n",
            "password\n",
            "passwordpassword1x",
            "zzzzzzzzzzzzzz~",
            "\u{10ffff}",
            "~~~!",
            " ",
        ] {
            assert!(!is_common(word), "{word:?}");
        }
    }
}
