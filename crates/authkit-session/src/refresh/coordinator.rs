//! Refreshing together with other processes.

use std::{fmt, future};

use bytes::Bytes;

use crate::boxed_future::BoxFuture;

/// Lets the replicas of a service exchange a refresh token once, rather than once each.
///
/// It saves calls, and it is what a replica that comes too late learns the new session from. It is no lock: WorkOS
/// answers the same exchange alike for 30 seconds, so two at once do no harm. Without one
/// ([`InProcess`], the default), each process refreshes for itself.
///
/// What it keeps is opaque to it: `exchange` names an exchange without telling whose it is, in the characters of
/// URL-safe base64, and an outcome is sealed, 384 KiB at most. Somebody who can write to its store can delay a refresh,
/// but neither read nor forge a session.
///
/// It cannot fail. An implementation whose store is slow or gone says [`Claim::Alone`] and drops what it was to
/// publish; a call is given up after 2 seconds, a [`look`](Self::look) after 500 ms.
///
/// The functions of the module `conformance` (feature `conformance`) check an implementation.
pub trait RefreshCoordinator: fmt::Debug + Send + Sync + 'static {
    /// This process is about to make an exchange. May it, or has another one?
    ///
    /// Where nobody else began it within the last 60 seconds, this process has, from now on. Where another process has
    /// within the last 10 seconds, its outcome is waited for, 1.5 seconds at most.
    fn claim<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim>;

    /// What is known of an exchange, without waiting and without beginning it: WorkOS has just refused it here.
    fn look<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim>;

    /// Tells the others what came of an exchange. Kept 60 seconds; a later outcome replaces an earlier one.
    fn publish<'a>(&'a self, exchange: &'a str, outcome: Bytes) -> Coordinating<'a, ()>;
}

/// What the methods of a [`RefreshCoordinator`] return.
pub type Coordinating<'a, T> = BoxFuture<'a, T>;

/// What a [`RefreshCoordinator`] knows of an exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new answer has to break every match on it")]
pub enum Claim {
    /// No other process has begun it within the last 60 seconds, as far as can be known: go on alone.
    Alone,
    /// Another process has begun it within the last 60 seconds, and has published nothing. The exchange may be made
    /// again; if WorkOS refuses it, that may be the other process's doing.
    Contested,
    /// What the other process has published.
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
