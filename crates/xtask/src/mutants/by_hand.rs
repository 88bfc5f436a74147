//! Mutants that were made by hand: changes of a line or two to security code, each with the tests that have to fail.
//!
//! Fifteen of them once passed every test. `docs/proof.md` has a row for each, as [`ByHand::row`] writes it.

use anyhow::{Context, Result, ensure};

use super::mutant::{Mutant, Place};

/// One change.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByHand {
    /// In words.
    change: &'static str,
    /// From the root of the workspace.
    pub(super) file: &'static str,
    function: &'static str,
    /// What is there; it is there once.
    old: &'static str,
    new: &'static str,
    /// The names of the tests of its package that fail, without their modules.
    pub(super) tests: &'static [&'static str],
}

impl ByHand {
    /// The mutant in the text of its file, woken by this number.
    pub(super) fn mutant(&self, id: usize, text: &str) -> Result<Mutant> {
        let mut places = text.match_indices(self.old);
        let (start, _) = places.next().with_context(|| format!("not there any more: {self:?}"))?;
        ensure!(places.next().is_none(), "there more than once: {self:?}");
        Ok(Mutant {
            id,
            name: self.change.to_owned(),
            file: self.file.to_owned(),
            start: Place::at(text, start),
            end: Place::at(text, start + self.old.len()),
            replacement: self.new.to_owned(),
        })
    }

    pub(super) fn package(&self) -> &'static str {
        self.file.split('/').nth(1).unwrap_or_default()
    }

    /// Its row in `docs/proof.md`.
    pub(super) fn row(&self) -> String {
        let (_, place) = self.file.split_once("/src/").unwrap_or_default();
        let tests = self.tests.join("`, `");
        format!("| {} | `{place}`, `{}` | `{tests}` |", self.change, self.function)
    }
}

