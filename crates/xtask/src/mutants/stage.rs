//! Which tests a mutant meets.

use std::time::Duration;

use super::request::{Module, Thoroughness};

/// Some tests; the next stage is for mutants that survive them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// The tests beside the module's code.
    Module,
    /// All quick tests beside the crate's code.
    Crate,
    /// The tests beside the crate's code that take seconds.
    Slow,
    /// The behaviour of it all.
    Behaviour,
}

impl Stage {
    pub(super) fn of(thoroughness: Thoroughness) -> &'static [Self] {
        match thoroughness {
            Thoroughness::Beside => &[Self::Module],
            Thoroughness::Quick => &[Self::Module, Self::Crate],
            Thoroughness::Units => &[Self::Module, Self::Crate, Self::Slow],
            Thoroughness::All => &[Self::Module, Self::Crate, Self::Slow, Self::Behaviour],
        }
    }

    /// The package whose program has the tests, and what `cargo test` calls that program.
    pub(super) fn program(self, module: &Module) -> (&str, &'static [&'static str]) {
        match self {
            Self::Module | Self::Crate | Self::Slow => (module.package(), &["--lib"]),
            Self::Behaviour => ("authkit-tests", &["--test", "it"]),
        }
    }

    /// How long the tests may have a processor, with any mutant.
    pub(super) fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Module => 10,
            Self::Crate => 60,
            Self::Slow | Self::Behaviour => 300,
        })
    }

    /// What the program of tests is told: which ones to run.
    pub(super) fn tests(self, module: &Module) -> Vec<String> {
        let quick = SLOW.iter().flat_map(|slow| ["--skip", *slow]).map(str::to_owned);
        match self {
            Self::Module => [module.tests()].into_iter().chain(quick).collect(),
            Self::Crate => quick.collect(),
            Self::Slow => SLOW.iter().map(|slow| (*slow).to_owned()).collect(),
            Self::Behaviour => Vec::new(),
        }
    }
}

/// Tests beside the code that take more than two seconds each.
const SLOW: &[&str] = &[
    "a_known_session_has_the_token_and_the_user",
    "cc_01_on_several_threads_too",
    "cc_03_threads_of_two_users",
    "cc_04_a_client_may_leave_at_every_await_point",
    "d3_a_session_that_the_hook_refuses",
    "dl_01_garbage_calls_nobody",
    "dl_02_a_session_whose_new_cookies_never_leave",
    "dl_03_five_thousand_sessions",
    "e10_no_message_shows_a_secret",
    "every_flipped_bit_is_refused",
    "every_order_of_eight_events",
    "f11_an_event_",
    "it_stays_within_its_bytes",
    "jk_01_a_thousand_cold_requests",
    "jk_02_ten_thousand_unknown_keys",
    "jk_06_what_is_no_key_set",
    "nobody_is_signed_out_by_a_fault",
    "rd_01_whatever_is_let_through_is_ours",
    "rd_02_nothing_makes_it_panic",
    "se_02_keys_of_passwords_agree",
    "simulation::",
    "the_attacks_of_the_property_are_let_through",
    "what_is_an_object_and_what_is_in_it",
    "whatever_is_let_through_stays",
];
