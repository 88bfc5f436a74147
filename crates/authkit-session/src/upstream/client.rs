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
    secret::Secret,
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

/// The calls to WorkOS that sessions need. A call is sent once; retrying is the caller's.
#[derive(Clone)]
pub struct Client {
    client_id: Arc<str>,
    /// Clones share it, so that all of them learn of another one.
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

    /// Where calls go.
    pub(crate) fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// What counts them for operators.
    pub(crate) fn meter(&self) -> &Meter {
        self.budget.meter()
    }

    /// What all calls are counted in.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Sends later calls with another key, which was checked; calls under way go on with the one that they have.
    pub(crate) fn replace_api_key(&self, api_key: Secret) {
        self.api_key.store(Arc::new(OwnApiKey::new(api_key)));
    }

    /// Where to send the browser to sign in, and to come back by the redirect URI.
    pub fn authorization_url(&self, request: &AuthorizationRequest) -> String {
        self.authorization_url_to(request, &self.redirect_uri)
    }

    /// The same, to come back at this origin of the service.
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

    /// Where the key set of the service's tokens is, which verifies them.
    pub fn key_set_url(&self) -> String {
        endpoint(&self.base, &["sso", "jwks", &self.client_id]).into()
    }

    /// Where to send the browser to end a session at WorkOS, and from there on to `return_to`.
    ///
    /// `return_to` has to be registered as a sign-out redirect; without it WorkOS goes to the default one.
    pub fn logout_url(&self, session_id: &str, return_to: Option<&str>) -> String {
        let mut url = endpoint(&self.browser_base, &["user_management", "sessions", "logout"]);
        url.query_pairs_mut().append_pair("session_id", session_id);
        if let Some(return_to) = return_to {
            url.query_pairs_mut().append_pair("return_to", return_to);
        }
        url.into()
    }

    /// Ends a session at WorkOS: its refresh token is refused from now on.
    ///
    /// # Errors
    ///
    /// Those of a call to WorkOS; [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) for a session that it does not
    /// know.
    pub async fn revoke(&self, session_id: &str) -> Result<(), Error> {
        Ok(self.send_revoke(session_id).await?)
    }

    /// The same, with WorkOS's answer as it was understood.
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

    /// Exchanges a refresh token, for the organization given.
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

    /// Fetches a JWK set. Carries no credentials.
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

    /// Whether a presented key is the one that calls go out with.
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

    /// Sends a form, which has to carry its own credentials.
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
        let answer = self.send(request.body(Bytes::from(body)), Connection::Pooled, deadline).await;
        self.honour_retry_after(&answer);
        answer
    }

    /// Waits until a call of this class may go out.
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
        let body = serde_json::to_vec(body).expect("these bodies have string keys only");
        let request = Request::builder()
            .method(Method::POST)
            .uri(endpoint(&self.base, path).as_str())
            .header(header::AUTHORIZATION, &api_key.authorization)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        let answer = self.send(request.body(Bytes::from(body)), connection, deadline).await;
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

    /// The body of a 200; every other answer is an error.
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

/// How long a sign-in waits for its turn, and a revocation, for which nobody waits.
const SIGN_IN_PATIENCE: Duration = Duration::from_millis(1_500);
const SIGN_OUT_PATIENCE: Duration = Duration::from_secs(20);
/// How long one call that is not a refresh may take.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
