//! Changes that tests beside the code notice. Fifteen of them once passed every test.

use super::{ByHand, FailingTests};

pub(super) const BESIDE: &[ByHand] = &[
    ByHand {
        change: "the early return for candidates of two users is gone",
        file: "crates/authkit-session/src/candidate.rs",
        function: "or_better",
        old: "if self.verdict == Verdict::Ambiguous {\n            return self;\n        }\n",
        new: "",
        tests: FailingTests::Beside(&["sessions_of_two_users_are_ambiguous_in_every_order"]),
    },
    ByHand {
        change: "cut-offs are not asked of a renewed session",
        file: "crates/authkit-session/src/request/authenticate.rs",
        function: "accept",
        old: "self.ender.mark_if_ended(refreshed);\n        let undecided",
        new: "let undecided",
        tests: FailingTests::Beside(&["a_session_that_a_refresh_brings_after_its_end_is_refused"]),
    },
    ByHand {
        change: "the origin check looks for whole cookies only, not for parts",
        file: "crates/authkit-tower/src/entry.rs",
        function: "check_origin",
        old: "cookie::is_session(name, authkit.site().cookie_name())",
        new: "name == authkit.site().cookie_name().as_bytes()",
        tests: FailingTests::Beside(&[
            "another_sites_request_is_refused_before_the_cookie_is_opened",
        ]),
    },
    ByHand {
        change: "a refresh or a switch on demand does not ask whose session it is for (`is_meant`)",
        file: "crates/authkit-session/src/request/authenticate.rs",
        function: "refresh_on_demand",
        old: "|it: &OpenedSession| it.subject().as_deref() == Some(session.user_id());",
        new: "|_: &OpenedSession| true;",
        tests: FailingTests::Beside(&[
            "another_users_session_is_neither_refreshed_nor_switched_on_demand",
        ]),
    },
    ByHand {
        change: "the margin of 60 s of a sign-out's cut-off is 0 (`LATEST_TOKEN`)",
        file: "crates/authkit-session/src/end/cut_offs.rs",
        function: "first_unaffected",
        old: "Reach::Every => LATEST_TOKEN,",
        new: "Reach::Every => 0,",
        tests: FailingTests::Beside(&["what_finds_no_room_is_refreshed_rather_than_forgotten"]),
    },
    ByHand {
        change: "every answer that another process published is accepted",
        file: "crates/authkit-session/src/refresh/exchanged_session.rs",
        function: "accepts",
        old: "PublishedOutcome::Refreshed(answer) => self.owns(&answer.claims),",
        new: "PublishedOutcome::Refreshed(_) => true,",
        tests: FailingTests::Beside(&[
            "an_answer_about_another_user_or_organization_is_not_taken_from_the_store",
        ]),
    },
    ByHand {
        change: "what replicas share is bound to the token without the organization",
        file: "crates/authkit-session/src/refresh/replicas.rs",
        function: "SharedExchange::new",
        old: "if let Some(organization) = organization {\n            context.push(b'@');",
        new: "if let Some(organization) = organization.filter(|_| false) {\n            context.push(b'@');",
        tests: FailingTests::Beside(&["an_outcome_is_for_its_token_and_its_organization_alone"]),
    },
    ByHand {
        change: "a sign-in ends the session that it replaces by its id alone, not by its token",
        file: "crates/authkit-session/src/request/sign_in.rs",
        function: "replace_sessions",
        old: "self.ender.end(old.token(), old_id)",
        new: "self.ender.end(None, old_id)",
        tests: FailingTests::Beside(&[
            "every_token_of_a_session_that_a_sign_in_replaces_has_ended",
        ]),
    },
    ByHand {
        change: "the header with the API key is not marked as sensitive",
        file: "crates/authkit-session/src/upstream/own_api_key.rs",
        function: "new",
        old: "authorization.set_sensitive(true);",
        new: "authorization.set_sensitive(false);",
        tests: FailingTests::Beside(&["the_header_with_the_api_key_is_sensitive"]),
    },
    ByHand {
        change: "a header with a cookie is not marked as sensitive",
        file: "crates/authkit-session/src/cookie/set_cookie.rs",
        function: "cookie",
        old: "field.set_sensitive(true);",
        new: "field.set_sensitive(false);",
        tests: FailingTests::Beside(&["every_attribute_is_written_and_repeated_by_the_deletion"]),
    },
    ByHand {
        change: "which passwords and keys were in use is read after the cookie was opened",
        file: "crates/authkit-session/src/candidate/reader.rs",
        function: "open_and_remember",
        old: "self.remember(&value, &mut candidate, generations);",
        new: "let now = clock::nanos(self.settings.clock().monotonic());
        self.remember(&value, &mut candidate, self.generations(now));",
        tests: FailingTests::Beside(&[
            "what_is_taken_away_while_a_cookie_is_read_does_not_count_afterwards",
        ]),
    },
    ByHand {
        change: "a renewal overwrites the head of a request that was signed out",
        file: "crates/authkit-tower/src/request_state.rs",
        function: "replace_session",
        old: "(SetCookieSource::SignedOut { .. }, _) | (_, SetCookieSource::Refused { .. }) => {}",
        new: "(_, SetCookieSource::Refused { .. }) => {}",
        tests: FailingTests::Beside(&["a_sign_out_is_written_whatever_comes_after_it"]),
    },
    ByHand {
        change: "a layer inside writes cookies although a layer outside does",
        file: "crates/authkit-tower/src/entry/attach.rs",
        function: "conclude_session",
        old: "match position {\n                        LayerPosition::Outermost => head::write(",
        new: "match LayerPosition::Outermost {\n                        LayerPosition::Outermost => head::write(",
        tests: FailingTests::Beside(&[
            "a_layer_inside_that_refuses_a_session_does_not_delete_its_cookie",
        ]),
    },
    ByHand {
        change: "a layer does not forget the `Session` of another handle on entry",
        file: "crates/authkit-tower/src/lookup.rs",
        function: "LayerPosition::enter",
        old: "Some(_) => {\n                detach(extensions);",
        new: "Some(_) => {",
        tests: FailingTests::Beside(&[
            "another_handles_session_is_forgotten_at_a_page_and_at_an_endpoint",
        ]),
    },
    ByHand {
        change: "bearer tokens have no length limit",
        file: "crates/authkit-session/src/request/jwt_authenticator.rs",
        function: "read",
        old: "token.len() > MAX_TOKEN",
        new: "token.len() == usize::MAX",
        tests: FailingTests::Beside(&["a_token_is_as_long_as_the_cookies_that_are_read_at_most"]),
    },
    ByHand {
        change: "the context of sealed values has no length before the client id",
        file: "crates/authkit-session/src/seal/sealer.rs",
        function: "context",
        old: "bound.extend_from_slice(&(client_id.len() as u64).to_be_bytes());",
        new: "",
        tests: FailingTests::Beside(&[
            "what_is_sealed_is_bound_to_the_client_id_and_to_the_context_apart",
        ]),
    },
];
