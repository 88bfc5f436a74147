//! The names of the metrics, as they are in the table of `docs/metrics.md`.
//!
//! The metrics go to the recorder of the crate [`metrics`](https://docs.rs/metrics) that is installed when an
//! [`Authenticator`](crate::Authenticator) decides about its first request. Handles are registered once, so each
//! counter costs a request one atomic addition. No label value comes from a request, and none is an id.
//!
//! The exporter chooses the buckets of histograms: with `metrics-exporter-prometheus`, pass [`REFRESH_DURATION`] and
//! the bucket bounds in seconds to `set_buckets_for_metric`.
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
/// Counter: lookups of session cookies in the cache, by `result`.
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
/// Gauge: 1 while calls to WorkOS are suspended after consecutive failures, else 0.
pub const CIRCUIT_OPEN: &str = "authkit_circuit_open";
/// Gauge: when the signing keys in use were requested, in Unix seconds. Their age is `time()` minus this value.
pub const KEY_SET_FETCHED: &str = "authkit_key_set_fetched_timestamp_seconds";
/// Counter: revocations that took effect here, by `subject` and `source`.
pub const REVOCATIONS: &str = "authkit_revocations_total";
/// Counter: sessions that began or ended here, by `event`.
pub const SESSIONS: &str = "authkit_sessions_total";
/// Counter: denials that the layer or a guard sent, by `kind` and `client`. Of `authkit-tower`.
pub const DENIALS: &str = "authkit_denials_total";
/// Counter: how sign-ins ended, by `outcome`. Of `authkit-tower`.
pub const SIGN_INS: &str = "authkit_sign_ins_total";
