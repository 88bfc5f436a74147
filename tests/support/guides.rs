//! Compiles what the pages show that belong to no crate of their own.

/// The first page that anybody reads.
#[doc = include_str!("../../README.md")]
struct Readme;

#[doc = include_str!("../../crates/authkit-redis/README.md")]
struct RedisReadme;

#[doc = include_str!("../../docs/guides/testing.md")]
struct Testing;
