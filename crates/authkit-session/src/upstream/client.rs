use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, header};
use serde::Serialize;
use url::Url;

use crate::{
    clock::Clock,
    config::origins::PublicOrigin,
    error::Error,
    json,
    meter::{CallPurpose, Meter},
    secret::{Secret, zeroized, zeroized_json},
    token::RefreshToken,
    upstream::{
        authenticate_body::Authenticate,
        authorize::AuthorizationRequest,
        budget::{Budget, CallClass, CallPermit},
        error_answer::{self, UpstreamError},
        observed_call::observed,
        own_api_key::OwnApiKey,
        pkce::PkceVerifier,
        transport::{Connection, Transport, TransportError},
    },
};

/// Makes the calls to WorkOS that sessions need. Sends each call once; the caller decides about retries.
#[derive(Clone)]
pub struct Client {
    client_id: Arc<str>,
    /// Shared by clones, so that a replaced key reaches all of them.
    api_key: Arc<ArcSwap<OwnApiKey>>,
    redirect_uri: Arc<str>,
    base: Url,
    browser_base: Url,
    clock: Clock,
    transport: Arc<dyn Transport>,
    budget: Budget,
}

impl Client {
    pub(crate) fn new(
        client_id: &str,
        api_key: Secret,
        redirect_uri: &str,
        (base, browser_base): (Url, Url),
        clock: Clock,
        transport: Arc<dyn Transport>,
        budget: Budget,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            api_key: Arc::new(ArcSwap::from_pointee(OwnApiKey::new(api_key))),
            redirect_uri: redirect_uri.into(),
            base,
            browser_base,
            clock,
            transport,
            budget,
        }
    }

    /// The base URL of calls.
    pub(crate) fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// The meter that counts the calls for operators.
    pub(crate) fn meter(&self) -> &Meter {
        self.budget.meter()
    }

    /// The budget of all calls.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Replaces the API key for later calls; running calls keep theirs. The caller has checked the key's characters.
    pub(crate) fn replace_api_key(&self, api_key: Secret) {
        self.api_key.store(Arc::new(OwnApiKey::new(api_key)));
    }

    /// The URL at which a browser signs in. WorkOS redirects it back to the redirect URI.
    pub fn authorization_url(&self, request: &AuthorizationRequest) -> String {
        self.authorization_url_to(request, &self.redirect_uri)
    }

    /// The URL at which a browser signs in. WorkOS redirects it back to the redirect URI of this origin of the service.
    pub fn authorization_url_at(
        &self,
        request: &AuthorizationRequest,
        origin: &PublicOrigin,
    ) -> String {
        self.authorization_url_to(request, origin.redirect_uri())
    }

    fn authorization_url_to(&self, request: &AuthorizationRequest, redirect_uri: &str) -> String {
        let mut url = endpoint(&self.browser_base, &["user_management", "authorize"]);
        request.write(&mut url, &self.client_id, redirect_uri);
        url.into()
    }

    /// The URL of the key set that verifies the service's session tokens.
    pub fn key_set_url(&self) -> String {
        endpoint(&self.base, &["sso", "jwks", &self.client_id]).into()
    }

    /// The URL at which a browser ends a session at WorkOS. WorkOS redirects it on to `return_to`.
    ///
    /// `return_to` has to be registered as a sign-out redirect; without it, WorkOS redirects to the default one.
    pub fn logout_url(&self, session_id: &str, return_to: Option<&str>) -> String {
        let mut url = endpoint(&self.browser_base, &["user_management", "sessions", "logout"]);
        url.query_pairs_mut().append_pair("session_id", session_id);
        if let Some(return_to) = return_to {
            url.query_pairs_mut().append_pair("return_to", return_to);
        }
        url.into()
    }

    /// Ends a session at WorkOS, which then refuses its refresh token.
    ///
    /// # Errors
    ///
    /// The errors of a call to WorkOS; [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) if WorkOS does not know the
    /// session.
    pub async fn revoke(&self, session_id: &str) -> Result<(), Error> {
        Ok(self.send_revoke(session_id).await?)
    }

    /// Like [`revoke`](Self::revoke), with the error as it was read from WorkOS's answer.
    pub(crate) async fn send_revoke(&self, session_id: &str) -> Result<(), UpstreamError> {
        #[derive(Serialize)]
        struct RevokeBody<'a> {
            session_id: &'a str,
        }
        let _permit = self.permit(CallClass::SignOut, SIGN_OUT_PATIENCE).await?;
        let path = ["user_management", "sessions", "revoke"];
        let body = RevokeBody { session_id };
        let call = self.post_json(&path, &body, CALL_DEADLINE);
        observed(self.meter(), CallPurpose::SignOut, call).await?;
        Ok(())
    }

    /// Exchanges the code of the callback (`grant_type=authorization_code`).
    pub(crate) async fn exchange_code(
        &self,
        code: &str,
        verifier: &PkceVerifier,
    ) -> Result<Bytes, UpstreamError> {
        let _permit = self.permit(CallClass::SignIn, SIGN_IN_PATIENCE).await?;
        let api_key = self.api_key.load_full();
        let body = Authenticate {
            code: Some(code),
            code_verifier: Some(verifier.expose()),
            ..Authenticate::of(&self.client_id, &api_key, "authorization_code")
        };
        let call = self.authenticate(&body, &api_key, Connection::Pooled, CALL_DEADLINE);
        observed(self.meter(), CallPurpose::SignIn, call).await
    }

    /// Exchanges a refresh token, for this organization or for the session's own.
    pub(crate) async fn refresh(
        &self,
        token: &RefreshToken,
        organization: Option<&str>,
        connection: Connection,
        deadline: Duration,
    ) -> Result<Bytes, UpstreamError> {
        let api_key = self.api_key.load_full();
        let body = Authenticate {
            refresh_token: Some(token.expose()),
            organization_id: organization,
            ..Authenticate::of(&self.client_id, &api_key, "refresh_token")
        };
        let call = self.authenticate(&body, &api_key, connection, deadline);
        observed(self.meter(), CallPurpose::Refresh, call).await
    }

    /// Fetches a JWK set, without credentials.
    pub(crate) async fn fetch_key_set(
        &self,
        url: &str,
        deadline: Duration,
    ) -> Result<Bytes, UpstreamError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(url)
            .header(header::ACCEPT, "application/json");
        let call = self.send(request.body(Bytes::new()), Connection::Pooled, deadline);
        observed(self.meter(), CallPurpose::Keys, call).await
    }

    /// Whether a presented key is the API key of this service.
    pub(super) fn is_own_api_key(&self, presented: &str) -> bool {
        self.api_key.load().is(presented)
    }

    /// Sends a JSON body with our API key.
    pub(super) async fn post_json(
        &self,
        path: &[&str],
        body: &impl Serialize,
        deadline: Duration,
    ) -> Result<Bytes, UpstreamError> {
        let api_key = self.api_key.load_full();
        self.post(path, body, &api_key, Connection::Pooled, deadline).await
    }

    /// Sends a form, which has to contain its own credentials.
    pub(super) async fn post_form(
        &self,
        url: &str,
        body: String,
        deadline: Duration,
    ) -> Result<Bytes, UpstreamError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.send(request.body(zeroized(body)), Connection::Pooled, deadline).await;
        self.honour_retry_after(&answer);
        answer
    }

    /// Waits until a call of this class may start, for at most `patience`.
    pub(super) async fn permit(
        &self,
        class: CallClass,
        patience: Duration,
    ) -> Result<CallPermit, UpstreamError> {
        self.budget
            .permit(class, &self.clock, patience)
            .await
            .map_err(|throttled| UpstreamError::transient_for(throttled.wait()))
    }

    async fn authenticate(
        &self,
        body: &Authenticate<'_>,
        api_key: &OwnApiKey,
        connection: Connection,
        deadline: Duration,
    ) -> Result<Bytes, UpstreamError> {
        self.post(&["user_management", "authenticate"], body, api_key, connection, deadline).await
    }

    async fn post(
        &self,
        path: &[&str],
        body: &impl Serialize,
        api_key: &OwnApiKey,
        connection: Connection,
        deadline: Duration,
    ) -> Result<Bytes, UpstreamError> {
        let body = zeroized_json(body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(endpoint(&self.base, path).as_str())
            .header(header::AUTHORIZATION, &api_key.authorization)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        let answer = self.send(request.body(body), connection, deadline).await;
        self.honour_retry_after(&answer);
        answer
    }

    fn honour_retry_after(&self, answer: &Result<Bytes, UpstreamError>) {
        if let Err(error) = answer
            && let Some(wait) = error.details.retry_after
        {
            self.budget.honour_retry_after(wait, self.clock.monotonic());
        }
    }

    /// Sends a request. Returns the body of a 2xx; every other answer is an error.
    async fn send(
        &self,
        request: http::Result<Request<Bytes>>,
        connection: Connection,
        deadline: Duration,
    ) -> Result<Bytes, UpstreamError> {
        let request = request.map_err(|_| UpstreamError::misconfigured())?;
        let answer = match connection {
            Connection::Pooled => self.transport.send(request, deadline).await,
            Connection::New => self.transport.send_on_new_connection(request, deadline).await,
        };
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(json::readable(answer.into_body())),
            Ok(answer) => Err(error_answer::read(&answer, self.clock.wall())),
            Err(
                TransportError::NotSent
                | TransportError::Lost
                | TransportError::TimedOut
                | TransportError::TooLarge,
            ) => Err(UpstreamError::transient()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("client_id", &self.client_id)
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// `base` with `segments` appended, each percent-encoded.
fn endpoint(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut()
        .expect("the base was checked to be http or https")
        .pop_if_empty()
        .extend(segments);
    url
}

/// How long a sign-in waits for the budget.
const SIGN_IN_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long a revocation waits for the budget. It may wait longer, since no request waits for it.
const SIGN_OUT_PATIENCE: Duration = Duration::from_secs(20);
/// How long one call that is not a refresh may take.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
