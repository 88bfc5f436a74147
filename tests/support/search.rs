//! Searches texts for many words, in plain form and in the encodings that programs use.

use std::collections::{BTreeSet, HashMap};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// The encoding of a word in a text.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Encoding {
    /// No encoding.
    Plain,
    /// Base64 of a text that contains the word, in either alphabet.
    Base64,
    /// Two hexadecimal digits per byte, in lower or upper case.
    Hex,
    /// `%XX` for some or all bytes.
    Percent,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Base64, Self::Hex, Self::Percent];

    /// Encodes a word, within a longer text if the encoding allows it.
    pub fn write(self, word: &str) -> String {
        match self {
            Self::Plain => word.to_owned(),
            Self::Base64 => STANDARD_NO_PAD.encode(format!("{{\"it is\":\"{word}\"}}")),
            Self::Hex => hex(word.as_bytes(), "0123456789abcdef"),
            Self::Percent => word.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        }
    }
}

/// The words to search for, each with a kind, in prepared form.
#[derive(Debug)]
pub struct Search {
    /// The byte strings to search for, by length: at most [`WINDOW`] bytes of each word.
    needles: HashMap<usize, HashMap<Vec<u8>, (&'static str, Encoding)>>,
}

impl Search {
    /// Prepares these words.
    pub fn new<'a>(words: impl IntoIterator<Item = (&'a [u8], &'static str)>) -> Self {
        let mut search = Self { needles: HashMap::new() };
        for (word, kind) in words {
            search.add(word, kind, Encoding::Plain);
            for digits in ["0123456789abcdef", "0123456789ABCDEF"] {
                search.add(hex(word, digits).as_bytes(), kind, Encoding::Hex);
            }
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                for before in 0..3 {
                    let text = [&[0; 2][..before], word].concat();
                    let written = engine.encode(&text);
                    // A character of which other bytes are a part is not known.
                    let known = (before * 8).div_ceil(6)..text.len() * 8 / 6;
                    search.add(&written.as_bytes()[known], kind, Encoding::Base64);
                }
            }
        }
        search
    }

    fn add(&mut self, needle: &[u8], kind: &'static str, encoding: Encoding) {
        let needle = &needle[..needle.len().min(WINDOW)];
        let of_length = self.needles.entry(needle.len()).or_default();
        of_length.entry(needle.to_vec()).or_insert((kind, encoding));
    }

    /// The kinds of words in `text`, with their encodings.
    pub fn within(&self, text: &[u8]) -> BTreeSet<(&'static str, Encoding)> {
        let mut found = self.as_written(text);
        let decoded = percent_decoded(text);
        if decoded.len() < text.len() {
            let escaped = self.as_written(&decoded).into_iter();
            found.extend(
                escaped
                    .filter(|it| !found.contains(it))
                    .map(|(kind, _)| (kind, Encoding::Percent))
                    .collect::<Vec<_>>(),
            );
        }
        found
    }

    fn as_written(&self, text: &[u8]) -> BTreeSet<(&'static str, Encoding)> {
        let windows = self.needles.iter().flat_map(|(length, needles)| {
            text.windows(*length).filter_map(|window| needles.get(window))
        });
        windows.copied().collect()
    }
}

fn hex(bytes: &[u8], digits: &str) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from(digits.as_bytes()[usize::from(nibble)])).collect()
}

/// Undoes percent-encoding, and leaves what is none.
pub(crate) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [byte, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let digits = digits.filter(|_| *byte == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                rest = &after[2..];
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    decoded
}

/// Long enough that a match by chance is unlikely.
const WINDOW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_is_found_in_each_encoding_and_wherever_it_begins() {
        let words = ["alice@acme.test", "a-code/that+is=longer_than a window"];
        let search = Search::new(words.map(|word| (word.as_bytes(), word)));
        for word in words {
            for encoding in Encoding::ALL {
                for before in ["", "a", "ab", "abc"] {
                    let text = format!("{before}{}{before}", encoding.write(word));
                    let found = search.within(text.as_bytes());
                    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(word, encoding)], "{text}");
                }
                let inside = STANDARD_NO_PAD.encode(format!("abcd{word}"));
                assert!(search.within(inside.as_bytes()).contains(&(word, Encoding::Base64)));
            }
            let form: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
            assert!(!search.within(form.replace('+', "%20").as_bytes()).is_empty(), "{form}");
            assert!(search.within(&word.as_bytes()[1..word.len() - 1][..12]).is_empty());
        }
        assert!(search.within(b"nothing of the kind").is_empty());
    }
}
