//! What must not be found, and finding it.

use std::collections::BTreeMap;

use crate::search::Search;

/// Secrets, each with a word for what it is.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    known: BTreeMap<String, &'static str>,
}

impl Secrets {
    /// Adds one, unless it is known; what is shorter than 8 bytes could be found by chance, and is none.
    pub fn add(&mut self, kind: &'static str, secret: impl Into<String>) {
        let secret = secret.into();
        if secret.len() >= 8 {
            self.known.entry(secret).or_insert(kind);
        }
    }

    /// Adds all of another's.
    pub fn add_all(&mut self, others: Self) {
        self.known.extend(others.known);
    }

    /// Says whether there is one of this kind.
    pub fn has(&self, kind: &str) -> bool {
        self.known.values().any(|known| *known == kind)
    }

    /// All but those of this kind.
    #[must_use]
    pub fn without(&self, kind: &str) -> Self {
        let mut rest = self.clone();
        rest.known.retain(|_, known| *known != kind);
        rest
    }

    /// Prepares to look for all of them in much text, encoded too.
    pub fn search(&self) -> Search {
        Search::new(
            self.known.iter().flat_map(|(secret, kind)| {
                pieces(secret).map(move |piece| (piece.as_bytes(), *kind))
            }),
        )
    }

    /// One of this kind; nothing if there is none.
    pub fn one(&self, kind: &str) -> Option<&str> {
        self.known.iter().find(|(_, known)| **known == kind).map(|(secret, _)| secret.as_str())
    }

    /// The kinds of those that are in `text`, whole or in part.
    pub fn within(&self, text: &str) -> Vec<&'static str> {
        let mut kinds: Vec<_> = self
            .known
            .iter()
            .filter(|(secret, _)| pieces(secret).any(|piece| text.contains(piece)))
            .map(|(_, kind)| *kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// A long secret is betrayed by a part of it, such as its first 50 characters.
fn pieces(secret: &str) -> impl Iterator<Item = &str> {
    let len = if secret.is_ascii() && secret.len() >= 2 * PIECE { PIECE } else { secret.len() };
    (0..secret.len() / len).map(move |n| &secret[n * len..(n + 1) * len])
}

/// Long enough not to be there by chance.
const PIECE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_long_secret_is_found_and_a_short_one_only_whole() {
        let long: String = ('a'..='z').chain('A'..='Z').collect();
        let mut secrets = Secrets::default();
        secrets.add("long", &long);
        secrets.add("short", "password");
        secrets.add("none", "x");

        let cases: [(&str, &[&str]); 6] = [
            (&format!("token={long}"), &["long"]),
            (&format!("token={}...", &long[..30]), &["long"]),
            (&format!("...{}", &long[15..45]), &["long"]),
            (&long[..19], &[]),
            ("my password, xyz", &["short"]),
            ("my passwor", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(secrets.within(text), expected, "{text}");
        }
    }
}
