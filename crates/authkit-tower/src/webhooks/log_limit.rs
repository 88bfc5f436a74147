//! Log lines whose number strangers decide: each kind once a minute, with how many there were.

use std::{collections::HashMap, hash::Hash, time::Duration};

/// Counts what happened, by kind. Kinds are few: they are never forgotten. Plain data: time is passed in.
pub(super) struct LogLimit<K> {
    kinds: HashMap<K, Counted>,
}

struct Counted {
    /// When the next line may be written.
    next: Duration,
    /// How many there were since the last one.
    count: u64,
}

impl<K> Default for LogLimit<K> {
    fn default() -> Self {
        Self { kinds: HashMap::new() }
    }
}

impl<K: Eq + Hash> LogLimit<K> {
    /// Counts one. Where a line is due, says how many it stands for.
    pub(super) fn count(&mut self, kind: K, now: Duration) -> Option<u64> {
        let counted = self.kinds.entry(kind).or_insert(Counted { next: now, count: 0 });
        counted.count += 1;
        if now < counted.next {
            return None;
        }
        counted.next = now.saturating_add(PAUSE);
        Some(std::mem::take(&mut counted.count))
    }
}

const PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_each_kind_has_one_line_a_minute_with_a_count() {
        let mut limit = LogLimit::default();
        let cases = [
            ("the first", "a", 100, Some(1)),
            ("the second", "a", 100, None),
            ("a third", "a", 159, None),
            ("another kind", "b", 159, Some(1)),
            ("a minute later", "a", 160, Some(3)),
            ("after that line", "a", 219, None),
            ("much later", "a", 9_000, Some(2)),
            ("the other kind again", "b", 9_000, Some(1)),
        ];
        for (name, kind, now, expected) in cases {
            assert_eq!(limit.count(kind, Duration::from_secs(now)), expected, "{name}");
        }
    }
}
