//! Refreshing together with other processes.

use std::{fmt, future};

use bytes::Bytes;

use crate::boxed_future::BoxFuture;

/// Lets the replicas of a service exchange a refresh token once, rather than once each.
///
/// It saves calls, and a replica that comes too late gets the new session from it. It is not a lock: WorkOS gives
/// repetitions of the same exchange the same answer for 30 seconds, so two at once do no harm. Without a coordinator
/// ([`InProcess`], the default), each process refreshes for itself.
///
/// A coordinator cannot read what it stores: `exchange` identifies an exchange without naming its session, in the
/// characters of URL-safe base64, and an outcome is sealed, 384 KiB at most. Whoever can write to the store can delay a
/// refresh, but neither read nor forge a session.
///
/// Its methods cannot fail. If the store is slow or unavailable, an implementation returns [`Claim::Alone`] and drops
/// what it should publish; a call is abandoned after 2 seconds, a [`look`](Self::look) after 500 ms.
///
/// The functions of the module `conformance` (feature `conformance`) check an implementation.
pub trait RefreshCoordinator: fmt::Debug + Send + Sync + 'static {
    /// Claims an exchange that this process is about to make.
    ///
    /// If no other process claimed it within the last 60 seconds, this process has claimed it from now on. If another
    /// process claimed it within the last 10 seconds, the call waits for that outcome, 1.5 seconds at most.
    fn claim<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim>;

    /// Returns the state of an exchange that WorkOS has just refused here, without waiting for it or claiming it.
    fn look<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim>;

    /// Publishes the outcome of an exchange. It is kept for 60 seconds; a later outcome replaces an earlier one.
    fn publish<'a>(&'a self, exchange: &'a str, outcome: Bytes) -> Coordinating<'a, ()>;
}

/// What the methods of a [`RefreshCoordinator`] return.
pub type Coordinating<'a, T> = BoxFuture<'a, T>;

/// The state of an exchange, as a [`RefreshCoordinator`] knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new answer has to break every match on it")]
pub enum Claim {
    /// As far as is known, no other process has claimed it within the last 60 seconds: exchange the token.
    Alone,
    /// Another process has claimed it within the last 60 seconds, and has not published an outcome. Exchange the token
    /// too; if WorkOS refuses it, the other process may have caused that.
    Contested,
    /// The outcome that the other process published.
    Published(Bytes),
}

/// No coordination: each process refreshes for itself (the default).
///
/// Within one process a refresh token is exchanged once in any case.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct InProcess;

impl RefreshCoordinator for InProcess {
    fn claim<'a>(&'a self, _: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(future::ready(Claim::Alone))
    }

    fn look<'a>(&'a self, _: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(future::ready(Claim::Alone))
    }

    fn publish<'a>(&'a self, _: &'a str, _: Bytes) -> Coordinating<'a, ()> {
        Box::pin(future::ready(()))
    }
}
