//! WorkOS AuthKit in memory, for development and tests.
//!
//! [`Emulator`] is a server on loopback with the part of WorkOS's API that sessions need: sign-in page, code exchange,
//! refresh with rotation, key set, sign-out, revocation, webhooks; and with the credentials of programs: API keys,
//! machines, OAuth applications such as MCP clients. Its answers have production's shapes, and a real key signs its
//! tokens. A test can make it fail as networks and WorkOS do. It depends on no client library, so it serves services in
//! any language.
//!
//! # In a test
//!
//! ```
//! use std::time::Duration;
//!
//! use authkit_emulator::{Emulator, Fault};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let emulator = Emulator::start().await;
//! for (name, value) in emulator.env() {
//!     // Configure the service under test: WORKOS_BASE_URL, WORKOS_CLIENT_ID, ...
//! #   let _ = (name, value);
//! }
//!
//! // The cookie of a user whose access token has expired ...
//! let session = emulator.session("alice@acme.test").expired();
//! let cookie = session.cookie("a-cookie-password-of-32-characters");
//!
//! // ... while WorkOS has faults: the first refresh is answered 503, the answer to the second one is lost.
//! emulator.fault(Fault::status(503));
//! emulator.fault(Fault::reset_after());
//!
//! // The test moves the clock and does not sleep; a service that reads `emulator.clock()` moves with it.
//! emulator.advance(Duration::from_secs(31));
//! # }
//! ```
//!
//! # As a program
//!
//! `authkit-emulator --port 4100 --seed seed.yaml` prints the variables to set and the seeded users; `--help` lists the
//! options. Scripts control the program over HTTP, with JSON, as Rust tests control [`Emulator`] (the crate's README
//! documents every member of the bodies; [`Connect`] can be controlled from Rust only):
//!
//! | request | body | does |
//! |---|---|---|
//! | `GET /health` | | 200 once it is up |
//! | `GET /_emulator/state` | | counts, settings, keys, pending faults, webhooks |
//! | `DELETE /_emulator/counts` | | [`Emulator::reset_calls`] |
//! | `GET /_emulator/clock` | | [`Emulator::clock`]: `now`, `unix_ms`, `monotonic_ms`, `advanced_ms`, `frozen` |
//! | `POST /_emulator/clock` | `advance` in seconds | [`Emulator::advance`], answered as the `GET` |
//! | `POST /_emulator/settings` | `token_ttl`, `replay_grace` in seconds (0 for none), `rate_limit` | [`Emulator::set_token_ttl`], [`Emulator::set_rotation`], [`Emulator::set_rate_limit`] |
//! | `POST /_emulator/sessions` | `user`, and the settings of a [`TestSession`] | [`Emulator::session`]: tokens, answer, cookie, Playwright's `storageState` |
//! | `POST /_emulator/sessions/revoke` | `session_id` | [`Emulator::revoke`] |
//! | `POST /_emulator/users` | as in a seed | [`People::add_user`] |
//! | `PATCH /_emulator/users/{user}` | `fields`, `claims`, ... | [`People::change_user`] |
//! | `POST /_emulator/organizations` | as in a seed | [`People::add_organization`] |
//! | `POST /_emulator/claims` | `claims`, `organization` | [`People::set_organization_claim`], [`People::set_claim_for_all`] |
//! | `POST /_emulator/faults` | `kind`, and its parameters; `endpoint`, `grant`, `user`, `session`, `organization`; `times` (default 1; or `"until_cleared"`) | [`Emulator::fault`] |
//! | `DELETE /_emulator/faults` | | [`Emulator::clear_faults`] |
//! | `GET /_emulator/answers` | | [`Answer::all`] |
//! | `POST /_emulator/connections` | `freeze`, `swallow` | [`Connections::freeze`], [`Connections::swallow`] |
//! | `POST /_emulator/webhooks` | `url`, `secret` | [`Webhooks::add`] |
//! | `POST /_emulator/events` | any | [`Webhooks::send`] |
//! | `POST /_emulator/keys` | `sign` (false) | [`Keys::publish`], or [`Keys::rotate`] |
//! | `DELETE /_emulator/keys/{kid}` | | [`Keys::retire`] |
//!
//! A fault's `kind` is the name of its constructor in [`Fault`]; durations are `seconds`, sizes
//! `bytes`: `{"kind": "slow", "bytes": 10, "seconds": 0.5, "endpoint": "jwks"}`. Control requests
//! must name this machine in their `Host`, and send JSON, so that no web page can send them.
//!
//! # What to look at
//!
//! | to | there is |
//! |---|---|
//! | start one | [`Emulator`], [`EmulatorBuilder`], [`Seed`], [`SignIn`], [`Rotation`], [`RateLimit`] |
//! | sign somebody in without a browser | [`Emulator::session`], [`TestSession`], [`seal`] |
//! | move time | [`Emulator::advance`], [`EmulatorClock`] |
//! | add and change users and organizations | [`People`], [`UserChange`], [`UserInfo`], [`MembershipInfo`] |
//! | add API keys, machines and OAuth applications | [`Connect`], [`CustomerApiKey`], [`MachineCredentials`] |
//! | make something fail | [`Fault`], [`Answer`], [`Target`], [`Endpoint`], [`Grant`], [`Connections`] |
//! | rotate keys | [`Keys`], [`SigningKey`] |
//! | send webhooks | [`Webhooks`], [`WebhookInfo`] |
//! | run it as a program | [`program()`] |
//! | handle errors | [`SeedError`], [`KeyError`] |
//!
//! # What it does not do
//!
//! It emulates sessions and the credentials above, not the rest of WorkOS: no directory sync, no SSO connections, no
//! second factors, no events API (events go to webhooks only), no management API. The sign-in page asks for no password.
//! A JWK has no `x5c`. Connections are plain HTTP/1.1, on `127.0.0.1` unless the program gets another `--host`. The
//! emulator keeps nothing after it stops. Never put it where others can reach it: it signs anybody in.

#![forbid(unsafe_code)]

mod answers;
mod api_error;
mod builder;
mod call;
mod clock;
mod config;
mod connect;
mod connections;
mod counts;
mod emulator;
mod endpoint;
mod error;
mod fault;
mod fields;
mod grant;
mod ids;
mod interfere;
mod keys;
mod outbox;
mod overrides;
mod pages;
mod people;
mod program;
mod rate_limit;
mod redirects;
mod reply;
mod routes;
mod seal;
mod seed;
mod server;
mod signing_keys;
mod state;
mod storage_state;
mod target;
mod template;
mod test_session;
mod twist;
mod user_change;
mod webhooks;

pub use self::{
    answers::Answer,
    builder::EmulatorBuilder,
    clock::EmulatorClock,
    config::{Rotation, SignIn},
    connect::{Connect, CustomerApiKey, MachineCredentials},
    connections::Connections,
    emulator::Emulator,
    endpoint::Endpoint,
    error::{KeyError, SeedError},
    fault::Fault,
    grant::Grant,
    keys::SigningKey,
    people::{MembershipInfo, People, UserInfo},
    program::program,
    rate_limit::RateLimit,
    seal::seal,
    seed::Seed,
    signing_keys::Keys,
    target::Target,
    test_session::TestSession,
    user_change::UserChange,
    webhooks::{WebhookInfo, Webhooks},
};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
