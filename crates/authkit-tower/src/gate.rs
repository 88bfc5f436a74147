//! What one layer does with one request, tower apart: decide, attach, deny, write the head of the response.

use std::{fmt, sync::Arc, time::Duration};

use authkit_session::{Admission, Decision, Policy, Refusal, Waiting};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};

use crate::{
    authkit::AuthKit,
    cookie,
    denial::{Caller, Cause, Denial, Mistake, answer, is_native_grpc, is_preflight},
    head::{self, Caching},
    origin::{self, CrossOrigin},
    session::{Absence, Cookies, Found, Session, Slot},
    uri,
};

/// The settings of one layer, and all that it does.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    authkit: AuthKit,
    presence: Presence,
    pub(crate) max_token_age: Option<Duration>,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) preflight: Preflight,
    pub(crate) shared_caching: SharedCaching,
    pub(crate) edit: Option<DenialEditor>,
}

/// What a request without a session gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// Where CORS preflights are answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Preflight {
    /// Outside this layer; those that arrive are refused like any request.
    Outside,
    /// By the inner service.
    Inside,
}

/// Whether shared caches may keep authenticated responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SharedCaching {
    /// Where the service's own headers say so.
    OnlyOnRequest,
    /// Where nothing says otherwise.
    LeftToTheService,
}

/// Edits answers; see [`AuthKitLayer::with_denial`](crate::AuthKitLayer::with_denial).
#[derive(Clone)]
pub(crate) struct DenialEditor(pub(crate) Arc<EditDenial>);

type EditDenial = dyn Fn(&Denial, &mut Response<Bytes>) + Send + Sync;

