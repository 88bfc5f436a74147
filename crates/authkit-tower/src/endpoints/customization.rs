//! How an application customizes the sign-in: a value that it carries along, a hook, an editor of responses.

use std::{borrow::Cow, fmt, future::Future, sync::Arc};

use authkit_session::{
    AuthorizationRequest, BoxFuture, HookDecision, OauthTokens, VerifiedSession,
};
use bytes::Bytes;
use http::{HeaderMap, Response, Uri};
use serde::{Serialize, de::DeserializeOwned};
use tracing::{debug, error};
use url::form_urlencoded;

use super::SignInOutcome;
use crate::{authkit::AuthKit, denial::Caller};

/// The application's closures.
#[derive(Clone, Default)]
pub(super) struct SignInCustomization {
    make_state: Option<Arc<MakeState>>,
    authorize: Option<Arc<Authorize>>,
    pub(super) fragments: Fragments,
    hook: Option<Arc<SignInHook>>,
    edit: Option<Arc<EditResponse>>,
}

/// Why a sign-in goes without the application's value.
enum StateProblem {
    TooLong { bytes: usize },
    NoJson(serde_json::Error),
}

impl StateProblem {
    /// Anybody can request `/login` as often as they like, with whatever the value is made of.
    fn log(self, authkit: &AuthKit) {
        let key = "the state of a sign-in was left out";
        let due = authkit.site().denial_log().sign_in_ended(key);
        match (self, due) {
            (Self::TooLong { bytes }, Some(left_out)) => {
                error!(bytes, left_out, "{key}: it has more than {MAX_STATE} bytes");
            }
            (Self::NoJson(error), Some(left_out)) => {
                error!(%error, left_out, "{key}: it cannot be written as JSON");
            }
            (Self::TooLong { .. } | Self::NoJson(_), None) => debug!("{key}"),
        }
    }
}

/// What happens to the fragment of an address that needs a sign-in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Fragments {
    /// It is lost: browsers forget it on WorkOS's pages.
    #[default]
    Lost,
    /// A page of ours asks the browser for it.
    Kept,
}

type MakeState = dyn Fn(&LoginRequest<'_>) -> Result<String, StateProblem> + Send + Sync;
type Authorize =
    dyn Fn(&LoginRequest<'_>, AuthorizationRequest) -> AuthorizationRequest + Send + Sync;
type SignInHook = dyn Fn(NewSession) -> BoxFuture<'static, HookDecision> + Send + Sync;
type EditResponse = dyn Fn(&SignInOutcome, &mut Response<Bytes>) + Send + Sync;

impl SignInCustomization {
    pub(super) fn set_state<T: Serialize>(
        &mut self,
        make: impl Fn(&LoginRequest<'_>) -> T + Send + Sync + 'static,
    ) {
        let make = move |request: &LoginRequest<'_>| {
            let state = serde_json::to_string(&make(request)).map_err(StateProblem::NoJson)?;
            let bytes = state.len();
            if bytes <= MAX_STATE { Ok(state) } else { Err(StateProblem::TooLong { bytes }) }
        };
        self.make_state = Some(Arc::new(make));
    }

    pub(super) fn set_hook<F, R>(&mut self, hook: F)
    where
        F: Fn(NewSession) -> R + Send + Sync + 'static,
        R: Future<Output = HookDecision> + Send + 'static,
    {
        self.hook = Some(Arc::new(move |new| Box::pin(hook(new))));
    }

    pub(super) fn set_editor(
        &mut self,
        edit: impl Fn(&SignInOutcome, &mut Response<Bytes>) + Send + Sync + 'static,
    ) {
        self.edit = Some(Arc::new(edit));
    }

    /// The application's value for the sign-in that this request starts, as JSON.
    pub(super) fn state(&self, authkit: &AuthKit, caller: Caller<'_>) -> Option<String> {
        let request = LoginRequest { uri: caller.uri, headers: caller.headers };
        let state = self.make_state.as_ref().map(|make| make(&request))?;
        state.map_err(|problem| problem.log(authkit)).ok()
    }

    /// Asks the hook about a new session. Without a hook the session is kept.
    pub(super) fn ask_hook(&self, new: NewSession) -> BoxFuture<'static, HookDecision> {
        match &self.hook {
            // The hook is called inside the future, because the caller only catches panics of that future.
            Some(hook) => {
                let hook = Arc::clone(hook);
                Box::pin(async move { hook(new).await })
            }
            None => Box::pin(std::future::ready(HookDecision::Keep)),
        }
    }

    pub(super) fn set_authorization(
        &mut self,
        add: impl Fn(&LoginRequest<'_>, AuthorizationRequest) -> AuthorizationRequest
        + Send
        + Sync
        + 'static,
    ) {
        self.authorize = Some(Arc::new(add));
    }

    /// Lets the application add parameters to the authorization request.
    pub(super) fn authorize(
        &self,
        caller: Caller<'_>,
        request: AuthorizationRequest,
    ) -> AuthorizationRequest {
        match &self.authorize {
            Some(add) => add(&LoginRequest { uri: caller.uri, headers: caller.headers }, request),
            None => request,
        }
    }

    /// Logs and counts the outcome, lets the editor change the response, and puts the outcome into its extensions.
    pub(super) fn finish(
        &self,
        authkit: &AuthKit,
        outcome: SignInOutcome,
        mut response: Response<Bytes>,
    ) -> Response<Bytes> {
        outcome.log(authkit);
        authkit.site().meter().sign_in_ended(&outcome);
        if let Some(edit) = &self.edit {
            edit(&outcome, &mut response);
        }
        response.extensions_mut().insert(outcome);
        response
    }
}

impl fmt::Debug for SignInCustomization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInCustomization")
            .field("make_state", &self.make_state.is_some())
            .field("authorize", &self.authorize.is_some())
            .field("hook", &self.hook.is_some())
            .field("edit", &self.edit.is_some())
            .finish()
    }
}

