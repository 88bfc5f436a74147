use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    authorize::AuthorizationRequest,
    clock::Clock,
    error::{Answered, Error, ErrorKind},
    pkce::PkceVerifier,
    secret::Secret,
    token::RefreshToken,
    transport::{Transport, TransportError},
};

/// The calls to WorkOS that sessions need. A call is sent once; retrying is the caller's.
#[derive(Clone)]
pub struct Client {
    client_id: Arc<str>,
    api_key: Secret,
    redirect_uri: Arc<str>,
    base: Url,
    browser_base: Url,
    clock: Clock,
    transport: Arc<dyn Transport>,
}

impl Client {
    pub(crate) fn new(
        client_id: &str,
        api_key: Secret,
        redirect_uri: &str,
        (base, browser_base): (Url, Url),
        clock: Clock,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            api_key,
            redirect_uri: redirect_uri.into(),
            base,
            browser_base,
            clock,
            transport,
        }
    }

    /// Where to send the browser to sign in.
    pub fn authorization_url(&self, request: &AuthorizationRequest) -> String {
        let mut url = endpoint(&self.browser_base, &["user_management", "authorize"]);
        request.write(&mut url, &self.client_id, &self.redirect_uri);
        url.into()
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
    /// Those of a call to WorkOS; [`ErrorKind::Rejected`] for a session that it does not know.
    pub async fn revoke(&self, session_id: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Revoke<'a> {
            session_id: &'a str,
        }
        self.post(&["user_management", "sessions", "revoke"], &Revoke { session_id }, CALL_DEADLINE)
            .await
            .map(drop)
    }

    /// Exchanges the code of the callback (`grant_type=authorization_code`).
    pub(crate) async fn exchange_code(
        &self,
        code: &str,
        verifier: &PkceVerifier,
    ) -> Result<Bytes, Error> {
        self.authenticate(
            &Authenticate {
                code: Some(code),
                code_verifier: Some(verifier.expose()),
                ..Authenticate::of(self, "authorization_code")
            },
            CALL_DEADLINE,
        )
        .await
    }

    /// Exchanges a refresh token, for the organization given.
    pub(crate) async fn refresh(
        &self,
        token: &RefreshToken,
        organization: Option<&str>,
        deadline: Duration,
    ) -> Result<Bytes, Error> {
        self.authenticate(
            &Authenticate {
                refresh_token: Some(token.expose()),
                organization_id: organization,
                ..Authenticate::of(self, "refresh_token")
            },
            deadline,
        )
        .await
    }

    /// Fetches the JWK set of our client id. Carries no credentials.
    pub(crate) async fn jwks(&self, deadline: Duration) -> Result<Bytes, Error> {
        let url = endpoint(&self.base, &["sso", "jwks", &self.client_id]);
        let request = Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/json");
        self.send(request.body(Bytes::new()), deadline).await
    }

    async fn authenticate(
        &self,
        body: &Authenticate<'_>,
        deadline: Duration,
    ) -> Result<Bytes, Error> {
        self.post(&["user_management", "authenticate"], body, deadline).await
    }

    async fn post(
        &self,
        path: &[&str],
        body: &impl Serialize,
        deadline: Duration,
    ) -> Result<Bytes, Error> {
        let body = serde_json::to_vec(body).expect("these bodies have string keys only");
        let mut key = HeaderValue::try_from(format!("Bearer {}", self.api_key.expose()))
            .expect("the key was checked to be visible ASCII");
        key.set_sensitive(true);
        let request = Request::builder()
            .method(Method::POST)
            .uri(endpoint(&self.base, path).as_str())
            .header(header::AUTHORIZATION, key)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Bytes::from(body)), deadline).await
    }

    /// The body of a 200; every other answer is an error.
    async fn send(
        &self,
        request: http::Result<Request<Bytes>>,
        deadline: Duration,
    ) -> Result<Bytes, Error> {
        let request = request.map_err(|_| Error::new(ErrorKind::Misconfigured))?;
        match self.transport.send(request, deadline).await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(answer.into_body()),
            Ok(answer) => Err(refusal(&answer, self.clock.wall())),
            Err(
                TransportError::NotSent
                | TransportError::Lost
                | TransportError::TimedOut
                | TransportError::TooLarge,
            ) => Err(Error::new(ErrorKind::Transient)),
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

/// The body of `POST /user_management/authenticate`.
#[derive(Serialize)]
struct Authenticate<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    grant_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_verifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<&'a str>,
}

impl<'a> Authenticate<'a> {
    fn of(client: &'a Client, grant_type: &'static str) -> Self {
        Self {
            client_id: &client.client_id,
            client_secret: client.api_key.expose(),
            grant_type,
            code: None,
            code_verifier: None,
            refresh_token: None,
            organization_id: None,
        }
    }
}

/// An error answer's body: the word is in `code` or in `error`.
#[derive(Default, Deserialize)]
struct Refusal {
    code: Option<String>,
    error: Option<String>,
    authkit_redirect_url: Option<String>,
}

/// Reads an error answer: the word first, then the status, since one word comes with several.
fn refusal(answer: &Response<Bytes>, now: SystemTime) -> Error {
    let status = answer.status();
    let body: Refusal = serde_json::from_slice(answer.body()).unwrap_or_default();
    let code = body.code.or(body.error).filter(|code| code.len() <= MAX_WORD && code.is_ascii());
    let kind = match code.as_deref() {
        Some("invalid_grant" | "invalid_code" | "invalid_code_verifier") => ErrorKind::Refused,
        Some(
            "organization_not_found"
            | "organization_membership_not_found"
            | "invalid_organization_id",
        ) => ErrorKind::OrganizationGone,
        Some(
            "sso_required"
            | "mfa_enrollment"
            | "mfa_challenge"
            | "mfa_verification"
            | "organization_selection_required"
            | "organization_authentication_methods_required"
            | "email_verification_required"
            | "authentication_method_not_allowed"
            | "passkey_progressive_enrollment"
            | "radar_challenge"
            | "radar_email_challenge"
            | "radar_sms_challenge"
            | "radar_sign_up_challenge"
            | "radar_sms_sign_in_challenge"
            | "application_consent_required",
        ) => ErrorKind::InteractionNeeded,
        Some(
            "invalid_client"
            | "unauthorized_client"
            | "invalid_request"
            | "invalid_request_parameters",
        ) => ErrorKind::Misconfigured,
        _ => by_status(status),
    };
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    Error::answered(
        kind,
        Answered {
            status: Some(status),
            code,
            retry_after: retry_after(answer.headers(), now),
            request_id: header("x-request-id").filter(|id| id.len() <= MAX_WORD).map(str::to_owned),
            authkit_redirect_url: body.authkit_redirect_url,
        },
    )
}

/// What an answer whose word says nothing means. A redirect or another 2xx is not WorkOS's answer at all.
fn by_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 | 404 | 422 => ErrorKind::Misconfigured,
        408 | 429 => ErrorKind::Transient,
        400..=499 => ErrorKind::Rejected,
        _ => ErrorKind::Transient,
    }
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default())
        }
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

/// How long one call that is not a refresh may take.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Longer words than this are not WorkOS's.
const MAX_WORD: usize = 128;
