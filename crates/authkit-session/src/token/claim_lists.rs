//! Lists of roles, permissions and the like; the users of a service have few different ones.

use std::{fmt, sync::Arc};

use foldhash::quality::RandomState;
use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::strictness::{FromJson as _, Held, OddValues, Spelt};

/// The strings of a claim; none where nothing is held. Every session has four: a pointer each, of one word.
#[derive(Clone, Default)]
pub(crate) struct ClaimList(Option<Arc<Vec<String>>>);

impl ClaimList {
    pub(crate) fn as_slice(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |list| list.as_slice())
    }
}

/// Lists by their spelling, so that equal lists are parsed and stored once.
///
/// Only lists of verified tokens get in. The hash is fast but not collision-resistant.
pub(crate) struct ClaimLists(Cache<Box<str>, Arc<Vec<String>>, ListWeight, RandomState>);

impl ClaimLists {
    /// Holds about 1 MiB of lists.
    pub(crate) fn new() -> Self {
        let (hash, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        Self(Cache::with(BYTES / USUAL_WEIGHT, BYTES as u64, ListWeight, hash, lifecycle))
    }

    /// The list of a claim; a value that is not a list of strings is noted under `name`.
    pub(crate) fn read(
        &self,
        claim: Held<Spelt<'_>>,
        name: &'static str,
        odd: &mut OddValues,
    ) -> ClaimList {
        let Some(Spelt(json)) = claim.value(name, odd) else { return ClaimList::default() };
        if let Some(known) = self.0.get(json) {
            return ClaimList(Some(known));
        }
        let Some(mut list) = Vec::from_json(json) else {
            odd.note(name);
            return ClaimList::default();
        };
        list.shrink_to_fit();
        let list = Arc::new(list);
        self.0.insert(json.into(), Arc::clone(&list));
        ClaimList(Some(list))
    }
}

impl fmt::Debug for ClaimLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClaimLists").field(&self.0.len()).finish()
    }
}

/// The approximate size of an entry, in bytes.
#[derive(Clone)]
struct ListWeight;

impl Weighter<Box<str>, Arc<Vec<String>>> for ListWeight {
    fn weight(&self, json: &Box<str>, list: &Arc<Vec<String>>) -> u64 {
        (ENTRY + 2 * json.len() + STRING * list.len()) as u64
    }
}

const BYTES: usize = 1 << 20;
const ENTRY: usize = 128;
/// The size of a string without its text.
const STRING: usize = 40;
/// The usual size of an entry.
const USUAL_WEIGHT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lists: &ClaimLists, json: &str) -> (Vec<String>, ClaimList, OddValues) {
        let (mut claim, mut odd) = (Held::default(), OddValues::default());
        claim.read(json);
        let list = lists.read(claim, "roles", &mut odd);
        (list.as_slice().to_vec(), list, odd)
    }

    #[test]
    fn lists_that_are_spelt_alike_are_there_once() {
        let lists = ClaimLists::new();
        let (first, one, odd) = read(&lists, r#"["admin","\u0061"]"#);
        assert_eq!(
            (first.as_slice(), odd.names()),
            (&["admin".to_owned(), "a".to_owned()][..], &[][..])
        );
        let (second, another, _) = read(&lists, r#"["admin","\u0061"]"#);
        assert_eq!(first, second);
        assert!(Arc::ptr_eq(&one.0.unwrap(), &another.0.unwrap()));
        assert_eq!(read(&lists, r#"["admin"]"#).0, ["admin"]);
        assert!(read(&lists, "[]").0.is_empty());
    }

    #[test]
    fn what_is_no_list_of_strings_is_held_by_nobody_and_noted_each_time() {
        let lists = ClaimLists::new();
        for json in ["5", r#""admin""#, r#"["admin",5]"#, r#"[["admin"]]"#, "{}", r#"["\ud83d"]"#] {
            for _ in 0..2 {
                let (list, _, odd) = read(&lists, json);
                assert_eq!((list.len(), odd.names()), (0, &["roles"][..]), "{json}");
            }
        }
        assert_eq!(read(&lists, "null").2, OddValues::default());
    }

    #[test]
    fn many_lists_stay_within_their_bytes() {
        let lists = ClaimLists::new();
        for n in 0..20_000 {
            assert_eq!(read(&lists, &format!(r#"["role-{n}"]"#)).0.len(), 1);
        }
        assert!(lists.0.weight() <= BYTES as u64);
    }

    /// A list of four strings of 26 bytes takes 340: the bytes twice, and what a string and a list are without them.
    #[test]
    fn as_many_lists_are_kept_as_have_room_with_their_strings() {
        let lists = ClaimLists::new();
        for n in 10_000..20_000 {
            read(&lists, &format!(r#"["role-{n}","a","b","c"]"#));
        }
        let kept = lists.0.len();
        assert!((2_900..=3_084).contains(&kept), "{kept}");
    }
}
