//! What an application adds to the sign-in: a value of its own on the way, a say in it, another look of its answers.

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

use authkit_session::{Ruling, VerifiedSession};
use bytes::Bytes;
use http::{HeaderMap, Response, Uri};
use serde::{Serialize, de::DeserializeOwned};
use tracing::error;
use url::form_urlencoded;

use super::{Endpoints, SignInOutcome};
use crate::denial::Caller;

/// The application's part.
#[derive(Clone, Default)]
pub(super) struct Application {
    state: Option<Arc<MakeState>>,
    sign_in: Option<Arc<SignInHook>>,
    edit: Option<Arc<EditAnswer>>,
}

type MakeState = dyn Fn(&LoginRequest<'_>) -> Option<String> + Send + Sync;
type SignInHook = dyn Fn(NewSession) -> Ruled + Send + Sync;
type Ruled = Pin<Box<dyn Future<Output = Ruling> + Send>>;
type EditAnswer = dyn Fn(&SignInOutcome, &mut Response<Bytes>) + Send + Sync;

/// A request to `/login` that begins a sign-in.
#[derive(Clone, Copy)]
pub struct LoginRequest<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

/// A session that has just begun, and that the browser does not have yet.
///
/// See [`Endpoints::with_sign_in_hook`].
#[derive(Clone)]
pub struct NewSession {
    pub(super) session: Arc<VerifiedSession>,
    pub(super) return_to: String,
    pub(super) state: Option<String>,
}

impl Endpoints {
    /// Takes a value along from `/login` to the sign-in hook, such as a plan that was chosen or where a visitor came
    /// from (default: nothing).
    ///
    /// It travels as JSON in the sealed cookie of the sign-in, so that nobody can read or change it, and is 1 KiB long
    /// at most. A longer one is left out, with an event at level error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// use authkit_tower::{NewSession, Ruling};
    ///
    /// # async fn subscribe(_: &str, _: Option<String>) {}
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// // A link to /login?plan=team&return_to=/welcome
    /// Endpoints::new(authkit)
    ///     .with_state(|request| request.query("plan"))
    ///     .with_sign_in_hook(async |new: NewSession| {
    ///         subscribe(new.session().user_id(), new.state().flatten()).await;
    ///         Ruling::Keep
    ///     })
    /// # }
    /// ```
    pub fn with_state<T: Serialize>(
        self,
        make: impl Fn(&LoginRequest<'_>) -> T + Send + Sync + 'static,
    ) -> Self {
        let make = move |request: &LoginRequest<'_>| match serde_json::to_string(&make(request)) {
            Ok(state) if state.len() <= MAX_STATE => Some(state),
            Ok(state) => {
                error!(
                    bytes = state.len(),
                    "the state of a sign-in is longer than {MAX_STATE} bytes"
                );
                None
            }
            Err(error) => {
                error!(%error, "the state of a sign-in is no JSON");
                None
            }
        };
        self.with(|application| application.state = Some(Arc::new(make)))
    }

    /// Asks the application about every session that begins here, before the browser gets it (default: it gets it).
    ///
    /// With [`Ruling::Refuse`] the user ends on a page that says so, and WorkOS revokes the session; with
    /// [`Ruling::Undecided`], a panic, or no answer within 3 seconds, on a page that asks to try again. The session that
    /// the browser had before goes on then. For sessions that are refreshed there is
    /// [`Config::with_refresh_hook`](crate::Config::with_refresh_hook).
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// use authkit_tower::{NewSession, Ruling};
    ///
    /// # async fn create_or_update(_: &authkit_tower::User) -> Result<(), ()> { Ok(()) }
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// Endpoints::new(authkit).with_sign_in_hook(async |new: NewSession| {
    ///     let user = new.session().user();
    ///     if !user.email.as_ref().is_some_and(|email| email.ends_with("@example.com")) {
    ///         return Ruling::Refuse;
    ///     }
    ///     match create_or_update(user).await {
    ///         Ok(()) => Ruling::Keep,
    ///         Err(_) => Ruling::Undecided,
    ///     }
    /// })
    /// # }
    /// ```
    pub fn with_sign_in_hook<F, R>(self, hook: F) -> Self
    where
        F: Fn(NewSession) -> R + Send + Sync + 'static,
        R: Future<Output = Ruling> + Send + 'static,
    {
        let hook = move |new: NewSession| -> Ruled { Box::pin(hook(new)) };
        self.with(|application| application.sign_in = Some(Arc::new(hook)))
    }

    /// Edits the answers with which a sign-in ends (default: a redirect to where the user was, or a page that says what
    /// went wrong).
    ///
    /// The answer comes complete, with its status and cookies. A body in another format wants its own `Content-Type`,
    /// and a page with styles or scripts its own `Content-Security-Policy`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// use authkit_tower::{SignInFailure, SignInOutcome};
    /// use http::{HeaderValue, StatusCode, header::LOCATION};
    ///
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// Endpoints::new(authkit).with_outcome(|outcome, response| {
    ///     if let SignInOutcome::Failed(SignInFailure::Refused) = outcome {
    ///         *response.status_mut() = StatusCode::SEE_OTHER;
    ///         response.headers_mut().insert(LOCATION, HeaderValue::from_static("/not-invited"));
    ///     }
    /// })
    /// # }
    /// ```
    pub fn with_outcome(
        self,
        edit: impl Fn(&SignInOutcome, &mut Response<Bytes>) + Send + Sync + 'static,
    ) -> Self {
        self.with(|application| application.edit = Some(Arc::new(edit)))
    }

    fn with(mut self, set: impl FnOnce(&mut Application)) -> Self {
        set(Arc::make_mut(&mut self.application));
        self
    }

    /// Puts the outcome onto its answer, for whoever looks at that next.
    pub(super) fn conclude(
        &self,
        outcome: SignInOutcome,
        mut response: Response<Bytes>,
    ) -> Response<Bytes> {
        outcome.report();
        if let Some(edit) = &self.application.edit {
            edit(&outcome, &mut response);
        }
        response.extensions_mut().insert(outcome);
        response
    }
}

impl Application {
    pub(super) fn state(&self, caller: Caller<'_>) -> Option<String> {
        let request = LoginRequest { uri: caller.uri, headers: caller.headers };
        self.state.as_ref().and_then(|make| make(&request))
    }

    /// What the application says of a new session.
    pub(super) fn rule(&self, new: NewSession) -> Ruled {
        match &self.sign_in {
            // The hook's own words, too, are spoken where its panic is caught.
            Some(hook) => {
                let hook = Arc::clone(hook);
                Box::pin(async move { hook(new).await })
            }
            None => Box::pin(std::future::ready(Ruling::Keep)),
        }
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("state", &self.state.is_some())
            .field("sign_in", &self.sign_in.is_some())
            .field("edit", &self.edit.is_some())
            .finish()
    }
}

impl<'a> LoginRequest<'a> {
    /// The first value of a query parameter.
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

impl NewSession {
    /// The session.
    pub fn session(&self) -> &Arc<VerifiedSession> {
        &self.session
    }

    /// Where the user ends up: a path of this service.
    pub fn return_to(&self) -> &str {
        &self.return_to
    }

    /// The value of [`Endpoints::with_state`].
    ///
    /// `None` where the sign-in did not begin at `/login`, as with impersonations and invitations, where the value was
    /// too long, and where it is not of this type.
    pub fn state<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.state.as_deref()?).ok()
    }
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The longest value that a sign-in takes along, in bytes of JSON: the cookie has to hold the return path too.
pub(super) const MAX_STATE: usize = 1024;
