//! Behaviour through the public API, one behaviour a module.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod api_key_reload;
mod browser_flow;
mod browser_origins;
mod browser_pages;
mod browser_strangers;
mod browser_tabs;
mod caching;
mod challenge;
mod clock_jumps;
mod containers;
mod cookie_reading;
mod cookie_writing;
mod cost_model;
mod credential_answers;
mod cross_origin;
mod debug_texts;
mod doctor_redis;
mod early_answers;
mod exceptions;
mod faults;
mod first_run;
mod floods;
mod guards;
mod heads;
mod large_sessions;
mod log_volume;
mod matrix;
mod metrics;
mod mistakes;
mod odd_values;
mod official_emulator;
mod one_value;
mod organizations;
mod origins;
mod other_framework;
mod password_rollout;
mod peers_cookies;
mod peers_seal;
mod playwright;
mod principal_details;
mod principals;
mod protected_resource;
mod readme;
mod refresh_in_line;
mod replicas;
mod replicas_apart;
mod replicas_conformance;
mod replicas_costs;
mod replicas_failover;
mod replicas_killed;
mod replicas_redis;
mod replicas_redis_hostile;
mod replicas_redis_loss;
mod replicas_redis_refusals;
mod replicas_redis_tls;
mod replicas_redis_upkeep;
mod replicas_revoked;
mod return_paths;
mod secrets;
mod secrets_by_flow;
mod settings_documentation;
mod shared_cache;
mod side_by_side;
mod sign_in;
mod sign_out;
mod stacks;
mod start_session;
mod startup_log;
mod streams;
mod stripped_prefix;
mod system_settings;
mod tampering;
mod trace_layer;
mod webhooks;
mod why_signed_out;

/// The program `axum-app`, built for these tests.
const AXUM_APP: &str = env!("CARGO_BIN_EXE_axum-app-under-test");
/// The program `starter`, built for these tests.
const STARTER: &str = env!("CARGO_BIN_EXE_starter-under-test");
/// The README's first program, built for these tests.
const README: &str = env!("CARGO_BIN_EXE_readme-under-test");
/// The program `authkit`, built for these tests.
const AUTHKIT: &str = env!("CARGO_BIN_EXE_authkit-under-test");
