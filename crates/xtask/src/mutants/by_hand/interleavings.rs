//! Changes that only some interleavings of threads show.

use super::{ByHand, FailingTests};

pub(super) const INTERLEAVINGS: &[ByHand] = &[
    ByHand {
        change: "a token whose look-ups are skipped is not marked again when its lineage ends",
        file: "crates/authkit-session/src/refresh_state/lineage/index.rs",
        function: "require_lookups",
        old: "token.mark.get_or_insert_with(|| self.lookup_filter.mark(member));",
        new: "let _ = token;",
        tests: FailingTests::Interleavings(&[
            "nobody_passes_by_the_end_of_a_token_whose_lookups_are_skipped",
        ]),
    },
    ByHand {
        change: "the mark of a session that is signed out again is taken away before the new one is made",
        file: "crates/authkit-session/src/refresh_state/lineage/ended.rs",
        function: "add",
        old: "self.ids.add(id, self.lookup_filter.mark(id), now);",
        new: "self.ids.remove(id);\n            self.ids.add(id, self.lookup_filter.mark(id), now);",
        tests: FailingTests::Interleavings(&["nobody_passes_by_a_sign_out_that_has_returned"]),
    },
    ByHand {
        change: "a mark that is dropped sets the count to zero",
        file: "crates/authkit-session/src/refresh_state/lookup_filter.rs",
        function: "drop",
        old: "self.lookup_filter.counts[self.slot].fetch_sub(1, Ordering::Release);",
        new: "self.lookup_filter.counts[self.slot].store(0, Ordering::Release);",
        tests: FailingTests::Interleavings(&[
            "nobody_passes_by_a_sign_out_while_another_one_with_its_count_is_forgotten",
        ]),
    },
    ByHand {
        change: "what an exchange brings decides whether the lineage lives",
        file: "crates/authkit-session/src/refresh_state/lineage.rs",
        function: "refreshed",
        old: "if session_ended || state == LineageState::Ended {\n            lineage.state = LineageState::Ended;\n        }",
        new: "lineage.state = if session_ended { LineageState::Ended } else { state };",
        tests: FailingTests::Interleavings(&[
            "what_an_exchange_brings_to_a_session_that_was_signed_out_is_handed_to_nobody",
        ]),
    },
    ByHand {
        change: "`newest` is written when the table is unlocked",
        file: "crates/authkit-session/src/end/cut_offs.rs",
        function: "add",
        old: "self.newest.store(newest, Ordering::Release);",
        new: "drop(table);\n        self.newest.store(newest, Ordering::Release);",
        tests: FailingTests::Interleavings(&[
            "what_was_added_is_seen_by_every_reader_and_none_of_two_is_lost",
            "a_user_who_is_deleted_as_the_user_signs_out_everywhere_stays_deleted",
        ]),
    },
    ByHand {
        change: "the floor is raised after the bucket is lowered",
        file: "crates/authkit-session/src/end/cut_offs.rs",
        function: "add",
        old: "self.floor.fetch_max(cut_off.first_unaffected(), Ordering::Release);\n            self.forgotten(&subject, cut_off);",
        new: "self.forgotten(&subject, cut_off);\n            self.floor.fetch_max(cut_off.first_unaffected(), Ordering::Release);",
        tests: FailingTests::Interleavings(&[
            "what_is_pushed_out_of_a_full_table_is_let_in_at_no_moment",
        ]),
    },
    ByHand {
        change: "the floor is read before the buckets",
        file: "crates/authkit-session/src/end/cut_offs.rs",
        function: "worst_effect",
        old: "let known = subjects.map(|subject| self.effect_of(&subject, at)).max();\n        // Read last: forgetting a cut-off raises the floor before it lowers the bucket.\n        let is_below = at < self.floor.load(Ordering::Acquire);",
        new: "let is_below = at < self.floor.load(Ordering::Acquire);\n        let known = subjects.map(|subject| self.effect_of(&subject, at)).max();",
        tests: FailingTests::Interleavings(&[
            "what_is_pushed_out_of_a_full_table_is_let_in_at_no_moment",
        ]),
    },
    ByHand {
        change: "a bucket is lowered with `Relaxed` in place of `Release`",
        file: "crates/authkit-session/src/end/cut_offs.rs",
        function: "forgotten",
        old: ".ended.fetch_sub(1, Ordering::Release);",
        new: ".ended.fetch_sub(1, Ordering::Relaxed);",
        tests: FailingTests::Interleavings(&[
            "what_is_pushed_out_of_a_full_table_is_let_in_at_no_moment",
        ]),
    },
    ByHand {
        change: "which keys were in use is read after the cookie was verified",
        file: "crates/authkit-session/src/candidate/reader.rs",
        function: "open_and_remember",
        old: "self.remember(&value, &mut candidate, generations);",
        new: "let now = clock::nanos(self.settings.clock().monotonic());\n        self.remember(&value, &mut candidate, self.generations(now));",
        tests: FailingTests::Interleavings(&[
            "what_was_verified_with_a_key_that_is_taken_away_does_not_count_afterwards",
        ]),
    },
    ByHand {
        change: "the time of a fetch is stored before its keys",
        file: "crates/authkit-session/src/candidate/jwks.rs",
        function: "run",
        old: "self.inner.keys.store(Some(Arc::new(keys)));\n                    self.inner.fetched_at.store(clock::nanos(at), Ordering::Release);",
        new: "self.inner.fetched_at.store(clock::nanos(at), Ordering::Release);\n                    self.inner.keys.store(Some(Arc::new(keys)));",
        tests: FailingTests::Interleavings(&[
            "what_was_verified_with_a_key_that_is_taken_away_does_not_count_afterwards",
        ]),
    },
    ByHand {
        change: "a fetch of keys tells that it is over when the next one can begin already",
        file: "crates/authkit-session/src/candidate/jwks.rs",
        function: "drop",
        old: "self.inner.over.send_replace(());\n        drop(fetches);",
        new: "drop(fetches);\n        self.inner.over.send_replace(());",
        tests: FailingTests::Interleavings(&[
            "whoever_waits_for_a_key_waits_for_the_fetch_that_brings_it",
        ]),
    },
    ByHand {
        change: "who waits for a fetch of keys subscribes when it has begun",
        file: "crates/authkit-session/src/candidate/jwks.rs",
        function: "fetch",
        old: "sync::spawn(fetch.run().instrument(span));\n        Some(waiting)",
        new: "sync::spawn(fetch.run().instrument(span));\n        drop(waiting);\n        Some(KeysWaiting(self.inner.over.subscribe()))",
        tests: FailingTests::Interleavings(&["whoever_waits_for_keys_gets_them"]),
    },
    ByHand {
        change: "the generation of the passwords is raised before they are in place",
        file: "crates/authkit-session/src/seal/sealer.rs",
        function: "reload",
        old: "self.ring.store(Arc::new(ring));\n        self.generation.fetch_add(1, Ordering::Release);",
        new: "self.generation.fetch_add(1, Ordering::Release);\n        self.ring.store(Arc::new(ring));",
        tests: FailingTests::Interleavings(&[
            "what_was_opened_with_a_password_that_is_taken_away_does_not_count_afterwards",
        ]),
    },
    ByHand {
        change: "the generation of the passwords is raised with `Relaxed`",
        file: "crates/authkit-session/src/seal/sealer.rs",
        function: "reload",
        old: "self.generation.fetch_add(1, Ordering::Release);",
        new: "self.generation.fetch_add(1, Ordering::Relaxed);",
        tests: FailingTests::Interleavings(&[
            "what_was_opened_with_a_password_that_is_taken_away_does_not_count_afterwards",
        ]),
    },
    ByHand {
        change: "the waiting requests are told before the lineage knows the new pair",
        file: "crates/authkit-session/src/refresh/exchange.rs",
        function: "record_successor",
        old: "let successor = Arc::clone(&refreshed.successor);\n",
        new: "let successor = Arc::clone(&refreshed.successor);\n        self.sender.send_replace(Some(Ok(refreshed.clone())));\n",
        tests: FailingTests::Interleavings(&[
            "requests_with_one_token_make_one_exchange_and_every_head_carries_what_it_brought",
        ]),
    },
    ByHand {
        change: "an exchange that is dropped is not noted as lost",
        file: "crates/authkit-session/src/refresh/exchange.rs",
        function: "record_lost",
        old: "if self.recorded == Recorded::No {",
        new: "if self.recorded == Recorded::No && self.hash.as_bytes().is_empty() {",
        tests: FailingTests::Interleavings(&[
            "when_the_one_who_exchanges_is_dropped_nobody_waits_for_ever_and_the_next_one_exchanges",
        ]),
    },
    ByHand {
        change: "what is remembered of a credential is read before the lock is taken",
        file: "crates/authkit-session/src/validation.rs",
        function: "join_or_start",
        old: "let mut checks = self.checks();\n        if let Some(answer) = checks.under_way.get(&hash) {\n            return JoinedCheck::UnderWay(answer.clone());\n        }\n        // A call that was running may have finished just now.\n        match self.remembered(hash) {",
        new: "let remembered = self.remembered(hash);\n        let mut checks = self.checks();\n        if let Some(answer) = checks.under_way.get(&hash) {\n            return JoinedCheck::UnderWay(answer.clone());\n        }\n        match remembered {",
        tests: FailingTests::Interleavings(&[
            "whoever_asks_before_while_or_after_another_one_does_is_told_the_same_by_one_call",
        ]),
    },
    ByHand {
        change: "an answer is remembered when its question is no longer under way",
        file: "crates/authkit-session/src/validation.rs",
        function: "finish",
        old: "self.validations.remember(self.hash, &answer);\n        let mut checks = self.validations.checks();",
        new: "self.validations.checks().under_way.remove(&self.hash);\n        self.validations.remember(self.hash, &answer);\n        let mut checks = self.validations.checks();",
        tests: FailingTests::Interleavings(&[
            "whoever_asks_before_while_or_after_another_one_does_is_told_the_same_by_one_call",
        ]),
    },
    ByHand {
        change: "a question that is dropped stays under way",
        file: "crates/authkit-session/src/validation.rs",
        function: "drop",
        old: "self.validations.checks().under_way.remove(&self.hash);",
        new: "let _ = &self.validations;",
        tests: FailingTests::Interleavings(&[
            "when_the_one_who_asks_is_dropped_the_others_are_told_and_ask_again",
        ]),
    },
];
