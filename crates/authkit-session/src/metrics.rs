//! The names of the metrics, as they are in the table of `docs/metrics.md`.
//!
//! The metrics go to the recorder of the crate [`metrics`](https://docs.rs/metrics) that is installed when an
//! [`Authenticator`](crate::Authenticator) decides about its first request. What is counted is registered once, so that a
//! request costs an atomic addition for each counter. No label has a value that a request chooses: there are no ids.
//!
//! The buckets of a histogram are the exporter's: with `metrics-exporter-prometheus`, `set_buckets_for_metric` takes
//! [`REFRESH_DURATION`]'s name and the seconds that you want told apart.
//!
//! # Examples
//!
//! ```
//! use authkit_session::metrics;
//!
//! // What an alert watches: refreshes that end in anything but a new session.
//! assert_eq!(metrics::REFRESHES, "authkit_refreshes_total");
//! ```

/// Counter: decisions about requests, by `credential`, `decision` and `reason`.
pub const DECISIONS: &str = "authkit_decisions_total";
/// Counter: what looking a session cookie up in the cache came to, by `result`.
pub const SESSION_CACHE: &str = "authkit_session_cache_total";
/// Counter: exchanges of refresh tokens, by `outcome`.
pub const REFRESHES: &str = "authkit_refreshes_total";
/// Histogram: how long exchanges of refresh tokens took, in seconds.
pub const REFRESH_DURATION: &str = "authkit_refresh_duration_seconds";
/// Counter: calls to WorkOS, by `class` and `outcome`.
pub const UPSTREAM_CALLS: &str = "authkit_upstream_calls_total";
/// Histogram: how long calls to WorkOS took, in seconds, by `class`.
pub const UPSTREAM_CALL_DURATION: &str = "authkit_upstream_call_duration_seconds";
/// Gauge: calls to WorkOS that are under way, by `class`.
pub const UPSTREAM_CALLS_IN_FLIGHT: &str = "authkit_upstream_calls_in_flight";
/// Counter: calls that were not made, by `class` and `cause`.
pub const UPSTREAM_THROTTLED: &str = "authkit_upstream_throttled_total";
/// Gauge: 1 while WorkOS is left alone after failures in a row, else 0.
pub const CIRCUIT_OPEN: &str = "authkit_circuit_open";
/// Gauge: when the signing keys in use were asked for, in Unix seconds. Their age is `time()` less this.
pub const KEY_SET_FETCHED: &str = "authkit_key_set_fetched_timestamp_seconds";
/// Counter: revocations that took effect here, by `subject` and `source`.
pub const REVOCATIONS: &str = "authkit_revocations_total";
/// Counter: sessions that began or ended here, by `event`.
pub const SESSIONS: &str = "authkit_sessions_total";
/// Counter: denials that the layer or a guard sent, by `kind` and `client`. Of `authkit-tower`.
pub const DENIALS: &str = "authkit_denials_total";
/// Counter: how sign-ins ended, by `outcome`. Of `authkit-tower`.
pub const SIGN_INS: &str = "authkit_sign_ins_total";
