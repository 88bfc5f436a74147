//! The meter with the feature `metrics`: handles that are registered once.

use std::{fmt, sync::OnceLock};

use ::metrics::{Counter, Unit, counter, describe_counter};
use authkit_session::metrics::{DENIALS, SIGN_INS};

use crate::{
    client_kind::ClientKind,
    denial::DenialKind,
    endpoints::{SignInFailure, SignInOutcome},
};

/// Counts denials and sign-ins. The handles are registered at the first event.
pub(crate) struct LayerMeter {
    denials: OnceLock<Denials>,
    sign_ins: OnceLock<SignIns>,
}

type Denials = Vec<((DenialKind, ClientKind), Counter)>;
type SignIns = Vec<(&'static str, Counter)>;

impl LayerMeter {
    pub(crate) fn new() -> Self {
        Self { denials: OnceLock::new(), sign_ins: OnceLock::new() }
    }

    pub(crate) fn denied(&self, kind: DenialKind, client: ClientKind) {
        let denials = self.denials.get_or_init(register_denials);
        if let Some((_, counter)) = denials.iter().find(|(key, _)| *key == (kind, client)) {
            counter.increment(1);
        }
    }

    pub(crate) fn sign_in_ended(&self, outcome: &SignInOutcome) {
        let word = outcome.as_str();
        let sign_ins = self.sign_ins.get_or_init(register_sign_ins);
        if let Some((_, counter)) = sign_ins.iter().find(|(key, _)| *key == word) {
            counter.increment(1);
        }
    }
}

impl fmt::Debug for LayerMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LayerMeter")
    }
}

fn register_denials() -> Denials {
    describe_counter!(DENIALS, Unit::Count, "Denials that a layer or a guard sent");
    KINDS
        .into_iter()
        .flat_map(|kind| CLIENTS.map(|client| (kind, client)))
        .map(|(kind, client)| {
            let (kind_word, client_word) = (kind_word(kind), client_word(client));
            ((kind, client), counter!(DENIALS, "kind" => kind_word, "client" => client_word))
        })
        .collect()
}

fn register_sign_ins() -> SignIns {
    describe_counter!(SIGN_INS, Unit::Count, "Sign-ins, by how they ended");
    let words = OTHER_OUTCOMES.into_iter().chain(FAILURES.map(SignInFailure::as_str));
    words.map(|word| (word, counter!(SIGN_INS, "outcome" => word))).collect()
}

fn kind_word(kind: DenialKind) -> &'static str {
    match kind {
        DenialKind::Unauthenticated => "unauthenticated",
        DenialKind::Forbidden => "forbidden",
        DenialKind::Unavailable => "unavailable",
        DenialKind::CrossOrigin => "cross_origin",
        DenialKind::Misconfigured => "misconfigured",
        DenialKind::BadRequest => "bad_request",
    }
}

fn client_word(client: ClientKind) -> &'static str {
    match client {
        ClientKind::Grpc => "grpc",
        ClientKind::Preflight => "preflight",
        ClientKind::WebSocket => "websocket",
        ClientKind::EventStream => "event_stream",
        ClientKind::Prefetch => "prefetch",
        ClientKind::Htmx => "htmx",
        ClientKind::Document => "document",
        ClientKind::Fetch => "fetch",
    }
}

const KINDS: [DenialKind; 6] = [
    DenialKind::Unauthenticated,
    DenialKind::Forbidden,
    DenialKind::Unavailable,
    DenialKind::CrossOrigin,
    DenialKind::Misconfigured,
    DenialKind::BadRequest,
];
const CLIENTS: [ClientKind; 8] = [
    ClientKind::Grpc,
    ClientKind::Preflight,
    ClientKind::WebSocket,
    ClientKind::EventStream,
    ClientKind::Prefetch,
    ClientKind::Htmx,
    ClientKind::Document,
    ClientKind::Fetch,
];
const OTHER_OUTCOMES: [&str; 4] = ["signed_in", "already_signed_in", "restarted", "asked"];
const FAILURES: [SignInFailure; 14] = [
    SignInFailure::Unreadable,
    SignInFailure::ForeignState,
    SignInFailure::TooLate,
    SignInFailure::NoCookies,
    SignInFailure::WrongScheme,
    SignInFailure::TooLarge,
    SignInFailure::Clock,
    SignInFailure::UnreadableSession,
    SignInFailure::Looping,
    SignInFailure::Cancelled,
    SignInFailure::Failed,
    SignInFailure::CodeRefused,
    SignInFailure::Refused,
    SignInFailure::Unavailable,
];
