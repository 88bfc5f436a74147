use std::cell::RefCell;

use arbitrary::Unstructured;

/// The bytes of one input, read as choices. Once the bytes are used up, every choice is the first one and every text is
/// empty, so that a short input is a simple case.
pub(crate) struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        CURRENT.with_borrow_mut(|current| {
            current.clear();
            current.extend_from_slice(bytes);
        });
        Self(Unstructured::new(bytes))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.int_in_range(0..=end.saturating_sub(1)).unwrap_or(0)
    }

    /// One of these; the first if the bytes are used up.
    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// A yes or no; no if the bytes are used up.
    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// Some bytes. The input has their number first.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.0.arbitrary::<u8>().unwrap_or(0)).min(self.0.len());
        self.0.bytes(length).unwrap_or_default()
    }

    /// Some text.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The rest of the bytes.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }

    /// A text of `menu`, or any other text.
    pub(crate) fn word(&mut self, menu: &[&str]) -> String {
        match self.below(menu.len() + 1) {
            n if n < menu.len() => menu[n].to_owned(),
            _ => self.text(),
        }
    }

    /// Mutates `value`: flips bits, inserts, removes and repeats bytes, cuts the end. Changes nothing if the bytes are used up.
    pub(crate) fn mutate(&mut self, value: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            let at = (self.number() as usize).checked_rem(value.len()).unwrap_or(0);
            match self.below(6) {
                0 if !value.is_empty() => value[at] ^= 1 << self.below(8),
                1 if !value.is_empty() => value[at] = self.below(256) as u8,
                2 => drop(value.splice(at..at, self.bytes().iter().copied())),
                3 => value.truncate(at),
                4 if !value.is_empty() => drop(value.remove(at)),
                _ => {
                    let end = at.saturating_add(self.below(64)).min(value.len());
                    value.extend_from_within(at..end);
                }
            }
        }
    }
}

/// Whether the input that this thread reads contains a part of `secret`. libFuzzer learns from every `memcmp` of the process,
/// also from those in which the service compares its passwords, and then an answer may repeat what the input says.
pub(crate) fn has_part_of(secret: &str) -> bool {
    let secret = secret.as_bytes();
    CURRENT.with_borrow(|current| {
        let mut parts = secret.windows(secret.len().clamp(1, LEARNT));
        parts.any(|part| memchr::memmem::find(current, part).is_some())
    })
}

thread_local! {
    static CURRENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The length of a part that is not there by chance.
const LEARNT: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_has_part_of_a_secret_is_told_from_others() {
        Input::new(b"%22 89abcdef0123 and more");
        assert!(has_part_of("0123456789abcdef0123456789abcdef"));
        assert!(!has_part_of("0123456789abcdef0120456789abcdef"), "eleven bytes of it");
        Input::new(b"");
        assert!(!has_part_of("0123456789abcdef0123456789abcdef"));
    }
}
