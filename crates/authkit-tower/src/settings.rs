//! The settings of a layer.

use std::{fmt, sync::Arc, time::Duration};

use authkit_session::{
    Reason,
    integration::{CredentialKinds, HeaderCredentials, HeaderPrincipal},
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use crate::{
    authkit::AuthKit,
    authorization::Authorization,
    client_kind::ClientKind,
    denial::{Caller, Cause, Challenge, Denial, Denied, Scheme, SignInOffer, answer},
    exceptions::Exceptions,
    head::{self, Caching, Varies},
    origin::TrustedOrigins,
    resource::ResourceSettings,
};

/// The settings of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerSettings {
    authkit: AuthKit,
    presence: Presence,
    /// The paths at which the layer is an optional one; `None` if none were given.
    pub(crate) exceptions: Option<Exceptions>,
    pub(crate) max_token_age: Option<Duration>,
    pub(crate) max_session_age: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) sessions: Sessions,
    /// Judges credentials in `Authorization`; `None` in a layer that ignores that field. Present if sessions are
    /// ignored.
    pub(crate) credentials: Option<HeaderCredentials>,
    /// The layer's protected resource, if it has one.
    pub(crate) resource: Option<Arc<ResourceSettings>>,
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

/// Whether a session cookie lets a request in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sessions {
    Accepted,
    /// No cookie is read.
    Ignored,
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
    /// The user's browser, if it can revalidate the response; it must do so before it shows the response again.
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
            max_session_age: None,
            idle_timeout: None,
            sessions: Sessions::Accepted,
            credentials: None,
            resource: None,
            trusted_origins: TrustedOrigins::default(),
            preflight: Preflight::Outside,
            default_caching: DefaultCaching::NoStore,
            denial_editor: None,
        }
    }

    /// Whether this request needs a session.
    pub(crate) fn presence<B>(&self, request: &Request<B>) -> Presence {
        let is_excepted =
            |exceptions: &Exceptions| exceptions.contain(request.uri(), request.extensions());
        if self.exceptions.as_ref().is_some_and(is_excepted) {
            Presence::Optional
        } else {
            self.presence
        }
    }

    /// Whether requests for the sign-in endpoints pass: a required layer without exceptions is in the wrong place, and
    /// answers so.
    pub(crate) fn lets_endpoints_through(&self) -> bool {
        self.presence == Presence::Optional || self.exceptions.is_some()
    }

    /// How recent the user's sign-in must be, if a limit of this layer refused the session.
    pub(crate) fn sign_in_within(&self, reason: Reason) -> Option<Duration> {
        if reason == Reason::SessionTooOld {
            self.max_session_age
        } else if reason == Reason::SessionIdle {
            self.idle_timeout
        } else {
            None
        }
    }

    /// Builds the denial for `caller` and lets the layer's editor change it.
    pub(crate) fn deny(&self, cause: &Cause, mut caller: Caller<'_>) -> Denied {
        let presents = !matches!(self.authorization(caller.headers), Authorization::Absent);
        let scheme = match (self.reads_authorization(), self.authorization(caller.headers)) {
            (false, _) => Scheme::Cookie,
            (true, Authorization::Absent | Authorization::OtherScheme) => Scheme::Bearer,
            (true, Authorization::Bearer(_) | Authorization::Repeated) => Scheme::AnotherBearer,
        };
        let offer = match self.sessions {
            Sessions::Accepted => SignInOffer::Offered,
            Sessions::Ignored => SignInOffer::Useless,
        };
        // Java's HTTP clients send `Accept: text/html`. A program that sends a credential needs a status, not a page,
        // and no `EventSource` sends one. If the layer accepts no session, a sign-in page cannot help either.
        if (presents || offer == SignInOffer::Useless)
            && matches!(
                caller.client,
                ClientKind::Document
                    | ClientKind::EventStream
                    | ClientKind::Htmx
                    | ClientKind::Prefetch
            )
        {
            caller.client = ClientKind::Fetch;
        }
        let authkit = self.authkit.at(caller.uri, caller.headers);
        let challenge = Challenge { scheme, offer, resource: self.resource.as_deref() };
        let (denial, mut response) = answer(cause, caller, Some(authkit.site()), challenge);
        head::vary(response.headers_mut(), self.varies());
        if let Some(DenialEditor(edit)) = &self.denial_editor {
            edit(&denial, &mut response);
        }
        Box::new(response)
    }

    /// The request's `Authorization`, as far as the layer reads it.
    pub(crate) fn authorization<'a>(&self, headers: &'a HeaderMap) -> Authorization<'a> {
        if self.reads_authorization() { Authorization::of(headers) } else { Authorization::Absent }
    }

    pub(crate) fn kinds(&self) -> &CredentialKinds {
        self.authkit.authenticator().credential_kinds()
    }

    /// Takes the judge of credentials out, in order to switch another kind on.
    pub(crate) fn credentials(&self) -> HeaderCredentials {
        let none = || self.kinds().none();
        self.credentials.clone().unwrap_or_else(none)
    }

    /// The scopes that the layer's resource requires, if the token of a machine or an OAuth application lacks one.
    pub(crate) fn missing_scope(&self, principal: &HeaderPrincipal) -> Option<Box<str>> {
        let resource = self.resource.as_ref()?;
        let scopes = match principal {
            HeaderPrincipal::Machine(machine) => machine.scopes(),
            HeaderPrincipal::Client(client) => client.scopes(),
            HeaderPrincipal::Bearer(_) | HeaderPrincipal::ApiKey(_) => return None,
        };
        let has_all = resource.required_scopes.iter().all(|scope| scopes.contains(scope));
        if has_all { None } else { resource.scope().map(Into::into) }
    }

    pub(crate) fn accepts_bearer(&self) -> bool {
        self.credentials.as_ref().is_some_and(HeaderCredentials::accepts_bearer)
    }

    pub(crate) fn accepts_api_keys(&self) -> bool {
        self.credentials.as_ref().is_some_and(HeaderCredentials::accepts_api_keys)
    }

    /// Whether the layer reads `Authorization`.
    fn reads_authorization(&self) -> bool {
        self.credentials.is_some()
    }

    /// The caching policy of this response: `usual`, unless the layer has another.
    pub(crate) fn caching<B>(&self, usual: Caching, response: &Response<B>) -> Caching {
        match (self.default_caching, usual) {
            (DefaultCaching::Revalidation, Caching::Private) => head::revalidated(response),
            (DefaultCaching::NoStore | DefaultCaching::Revalidation, usual) => usual,
            (DefaultCaching::LeftToTheService, _) => Caching::AsTheServiceSays,
        }
    }

    pub(crate) fn varies(&self) -> Varies {
        if self.reads_authorization() { Varies::ByCookieAndAuthorization } else { Varies::ByCookie }
    }

    pub(crate) fn authkit(&self) -> &AuthKit {
        &self.authkit
    }
}
