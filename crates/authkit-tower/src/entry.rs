//! What one layer does with one request, tower apart: decide, attach or deny.

mod settle;

use std::sync::Arc;

use authkit_session::{Decision, Policy, VerifiedToken};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};

use crate::{
    authorization,
    bearer::{Outcome, Waiting},
    client::{is_native_grpc, is_preflight},
    cookie,
    denial::{Caller, Cause, Mistake},
    found::{Absence, Found},
    gate::{Gate, Preflight, Presence},
    origin::{self, CrossOrigin},
    slot::{Cookies, Slot},
    uri,
};

/// What to do with a request.
pub(crate) enum Entry {
    Settled(Settled),
    Wait(Waiting),
}

/// What is to be done at once: call the inner service, or answer in its place.
pub(crate) type Settled = Result<Outgoing, Box<Response<Bytes>>>;

/// What goes onto the head of the response; nothing if a layer outside sees to that.
#[derive(Default)]
pub(crate) struct Outgoing(Option<Arc<Slot>>);

impl Outgoing {
    pub(crate) fn write_head(&self, headers: &mut HeaderMap) {
        if let Some(slot) = &self.0 {
            slot.write_head(headers);
        }
    }
}

impl Gate {
    /// Looks at a request before it may reach the inner service.
    pub(crate) fn enter<B>(self: &Arc<Self>, request: &mut Request<B>) -> Entry {
        let settled = if Found::by(request.extensions())
            .slot()
            .is_some_and(|slot| slot.is_of(self.authkit()))
        {
            self.enter_inside(request)
        } else {
            self.enter_first(request)
        };
        settled.map_or_else(|| self.authenticate(request), Entry::Settled)
    }

    /// What can be told without looking at the cookie's contents.
    fn enter_first<B>(self: &Arc<Self>, request: &mut Request<B>) -> Option<Settled> {
        Found::forget(request.extensions_mut());

        let path = uri::original(request.uri(), request.extensions()).path();
        if self.authkit().site().endpoint(path).is_some() {
            let cause = Cause::Misconfigured(Mistake::LayerOverEndpoints);
            return Some(match self.presence {
                Presence::Required => Err(self.deny(&cause, Caller::of(request))),
                Presence::Optional => Ok(Outgoing(None)),
            });
        }
        if self.preflight == Preflight::Inside && is_preflight(request.method(), request.headers())
        {
            let slot = Slot::new(Arc::clone(self), Cookies::None, request.headers());
            let absence = Absence::new(Cause::NOBODY, Arc::clone(&slot));
            Found::replace(request.extensions_mut(), absence);
            return Some(Ok(Outgoing(Some(slot))));
        }
        if self.token(request.headers()).is_some() {
            // No browser adds a token by itself, so nobody can have made it send one.
            return None;
        }
        let from = self.check_origin(request.method(), request.headers()).err()?;
        Some(Err(self.deny(&Cause::CrossOrigin(from), Caller::of(request))))
    }

    /// The same for a request that a layer of the same handle let through: its session counts, our requirement too.
    fn enter_inside<B>(&self, request: &Request<B>) -> Option<Settled> {
        let pass = Some(Ok(Outgoing(None)));
        let found = Found::by(request.extensions());
        match (found, self.token(request.headers()), self.presence) {
            (Found::Bearer(bearer), Some(_), _) if self.is_fresh(bearer) => pass,
            // Whatever the layer outside made of it: here the token counts alone.
            (_, Some(_), _) => None,
            (Found::Session(session), None, _) => self.is_fresh(session).then_some(pass).flatten(),
            (Found::Bearer(_), None, Presence::Required) => {
                Some(Err(self.deny(&Cause::NOBODY, Caller::of(request))))
            }
            (Found::Nobody(absence), None, Presence::Required) => {
                Some(Err(self.deny(absence.cause(), Caller::of(request))))
            }
            (Found::Bearer(_) | Found::Nobody(_), None, Presence::Optional) => pass,
            (Found::Nothing, None, _) => None,
        }
    }

    fn authenticate<B>(self: &Arc<Self>, request: &mut Request<B>) -> Entry {
        let policy = self.policy(request.headers());
        let settled = if let (Some(bearer), Some(token)) =
            (&self.bearer, authorization::token(request.headers()))
        {
            match bearer.authenticate(token, &policy) {
                Decision::Admit(token) => Outcome::Bearer(Ok(token)),
                Decision::Refuse(refusal) => Outcome::Bearer(Err(refusal)),
                Decision::Wait(waiting) => return Entry::Wait(Waiting::Bearer(waiting)),
            }
        } else {
            match self.authkit().authenticator().authenticate(request.headers(), &policy) {
                Decision::Admit(admission) => Outcome::Session(Ok(admission)),
                Decision::Refuse(refusal) => Outcome::Session(Err(refusal)),
                Decision::Wait(waiting) => return Entry::Wait(Waiting::Session(waiting)),
            }
        };
        Entry::Settled(self.settle(settled, request))
    }

    /// The token that decides about a request alone, where this layer takes any.
    fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        self.bearer.as_ref().and_then(|_| authorization::token(headers))
    }

    /// Without a session's cookie there is nothing that another site could use. It is looked for last: cookies are
    /// long, and nearly every request passes without.
    fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), CrossOrigin> {
        let site = self.authkit().site();
        origin::check(method, headers, &site.origin, &self.trusted_origins).or_else(|from| {
            let mut names = cookie::pairs(headers).map(|(name, _)| name);
            if names.any(|name| cookie::is_session(name, &site.cookie_name)) {
                Err(from)
            } else {
                Ok(())
            }
        })
    }

    fn is_fresh(&self, token: &VerifiedToken) -> bool {
        let age =
            self.authkit().clock().wall().duration_since(token.issued_at()).unwrap_or_default();
        self.max_token_age.is_none_or(|max| age < max)
    }

    fn policy(&self, headers: &HeaderMap) -> Policy {
        let mut policy = Policy::default();
        if let Some(max) = self.max_token_age {
            policy = policy.with_max_token_age(max);
        }
        // There is no cookie jar that would keep a refreshed session.
        if is_native_grpc(headers) { policy.without_refresh() } else { policy }
    }
}

#[cfg(test)]
mod tests;