impl fmt::Debug for DenialEditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DenialEditor(..)")
    }
}

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
    pub(crate) fn new(authkit: AuthKit, presence: Presence) -> Self {
        Self {
            authkit,
            presence,
            max_token_age: None,
            trusted_origins: Vec::new(),
            preflight: Preflight::Outside,
            shared_caching: SharedCaching::OnlyOnRequest,
            edit: None,
        }
    }

    /// Looks at a request before it may reach the inner service.
    pub(crate) fn enter<B>(self: &Arc<Self>, request: &mut Request<B>) -> Entry {
        let settled =
            if Found::by(request.extensions()).slot().is_some_and(|slot| slot.is_of(&self.authkit))
            {
                self.enter_inside(request)
            } else {
                self.enter_first(request)
            };
        settled.map_or_else(|| self.authenticate(request), Entry::Settled)
    }

    /// What can be told without looking at the cookie's contents.
    fn enter_first<B>(self: &Arc<Self>, request: &mut Request<B>) -> Option<Settled> {
        request.extensions_mut().remove::<Session>();
        request.extensions_mut().remove::<Absence>();

        let path = uri::original(request.uri(), request.extensions()).path();
        if self.authkit.site().endpoint(path).is_some() {
            let cause = Cause::Misconfigured(Mistake::LayerOverEndpoints);
            return Some(match self.presence {
                Presence::Required => Err(self.deny(&cause, Caller::of(request))),
                Presence::Optional => Ok(Outgoing(None)),
            });
        }
        if self.preflight == Preflight::Inside && is_preflight(request.method(), request.headers())
        {
            let slot = Slot::new(Arc::clone(self), Cookies::None);
            request.extensions_mut().insert(Absence::new(Cause::NOBODY, Arc::clone(&slot)));
            return Some(Ok(Outgoing(Some(slot))));
        }
        let from = self.check_origin(request.method(), request.headers()).err()?;
        Some(Err(self.deny(&Cause::CrossOrigin(from), Caller::of(request))))
    }

    /// The same for a request that a layer of the same handle let through: its session counts, our requirement too.
    fn enter_inside<B>(&self, request: &Request<B>) -> Option<Settled> {
        match (Found::by(request.extensions()), self.presence) {
            (Found::Session(session), _) => self.is_fresh(session).then_some(Ok(Outgoing(None))),
            (Found::Nobody(absence), Presence::Required) => {
                Some(Err(self.deny(absence.cause(), Caller::of(request))))
            }
            (Found::Nobody(_), Presence::Optional) => Some(Ok(Outgoing(None))),
            (Found::Nothing, _) => None,
        }
    }

    fn authenticate<B>(self: &Arc<Self>, request: &mut Request<B>) -> Entry {
        let policy = self.policy(request.headers());
        match self.authkit.authenticator().authenticate(request.headers(), &policy) {
            Decision::Admit(admission) => Entry::Settled(self.settle(Ok(admission), request)),
            Decision::Wait(waiting) => Entry::Wait(waiting),
            Decision::Refuse(refusal) => Entry::Settled(self.settle(Err(refusal), request)),
        }
    }

    /// Carries out what was decided, at once or after waiting. Cookies are left to a layer outside, if there is one.
    pub(crate) fn settle<B>(
        self: &Arc<Self>,
        outcome: Result<Admission, Refusal>,
        request: &mut Request<B>,
    ) -> Settled {
        let outer = Found::by(request.extensions()).slot().cloned();
        match outcome {
            Ok(admission) => {
                let session = Arc::clone(admission.session());
                let (slot, outgoing) = self.slot(outer, Cookies::Of(admission));
                request.extensions_mut().insert(Session::new(session, slot));
                Ok(outgoing)
            }
            Err(refusal) => {
                let caller = Caller::of(request);
                let (cause, asker) = (Cause::of(&refusal, caller.client), caller.asker());
                match self.presence {
                    Presence::Required => {
                        let mut response = self.deny(&cause, caller);
                        if outer.is_none() {
                            let cookies = refusal.head_cookies(asker);
                            let name = &self.authkit.site().cookie_name;
                            head::write(response.headers_mut(), cookies, name, Caching::Private);
                        }
                        Err(response)
                    }
                    Presence::Optional => {
                        let (slot, outgoing) =
                            self.slot(outer, Cookies::Without { refusal, asker });
                        request.extensions_mut().remove::<Session>();
                        request.extensions_mut().insert(Absence::new(cause, slot));
                        Ok(outgoing)
                    }
                }
            }
        }
    }

    /// The slot of the layer outside, told of a newer session; or one of our own, whose cookies we write.
    fn slot(self: &Arc<Self>, outer: Option<Arc<Slot>>, cookies: Cookies) -> (Arc<Slot>, Outgoing) {
        match outer {
            Some(outer) => {
                outer.renew(cookies);
                (outer, Outgoing(None))
            }
            None => {
                let slot = Slot::new(Arc::clone(self), cookies);
                (Arc::clone(&slot), Outgoing(Some(slot)))
            }
        }
    }

    /// Answers a request in its client's own protocol, as edited by the layer's owner.
    pub(crate) fn deny(&self, cause: &Cause, caller: Caller<'_>) -> Box<Response<Bytes>> {
        let (denial, mut response) = answer(cause, caller, Some(self.authkit.site()));
        if let Some(DenialEditor(edit)) = &self.edit {
            edit(&denial, &mut response);
        }
        Box::new(response)
    }

    pub(crate) fn caching(&self, usual: Caching) -> Caching {
        match self.shared_caching {
            SharedCaching::OnlyOnRequest => usual,
            SharedCaching::LeftToTheService => Caching::AsTheServiceSays,
        }
    }

    pub(crate) fn authkit(&self) -> &AuthKit {
        &self.authkit
    }

    /// Without a session's cookie there is nothing that another site could use.
    fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), CrossOrigin> {
        let site = self.authkit.site();
        if cookie::pairs(headers).any(|(name, _)| cookie::is_session(name, &site.cookie_name)) {
            return origin::check(method, headers, &site.origin, &self.trusted_origins);
        }
        Ok(())
    }

    fn is_fresh(&self, session: &Session) -> bool {
        let age =
            self.authkit.clock().wall().duration_since(session.issued_at()).unwrap_or_default();
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
