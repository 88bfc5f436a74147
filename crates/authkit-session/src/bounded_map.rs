//! A map from ids to values that removes its oldest entries, so that a stream of unknown ids cannot fill the memory.
//!
//! 1. Entries are in the order in which they were added; changing a value does not move its entry.
//! 2. There are at most `limit` entries. An entry beyond that removes the oldest, whose value is returned.
//! 3. An entry expires once its lifetime has passed since it was added. It stays until
//!    [`forget_expired`](BoundedMap::forget_expired) is called; time is passed in, and only rises.
//! 4. Each operation takes constant time, averaged over many.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use crate::sync::RandomState;

/// Values by id, bounded in number and in age.
#[derive(Clone)]
pub struct BoundedMap<V = ()> {
    entries: HashMap<Arc<str>, BoundedEntry<V>, RandomState>,
    /// Oldest first. A removed entry stays here until it reaches the front or a sweep removes it: no entry has its
    /// number.
    order: VecDeque<(u64, Arc<str>)>,
    next_number: u64,
    limit: usize,
    lifetime: Duration,
}

#[derive(Clone)]
struct BoundedEntry<V> {
    number: u64,
    until: Duration,
    value: V,
}

impl<V> BoundedMap<V> {
    /// Makes an empty map of at most `limit` entries. With [`Duration::MAX`] as `lifetime`, they last until they are
    /// removed or pushed out.
    pub fn new(limit: usize, lifetime: Duration) -> Self {
        let (entries, order) = (HashMap::default(), VecDeque::new());
        Self { entries, order, next_number: 0, limit, lifetime }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the id has an entry.
    pub fn contains(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    /// The value of an id.
    pub fn get(&self, id: &str) -> Option<&V> {
        self.entries.get(id).map(|entry| &entry.value)
    }

    /// The value of an id, to be changed. The entry's place and time stay as they are.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut V> {
        self.entries.get_mut(id).map(|entry| &mut entry.value)
    }

    /// Adds an entry, unless the id has one: then the old entry keeps its place, its time and its value.
    ///
    /// Returns the value of the oldest entry if that entry was removed to make room.
    pub fn add(&mut self, id: &str, value: V, now: Duration) -> Option<V> {
        if self.contains(id) {
            return None;
        }
        let (id, number): (Arc<str>, _) = (id.into(), self.next_number);
        self.next_number += 1;
        let until = now.saturating_add(self.lifetime);
        self.entries.insert(Arc::clone(&id), BoundedEntry { number, until, value });
        self.order.push_back((number, id));
        (self.entries.len() > self.limit).then(|| self.remove_oldest()).flatten()
    }

    /// Removes the entry of an id.
    pub fn remove(&mut self, id: &str) -> Option<V> {
        let entry = self.entries.remove(id)?;
        // A sweep passes over as many removed entries as were removed since the last one, so its cost is shared among
        // them.
        if self.order.len() > 2 * self.entries.len() + SLACK {
            self.order.retain(|(number, id)| is_current(&self.entries, *number, id));
        }
        Some(entry.value)
    }

    /// Removes the entries that have expired at `now`.
    pub fn forget_expired(&mut self, now: Duration) {
        // All entries live equally long, so the oldest expires first.
        while let Some((number, id)) = self.order.front() {
            match self.entries.get(id) {
                Some(entry) if entry.number == *number && entry.until > now => break,
                Some(_) | None => drop(self.remove_front()),
            }
        }
    }

    /// Removes the oldest entries until no more than `len` are left.
    pub fn truncate(&mut self, len: usize) {
        while self.entries.len() > len {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) -> Option<V> {
        while !self.order.is_empty() {
            if let Some(value) = self.remove_front() {
                return Some(value);
            }
        }
        None
    }

    /// Takes the front out of the order, and its entry too, unless the entry was removed before.
    fn remove_front(&mut self) -> Option<V> {
        let (number, id) = self.order.pop_front()?;
        if !is_current(&self.entries, number, &id) {
            return None;
        }
        self.entries.remove(&id).map(|entry| entry.value)
    }
}

fn is_current<V>(
    entries: &HashMap<Arc<str>, BoundedEntry<V>, RandomState>,
    number: u64,
    id: &str,
) -> bool {
    entries.get(id).is_some_and(|entry| entry.number == number)
}

/// Shows no id: ids of sessions and users do not belong in logs.
impl<V> fmt::Debug for BoundedMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedMap").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// How many removed entries the order of an otherwise empty map holds at most.
const SLACK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_one_that_is_too_many_pushes_out_the_oldest() {
        let mut map = BoundedMap::new(2, Duration::MAX);
        assert_eq!(map.add("a", 1, SECOND), None);
        assert_eq!(map.add("b", 2, SECOND), None);
        *map.get_mut("a").unwrap() = 10;
        assert_eq!(map.add("a", 3, SECOND), None, "it is there");
        assert_eq!(map.add("c", 4, SECOND), Some(10), "changing a value moves nothing");
        assert_eq!((map.get("a"), map.get("b"), map.get("c")), (None, Some(&2), Some(&4)));

        assert_eq!(map.remove("b"), Some(2));
        assert_eq!(map.remove("b"), None);
        assert_eq!(map.add("b", 5, SECOND), None, "there is room");
        assert_eq!(map.add("d", 6, SECOND), Some(4), "an id that was added anew is new");
    }

    #[test]
    fn an_entry_is_over_when_its_lifetime_has_passed() {
        let mut map = BoundedMap::new(10, 2 * SECOND);
        map.add("a", (), SECOND);
        map.add("b", (), 2 * SECOND);
        map.add("a", (), 2 * SECOND);
        for (now, expected) in [(2, [true, true]), (3, [false, true]), (4, [false, false])] {
            map.forget_expired(now * SECOND);
            assert_eq!([map.contains("a"), map.contains("b")], expected, "{now} s");
        }
        assert!(map.is_empty() && map.order.is_empty());

        let mut lasting = BoundedMap::new(10, Duration::MAX);
        lasting.add("a", (), SECOND);
        lasting.forget_expired(Duration::MAX - SECOND);
        assert!(lasting.contains("a"));
    }

    #[test]
    fn what_was_removed_takes_no_room() {
        let mut map = BoundedMap::new(usize::MAX, Duration::MAX);
        map.add("first", (), SECOND);
        for n in 0..10_000 {
            map.add(&n.to_string(), (), SECOND);
            map.remove(&n.to_string());
            assert!(map.order.len() <= 2 + SLACK + 1, "{}", map.order.len());
        }
        assert!(map.contains("first"));
        map.truncate(0);
        assert!(map.is_empty() && map.order.len() <= 2 + SLACK);
    }

    /// Against a list of `(id, value, time)` that is searched from end to end.
    #[test]
    fn it_does_what_a_list_would_do() {
        let (limit, lifetime) = (5, 40 * SECOND);
        let mut map = BoundedMap::new(limit, lifetime);
        let mut list: Vec<(String, u32, Duration)> = Vec::new();
        let mut random = 1_u32;
        for step in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (id, now) = ((random >> 8 & 15).to_string(), step * SECOND);
            let place = list.iter().position(|(known, ..)| *known == id);
            match random >> 24 & 7 {
                0 => {
                    assert_eq!(map.remove(&id), place.map(|place| list.remove(place).1), "{step}");
                }
                1 => {
                    map.forget_expired(now);
                    list.retain(|(_, _, added)| *added + lifetime > now);
                }
                2 => {
                    map.truncate(3);
                    list.drain(..list.len().saturating_sub(3));
                }
                _ => {
                    let pushed_out = map.add(&id, step, now);
                    let mut expected = None;
                    if place.is_none() {
                        list.push((id, step, now));
                        expected = (list.len() > limit).then(|| list.remove(0).1);
                    }
                    assert_eq!(pushed_out, expected, "{step}");
                }
            }
            assert_eq!(map.len(), list.len(), "{step}");
            assert!(list.iter().all(|(id, value, _)| map.get(id) == Some(value)), "{step}");
            assert!(map.order.len() <= 2 * (limit + 1) + SLACK, "{step}");
        }
    }

    #[test]
    fn debug_output_names_no_id() {
        let mut map = BoundedMap::new(1, SECOND);
        map.add("session_1", (), SECOND);
        assert_eq!(format!("{map:?}"), "BoundedMap { len: 1, .. }");
    }
}
