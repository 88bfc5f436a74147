//! What a layer was built with.

use std::{fmt, sync::Arc, time::Duration};

use authkit_session::BearerTokens;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use crate::{
    authkit::AuthKit,
    authorization,
    client_kind::ClientKind,
    denial::{Caller, Cause, Denial, Denied, Scheme, answer},
    exceptions::Exceptions,
    head::{self, Caching, Varies},
    origin::TrustedOrigins,
};

/// The settings of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerSettings {
    authkit: AuthKit,
    presence: Presence,
    /// The paths for which the layer is an optional one; `None` if it was told of none.
    pub(crate) exceptions: Option<Exceptions>,
    pub(crate) max_token_age: Option<Duration>,
    /// Judges bearer tokens; `None` in a layer that ignores them.
    pub(crate) bearer: Option<BearerTokens>,
    pub(crate) trusted_origins: TrustedOrigins,
    pub(crate) preflight: Preflight,
    pub(crate) default_caching: DefaultCaching,
    pub(crate) denial_editor: Option<DenialEditor>,
}

/// Whether a request without a session reaches the inner service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// Who answers CORS preflights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Preflight {
    /// A layer outside this one; this layer refuses the preflights that reach it, like any other request.
    Outside,
    /// The inner service.
    Inside,
}

/// Which caches may store responses to authenticated requests for which the inner service sets no cache headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DefaultCaching {
    /// None.
    NoStore,
    /// The user's browser those that it can revalidate, and it has to ask before it shows one again.
    Revalidation,
    /// Any, shared ones too.
    LeftToTheService,
}

/// Edits denials; see [`AuthKitLayer::edit_denials`](crate::AuthKitLayer::edit_denials).
#[derive(Clone)]
pub(crate) struct DenialEditor(pub(crate) Arc<EditDenial>);

type EditDenial = dyn Fn(&Denial, &mut Response<Bytes>) + Send + Sync;

impl fmt::Debug for DenialEditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DenialEditor(..)")
    }
}

impl LayerSettings {
    pub(crate) fn new(authkit: AuthKit, presence: Presence) -> Self {
        Self {
            authkit,
            presence,
            exceptions: None,
            max_token_age: None,
            bearer: None,
            trusted_origins: TrustedOrigins::default(),
            preflight: Preflight::Outside,
            default_caching: DefaultCaching::NoStore,
            denial_editor: None,
        }
    }

    /// Whether this request has to have a session.
    pub(crate) fn presence<B>(&self, request: &Request<B>) -> Presence {
        let is_excepted =
            |exceptions: &Exceptions| exceptions.contain(request.uri(), request.extensions());
        if self.exceptions.as_ref().is_some_and(is_excepted) {
            Presence::Optional
        } else {
            self.presence
        }
    }

    /// Whether requests for the sign-in endpoints pass: a required layer that was told of no exceptions is in the wrong
    /// place, and says so.
    pub(crate) fn lets_endpoints_through(&self) -> bool {
        self.presence == Presence::Optional || self.exceptions.is_some()
    }

    /// Builds the denial for `caller` and lets the layer's editor change it.
    pub(crate) fn deny(&self, cause: &Cause, mut caller: Caller<'_>) -> Denied {
        let scheme = match (&self.bearer, authorization::token(caller.headers)) {
            (None, _) => Scheme::Cookie,
            (Some(_), None) => Scheme::Bearer,
            (Some(_), Some(_)) => {
                // Java's HTTP clients send `Accept: text/html`. A program that sends a token needs a status, not a page;
                // no `EventSource` sends one.
                if matches!(caller.client, ClientKind::Document | ClientKind::EventStream) {
                    caller.client = ClientKind::Fetch;
                }
                Scheme::AnotherBearer
            }
        };
        let authkit = self.authkit.at(caller.uri, caller.headers);
        let (denial, mut response) = answer(cause, caller, Some(authkit.site()), scheme);
        head::vary(response.headers_mut(), self.varies());
        if let Some(DenialEditor(edit)) = &self.denial_editor {
            edit(&denial, &mut response);
        }
        Box::new(response)
    }

    /// The access token in `headers` and the judge for it; `None` if there is no token or the layer ignores them.
    pub(crate) fn bearer_token<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Option<(&BearerTokens, &'a str)> {
        let bearer = self.bearer.as_ref()?;
        Some((bearer, authorization::token(headers)?))
    }

    /// What caches may do with this response, for which the policy is `usual` unless the layer has another.
    pub(crate) fn caching<B>(&self, usual: Caching, response: &Response<B>) -> Caching {
        match (self.default_caching, usual) {
            (DefaultCaching::Revalidation, Caching::Private) => head::revalidated(response),
            (DefaultCaching::NoStore | DefaultCaching::Revalidation, usual) => usual,
            (DefaultCaching::LeftToTheService, _) => Caching::AsTheServiceSays,
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
