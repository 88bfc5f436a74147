//! AuthKit sessions and access tokens on gRPC: one service for everybody who is signed in, and one that needs a permission.

#![forbid(unsafe_code)]

pub mod proto;

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use authkit_tower::{AuthKit, AuthKitLayer, ConfigError, Principal, Require};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::sleep;
use tonic::{
    Request, Response, Status,
    service::{LayerExt, Routes},
};
use tower::ServiceBuilder;

use crate::proto::{
    CountdownRequest, Entry, Identity, LatestRequest, Tick, WhoAmIRequest,
    account_server::{self, AccountServer},
    audit_server::{self, AuditServer},
};

/// Makes the application. Programs send an access token, `authorization: Bearer ...`; browsers send the session cookie, by
/// gRPC-Web.
///
/// # Errors
///
/// If the configuration names no issuer of access tokens.
pub fn app(authkit: &AuthKit) -> Result<Routes, ConfigError> {
    let signed_in = AuthKitLayer::new(authkit).with_bearer()?;
    let auditors =
        ServiceBuilder::new().layer(signed_in.clone()).layer(Require::permission("audit:read"));
    Ok(Routes::new(signed_in.named_layer(AccountServer::new(Account)))
        .add_service(auditors.named_layer(AuditServer::new(Audit))))
}

struct Account;

#[tonic::async_trait]
impl account_server::Account for Account {
    async fn who_am_i(
        &self,
        request: Request<WhoAmIRequest>,
    ) -> Result<Response<Identity>, Status> {
        let principal = principal(&request)?;
        let email = match &principal {
            Principal::Session(session) => session.user().email.clone(),
            Principal::Bearer(_)
            | Principal::ApiKey(_)
            | Principal::Machine(_)
            | Principal::Client(_) => None,
        };
        Ok(Response::new(Identity {
            user_id: principal.subject().to_owned(),
            email,
            organization_id: principal.organization_id().map(str::to_owned),
        }))
    }

    type CountdownStream = Pin<Box<dyn Stream<Item = Result<Tick, Status>> + Send>>;

    /// Counts down to the expiry of the caller's token, and ends then.
    async fn countdown(
        &self,
        request: Request<CountdownRequest>,
    ) -> Result<Response<Self::CountdownStream>, Status> {
        let principal = principal(&request)?;
        let deadline = principal.deadline().unwrap_or_else(Instant::now);
        let ticks = stream::unfold(Duration::ZERO, move |pause| async move {
            sleep(pause).await;
            let left = deadline.saturating_duration_since(Instant::now());
            Some((Ok(Tick { seconds_left: left.as_secs() }), Duration::from_secs(1)))
        });
        let end = stream::iter([Err(Status::unauthenticated("the token has expired"))]);
        Ok(Response::new(Box::pin(ticks.take_until(principal.expired()).chain(end))))
    }
}

struct Audit;

#[tonic::async_trait]
impl audit_server::Audit for Audit {
    async fn latest(&self, request: Request<LatestRequest>) -> Result<Response<Entry>, Status> {
        let text = format!("{} read the log", principal(&request)?.subject());
        Ok(Response::new(Entry { text }))
    }
}

/// The caller. Without the layer there is none, and the call fails.
fn principal<T>(request: &Request<T>) -> Result<Principal, Status> {
    Principal::of(request.extensions())
        .ok_or_else(|| Status::internal("no AuthKitLayer around this service"))
}