/// A request that begins a sign-in: one to `/login`, or one to the callback where a sign-in starts again.
#[derive(Clone, Copy)]
pub struct LoginRequest<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

impl<'a> LoginRequest<'a> {
    /// The first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let mut parameters =
            form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        parameters.find(|(found, _)| found == name).map(|(_, value)| Cow::into_owned(value))
    }

    /// The URI, as the browser sees it.
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The header fields.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }
}

impl fmt::Debug for LoginRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").field("path", &self.uri.path()).finish_non_exhaustive()
    }
}

/// A session that has just started, and that the browser does not have yet.
///
/// See [`Endpoints::with_sign_in_hook`](crate::Endpoints::with_sign_in_hook).
#[derive(Clone)]
pub struct NewSession {
    pub(super) session: Arc<VerifiedSession>,
    pub(super) return_to: String,
    pub(super) state: Option<String>,
    pub(super) oauth_tokens: Option<OauthTokens>,
}

impl NewSession {
    /// The session.
    pub fn session(&self) -> &Arc<VerifiedSession> {
        &self.session
    }

    /// Where the user ends up: a path of this service, or a URL of an origin of
    /// [`Config::with_return_origins`](crate::Config::with_return_origins).
    pub fn return_to(&self) -> &str {
        &self.return_to
    }

    /// The tokens of the provider that the user signed in with, if WorkOS returned any: the "Return OAuth tokens" setting
    /// of the provider in the WorkOS dashboard.
    ///
    /// This is the only time that they are there. The session does not keep them, and nothing logs them.
    pub fn oauth_tokens(&self) -> Option<&OauthTokens> {
        self.oauth_tokens.as_ref()
    }

    /// The value of [`Endpoints::with_state`](crate::Endpoints::with_state).
    ///
    /// `None` if there is none: the value was `None`, or too long, or the sign-in did not begin at `/login`, as with
    /// impersonations and invitations.
    ///
    /// # Errors
    ///
    /// [`StateTypeError`] if the value cannot be read as a `T`: `with_state` made another type, in this version of the
    /// application or in the one that began the sign-in.
    pub fn state<T: DeserializeOwned>(&self) -> Result<Option<T>, StateTypeError> {
        let json = self.state.as_deref().unwrap_or("null");
        serde_json::from_str(json).map_err(|_| StateTypeError(()))
    }
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The value that a sign-in carries does not have the requested type. See [`NewSession::state`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StateTypeError(());

impl fmt::Display for StateTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state of the sign-in is not of the type that was asked for")
    }
}

impl std::error::Error for StateTypeError {}

/// The longest state of a sign-in, in bytes of JSON. The cookie has to hold the return path too.
pub(super) const MAX_STATE: usize = 1024;
