//! Compiles the examples of pages that belong to no crate.

/// The first page that anybody reads.
#[doc = include_str!("../../README.md")]
struct Readme;

#[doc = include_str!("../../crates/authkit-redis/README.md")]
struct RedisReadme;

#[doc = include_str!("../../docs/guides/axum.md")]
struct AnAxumService;

#[doc = include_str!("../../docs/guides/hyper.md")]
struct Hyper;

#[doc = include_str!("../../docs/guides/tonic.md")]
struct Tonic;

#[doc = include_str!("../../docs/guides/nextjs.md")]
struct NextJs;

#[doc = include_str!("../../docs/guides/one-domain.md")]
struct OneDomain;

#[doc = include_str!("../../docs/guides/from-the-sdk.md")]
struct FromTheSdk;

#[doc = include_str!("../../docs/guides/kubernetes.md")]
struct Kubernetes;

#[doc = include_str!("../../docs/guides/proxies.md")]
struct Proxies;

#[doc = include_str!("../../docs/guides/sign-in.md")]
struct WaysToSignIn;

#[doc = include_str!("../../docs/guides/organizations.md")]
struct OrganizationsAndRoles;

#[doc = include_str!("../../docs/guides/api-keys.md")]
struct ApiKeysOfCustomers;

#[doc = include_str!("../../docs/guides/machine-to-machine.md")]
struct MachineToMachine;

#[doc = include_str!("../../docs/guides/mcp-server.md")]
struct McpServer;

#[doc = include_str!("../../docs/guides/testing.md")]
struct Testing;

#[doc = include_str!("../../docs/guides/troubleshooting.md")]
struct Troubleshooting;

#[doc = include_str!("../../docs/guides/origins-and-prefixes.md")]
struct OriginsAndPrefixes;

#[doc = include_str!("../../docs/guides/single-page-applications.md")]
struct SinglePageApplications;
