//! The settings of one layer, and what they make of answers and heads.

use std::{fmt, sync::Arc, time::Duration};

use authkit_session::BearerTokens;
use bytes::Bytes;
use http::Response;

use crate::{
    authkit::AuthKit,
    authorization,
    client::ClientKind,
    denial::{Caller, Cause, Denial, Scheme, answer},
    head::{self, Caching, Varies},
};

/// The settings of one layer.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    authkit: AuthKit,
    pub(crate) presence: Presence,
    pub(crate) max_token_age: Option<Duration>,
    /// Where this layer takes bearer tokens.
    pub(crate) bearer: Option<BearerTokens>,
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

impl Gate {
    pub(crate) fn new(authkit: AuthKit, presence: Presence) -> Self {
        Self {
            authkit,
            presence,
            max_token_age: None,
            bearer: None,
            trusted_origins: Vec::new(),
            preflight: Preflight::Outside,
            shared_caching: SharedCaching::OnlyOnRequest,
            edit: None,
        }
    }

    /// Answers a request in its client's own protocol, as edited by the layer's owner.
    pub(crate) fn deny(&self, cause: &Cause, mut caller: Caller<'_>) -> Box<Response<Bytes>> {
        let scheme = match (&self.bearer, authorization::token(caller.headers)) {
            (None, _) => Scheme::Cookie,
            (Some(_), None) => Scheme::Bearer,
            (Some(_), Some(_)) => {
                // A program that says it accepts pages, as Java's clients do, still wants to be told by a status.
                if caller.client == ClientKind::Document {
                    caller.client = ClientKind::Fetch;
                }
                Scheme::AnotherBearer
            }
        };
        let (denial, mut response) = answer(cause, caller, Some(self.authkit.site()), scheme);
        head::vary(response.headers_mut(), self.varies());
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

    pub(crate) fn varies(&self) -> Varies {
        match self.bearer {
            None => Varies::ByCookie,
            Some(_) => Varies::ByCookieAndAuthorization,
        }
    }

    pub(crate) fn authkit(&self) -> &AuthKit {
        &self.authkit
    }
}