/// All of them.
pub(super) const BY_HAND: &[ByHand] = &[
    ByHand {
        change: "the early return for candidates of two users is gone",
        file: "crates/authkit-session/src/candidate.rs",
        function: "or_better",
        old: "if self.verdict == Verdict::Ambiguous {\n            return self;\n        }\n",
        new: "",
        tests: &["sessions_of_two_users_are_ambiguous_in_every_order"],
    },
    ByHand {
        change: "cut-offs are not asked of a renewed session",
        file: "crates/authkit-session/src/request/authenticate.rs",
        function: "accept",
        old: "self.ender.mark_if_ended(refreshed);\n        let undecided",
        new: "let undecided",
        tests: &["a_session_that_a_refresh_brings_after_its_end_is_refused"],
    },
    ByHand {
        change: "the origin check looks for whole cookies only, not for parts",
        file: "crates/authkit-tower/src/entry.rs",
        function: "check_origin",
        old: "cookie::is_session(name, authkit.site().cookie_name())",
        new: "name == authkit.site().cookie_name().as_bytes()",
        tests: &["another_sites_request_is_refused_before_the_cookie_is_opened"],
    },
    ByHand {
        change: "a refresh or a switch on demand does not ask whose session it is for (`is_meant`)",
        file: "crates/authkit-session/src/request/authenticate.rs",
        function: "refresh_on_demand",
        old: "|it: &OpenedSession| it.subject().as_deref() == Some(session.user_id());",
        new: "|_: &OpenedSession| true;",
        tests: &["another_users_session_is_neither_refreshed_nor_switched_on_demand"],
    },
    ByHand {
        change: "the margin of 60 s of a sign-out's cut-off is 0 (`LATEST_TOKEN`)",
        file: "crates/authkit-session/src/end/cut_offs.rs",
        function: "first_unaffected",
        old: "Reach::Every => LATEST_TOKEN,",
        new: "Reach::Every => 0,",
        tests: &["what_finds_no_room_is_refreshed_rather_than_forgotten"],
    },
    ByHand {
        change: "every answer that another process published is accepted",
        file: "crates/authkit-session/src/refresh/exchanged_session.rs",
        function: "accepts",
        old: "PublishedOutcome::Refreshed(answer) => self.owns(&answer.claims),",
        new: "PublishedOutcome::Refreshed(_) => true,",
        tests: &["an_answer_about_another_user_or_organization_is_not_taken_from_the_store"],
    },
    ByHand {
        change: "what replicas share is bound to the token without the organization",
        file: "crates/authkit-session/src/refresh/replicas.rs",
        function: "SharedExchange::new",
        old: "if let Some(organization) = organization {\n            context.push(b'@');",
        new: "if let Some(organization) = organization.filter(|_| false) {\n            context.push(b'@');",
        tests: &["an_outcome_is_for_its_token_and_its_organization_alone"],
    },
    ByHand {
        change: "a sign-in ends the session that it replaces by its id alone, not by its token",
        file: "crates/authkit-session/src/request/sign_in.rs",
        function: "replace_sessions",
        old: "self.ender.end(old.token(), old_id)",
        new: "self.ender.end(None, old_id)",
        tests: &["every_token_of_a_session_that_a_sign_in_replaces_has_ended"],
    },
    ByHand {
        change: "the header with the API key is not marked as sensitive",
        file: "crates/authkit-session/src/upstream/own_api_key.rs",
        function: "new",
        old: "authorization.set_sensitive(true);",
        new: "authorization.set_sensitive(false);",
        tests: &["the_header_with_the_api_key_is_sensitive"],
    },
    ByHand {
        change: "a header with a cookie is not marked as sensitive",
        file: "crates/authkit-session/src/cookie/set_cookie.rs",
        function: "cookie",
        old: "field.set_sensitive(true);",
        new: "field.set_sensitive(false);",
        tests: &["every_attribute_is_written_and_repeated_by_the_deletion"],
    },
    ByHand {
        change: "which passwords and keys were in use is read after the cookie was opened",
        file: "crates/authkit-session/src/candidate/reader.rs",
        function: "open_and_remember",
        old: "self.remember(&value, &mut candidate, generations);",
        new: "let now = clock::nanos(self.settings.clock().monotonic());
        self.remember(&value, &mut candidate, self.generations(now));",
        tests: &["what_is_taken_away_while_a_cookie_is_read_does_not_count_afterwards"],
    },
    ByHand {
        change: "a renewal overwrites the head of a request that was signed out",
        file: "crates/authkit-tower/src/request_state.rs",
        function: "replace_session",
        old: "(SetCookieSource::SignedOut { .. }, _) | (_, SetCookieSource::Refused { .. }) => {}",
        new: "(_, SetCookieSource::Refused { .. }) => {}",
        tests: &["a_sign_out_is_written_whatever_comes_after_it"],
    },
    ByHand {
        change: "a layer inside writes cookies although a layer outside does",
        file: "crates/authkit-tower/src/entry/attach.rs",
        function: "conclude_session",
        old: "match position {\n                        LayerPosition::Outermost => head::write(",
        new: "match LayerPosition::Outermost {\n                        LayerPosition::Outermost => head::write(",
        tests: &["a_layer_inside_that_refuses_a_session_does_not_delete_its_cookie"],
    },
    ByHand {
        change: "a layer does not forget the `Session` of another handle on entry",
        file: "crates/authkit-tower/src/lookup.rs",
        function: "LayerPosition::enter",
        old: "Some(_) => {\n                detach(extensions);",
        new: "Some(_) => {",
        tests: &["another_handles_session_is_forgotten_at_a_page_and_at_an_endpoint"],
    },
    ByHand {
        change: "bearer tokens have no length limit",
        file: "crates/authkit-session/src/request/jwt_authenticator.rs",
        function: "read",
        old: "token.len() > MAX_TOKEN",
        new: "token.len() == usize::MAX",
        tests: &["a_token_is_as_long_as_the_cookies_that_are_read_at_most"],
    },
    ByHand {
        change: "the context of sealed values has no length before the client id",
        file: "crates/authkit-session/src/seal/sealer.rs",
        function: "context",
        old: "bound.extend_from_slice(&(client_id.len() as u64).to_be_bytes());",
        new: "",
        tests: &["what_is_sealed_is_bound_to_the_client_id_and_to_the_context_apart"],
    },
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn read(file: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::read_to_string(root.join(file)).unwrap()
    }

    #[test]
    fn every_change_can_be_made_in_its_function_and_has_its_row() {
        let proof = read("docs/proof.md");
        for by_hand in BY_HAND {
            let text = read(by_hand.file);
            let mutant = by_hand.mutant(1, &text).unwrap();
            let (start, end) = (mutant.start.offset(&text), mutant.end.offset(&text));
            assert_eq!(&text[start..end], by_hand.old);
            let name = by_hand.function.rsplit("::").next().unwrap();
            assert!(text[..start].contains(&format!("fn {name}")), "{by_hand:?}");
            assert!(proof.contains(&by_hand.row()), "docs/proof.md lacks: {}", by_hand.row());
        }
        let rows = proof.split("## Mutants of the field faults").nth(1).unwrap();
        let rows =
            rows.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| "));
        // One more is the head of the table.
        assert_eq!(rows.count(), BY_HAND.len() + 1);
    }
}
