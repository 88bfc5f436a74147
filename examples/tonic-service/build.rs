//! Describes the services to tonic in Rust, so that building needs no `protoc`. The same in the protobuf language:
//!
//! ```proto
//! package account.v1;
//! service Account {
//!   rpc WhoAmI(WhoAmIRequest) returns (Identity);
//!   rpc Countdown(CountdownRequest) returns (stream Tick);
//! }
//! service Audit {
//!   rpc Latest(LatestRequest) returns (Entry);
//! }
//! ```

#![forbid(unsafe_code)]

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    let account = Service::builder()
        .name("Account")
        .package("account.v1")
        .method(method("who_am_i", "WhoAmI", "WhoAmIRequest", "Identity").build())
        .method(
            method("countdown", "Countdown", "CountdownRequest", "Tick").server_streaming().build(),
        )
        .build();
    let audit = Service::builder()
        .name("Audit")
        .package("account.v1")
        .method(method("latest", "Latest", "LatestRequest", "Entry").build())
        .build();
    Builder::new().build_transport(false).compile(&[account, audit]);
}

fn method(name: &str, route: &str, input: &str, output: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("crate::proto::{input}"))
        .output_type(format!("crate::proto::{output}"))
        .codec_path("tonic_prost::ProstCodec")
}
