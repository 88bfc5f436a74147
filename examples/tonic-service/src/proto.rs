//! The messages, and the code that tonic generates for the services in `build.rs`.

#![allow(missing_docs, reason = "generated code has none")]

tonic::include_proto!("account.v1.Account");
tonic::include_proto!("account.v1.Audit");

#[derive(Clone, PartialEq, prost::Message)]
pub struct WhoAmIRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Identity {
    #[prost(string, tag = "1")]
    pub user_id: String,
    /// Set for sessions only, since an access token does not name the address.
    #[prost(string, optional, tag = "2")]
    pub email: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub organization_id: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CountdownRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Tick {
    /// How many seconds the caller's token is still valid.
    #[prost(uint64, tag = "1")]
    pub seconds_left: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct LatestRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    #[prost(string, tag = "1")]
    pub text: String,
}
