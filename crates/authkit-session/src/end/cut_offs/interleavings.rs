//! Readers that take no lock, and whoever adds cut-offs meanwhile, in every interleaving.

use std::time::UNIX_EPOCH;

use super::*;
use crate::sync::{Flag, explore, thread};

/// The second of the first cut-off.
const THEN: u64 = 1_800_000_000;
const START: Duration = Duration::ZERO;

fn at(second: u64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// A token of the session, and of the organization, with the same name.
fn effect(cut_offs: &CutOffs, id: &str, issued_at: u64) -> CutOffEffect {
    let organization = Some(id);
    cut_offs.effect_on(TokenIdentity { session: Some(id), subject: None, organization, issued_at })
}

/// A session or organization, the second in which its token was made, and the effect that is due.
type Expected = (&'static str, u64, CutOffEffect);

/// Adds two revocations, each in a thread of its own, and asks meanwhile for their effects. Once one has been added, the effect
/// on its token is at least what is expected.
fn added_at_once(name: &str, revocations: [Revocation; 2], expected: [Expected; 2]) {
    let revocations = Arc::new(revocations);
    explore(name, BOUND, move || {
        let cut_offs = Arc::new(CutOffs::new());
        let returned = Arc::new([Flag::default(), Flag::default()]);
        let adding = [0, 1].map(|n| {
            let (cut_offs, returned) = (Arc::clone(&cut_offs), Arc::clone(&returned));
            let revocations = Arc::clone(&revocations);
            thread(move || {
                cut_offs.add(&revocations[n], START);
                returned[n].raise();
            })
        });
        for (returned, (id, issued_at, expected)) in returned.iter().zip(expected) {
            let had_returned = returned.is_raised();
            let effect = effect(&cut_offs, id, issued_at);
            assert!(!had_returned || effect >= expected, "{id}: {effect:?}");
        }
        for thread in adding {
            thread.join().unwrap();
        }
        for (id, issued_at, expected) in expected {
            assert!(effect(&cut_offs, id, issued_at) >= expected, "{id}, afterwards");
        }
    });
}

#[test]
fn what_was_added_is_seen_by_every_reader_and_none_of_two_is_lost() {
    let session = |id: &str, second| Revocation::session(id, at(second));
    let organization = |id: &str, second| Revocation::organization(id, at(second));
    let (changed, ended) = (CutOffEffect::Changed, CutOffEffect::Ended);
    added_at_once(
        "two sessions end",
        [session("one", THEN), session("two", THEN + 1)],
        [("one", THEN + 5, ended), ("two", THEN + 5, ended)],
    );
    added_at_once(
        "two organizations change",
        [organization("one", THEN), organization("two", THEN + 9)],
        [("one", THEN - 1, changed), ("two", THEN + 5, changed)],
    );
    added_at_once(
        "one organization changes twice",
        [organization("one", THEN + 9), organization("one", THEN)],
        [("one", THEN + 5, changed), ("one", THEN - 1, changed)],
    );
    added_at_once(
        "a session ends and an organization changes",
        [session("one", THEN), organization("two", THEN + 9)],
        [("one", THEN + 30, ended), ("two", THEN + 5, changed)],
    );
}

#[test]
fn a_user_who_is_deleted_as_the_user_signs_out_everywhere_stays_deleted() {
    explore("a user is deleted and signed out", None, || {
        let cut_offs = Arc::new(CutOffs::new());
        let deleted = Arc::new(Flag::default());
        let of_user = |cut_offs: &CutOffs| {
            cut_offs.effect_on(TokenIdentity {
                session: None,
                subject: Some("user"),
                organization: None,
                issued_at: THEN + 5,
            })
        };
        let deleting = thread({
            let (cut_offs, deleted) = (Arc::clone(&cut_offs), Arc::clone(&deleted));
            move || {
                cut_offs.add(&Revocation::deleted_user("user", at(THEN)), START);
                deleted.raise();
            }
        });
        let signing_out = thread({
            let cut_offs = Arc::clone(&cut_offs);
            move || cut_offs.add(&Revocation::user("user", at(THEN + 1)), START)
        });
        let was_deleted = deleted.is_raised();
        let effect = of_user(&cut_offs);
        assert!(!was_deleted || effect == CutOffEffect::Ended, "{effect:?}");
        deleting.join().unwrap();
        signing_out.join().unwrap();
        assert_eq!(of_user(&cut_offs), CutOffEffect::Ended);
    });
}

/// The table is full: a reader of what is pushed out finds it there, or the floor that stands for it.
#[test]
fn what_is_pushed_out_of_a_full_table_is_let_in_at_no_moment() {
    for (name, revocation) in [
        ("a change pushes an end out", Revocation::organization("new", at(THEN + 10))),
        ("an end pushes an end out", Revocation::session("new", at(THEN + 10))),
    ] {
        explore(name, None, move || {
            let cut_offs = Arc::new(CutOffs::holding(1));
            cut_offs.add(&Revocation::session("old", at(THEN)), START);
            let adding = thread({
                let (cut_offs, revocation) = (Arc::clone(&cut_offs), revocation.clone());
                move || cut_offs.add(&revocation, START)
            });
            // By the bucket and the floor, by the table, and by the floor alone.
            assert!(effect(&cut_offs, "old", THEN + 20) >= CutOffEffect::Changed, "it is let in");
            adding.join().unwrap();
            assert_eq!(effect(&cut_offs, "old", THEN + 20), CutOffEffect::Changed, "by the floor");
        });
    }
}

/// The time of one is over as another one is added.
#[test]
fn one_that_is_forgotten_takes_no_other_one_with_it() {
    explore("one is forgotten as another one is added", None, || {
        let cut_offs = Arc::new(CutOffs::new());
        let later = Duration::from_secs(KEPT);
        cut_offs.add(&Revocation::session("old", at(THEN)), START);
        let returned = Arc::new(Flag::default());
        let adding = ["one", "two"].map(|id| {
            let (cut_offs, returned) = (Arc::clone(&cut_offs), Arc::clone(&returned));
            thread(move || {
                cut_offs.add(&Revocation::session(id, at(THEN + KEPT)), later);
                if id == "one" {
                    returned.raise();
                }
            })
        });
        let had_returned = returned.is_raised();
        let of_one = effect(&cut_offs, "one", THEN + KEPT);
        assert!(!had_returned || of_one == CutOffEffect::Ended, "{of_one:?}");
        for thread in adding {
            thread.join().unwrap();
        }
        for id in ["one", "two"] {
            assert_eq!(effect(&cut_offs, id, THEN + KEPT), CutOffEffect::Ended, "{id}");
        }
        assert_eq!(effect(&cut_offs, "old", THEN + KEPT), CutOffEffect::None, "forgotten");
    });
}

/// How often a thread that could go on is interrupted, where two threads add.
const BOUND: Option<usize> = Some(3);
