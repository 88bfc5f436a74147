//! Sign-in, callback and sign-out.

mod answers;
mod callback;
mod customization;
mod flow;
mod helper_cookie;
mod hints;
mod initiator;
mod login;
mod logout;
mod redirect_loop;
mod reminder;
mod service;
mod sign_in_outcome;
mod state;

use std::{future::Future, sync::Arc};

use authkit_session::{AuthorizationRequest, HookDecision};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Serialize;

use self::{
    answers::Reply,
    customization::{Fragments, SignInCustomization},
};
pub use self::{
    customization::{LoginRequest, NewSession, StateTypeError},
    service::{EndpointsFuture, EndpointsService},
    sign_in_outcome::{SignInFailure, SignInOutcome},
};
pub(crate) use self::{
    logout::{end as sign_out, logout_url},
    reminder::EndpointReminder,
};
#[cfg(doc)]
use crate::Provider;
use crate::{
    authkit::AuthKit,
    denial::{self, Caller, Cause, Mistake, Scheme},
    site::Endpoint,
};

/// The endpoints that sign users in and out: `/login`, the callback (the redirect URI's path) and `/logout`.
///
/// The paths are those of the original request, even if axum's `nest` shortens them; the configuration renames them. A
/// value of this type can be used as a layer that answers these paths and passes everything else on, as a service that
/// answers everything else with 404, and (feature `axum`) as a router to merge.
///
/// - **`GET /login`** redirects the browser to AuthKit, with PKCE (S256) and a state that only this browser can bring
///   back. `return_to` is where the user ends up: a path of this
///   service, or a URL of an origin of [`Config::with_return_origins`](crate::Config::with_return_origins). `screen_hint`, `organization_id`,
///   `login_hint`, `invitation_token`, `max_age` and `prompt` are passed on, and so are `provider` (a [`Provider`]),
///   `connection_id` (`conn_...`) and `domain_hint` (a domain); what is of another form is ignored. A browser that is signed in already, and
///   whose request has no other parameter than `return_to`, is redirected there at once. A browser that comes back three
///   times within ten seconds of a sign-in gets a page that names the cause: cookies that the browser does not keep, a
///   session that is too large, a wrong scheme. If another site sent the browser here, an organization, a connection and an invitation
///   are passed on only after the user has agreed on a page, whose button sends a `POST`.
/// - **The callback** exchanges the code, sets the session cookie and redirects to where the user was. It is also the
///   sign-in endpoint of the WorkOS dashboard: impersonations and invitations start there and bring no state. Their code
///   is not exchanged; the sign-in starts again here. A sign-in that another site began does not put another user in the
///   place of one who is signed in: a page asks first, and its button begins the sign-in anew by a `POST`.
/// - **`POST /logout`** ends the session here and at WorkOS. A `GET` does so only if the user clicked a link on one of
///   our own pages; any other `GET`, such as a link on another site, gets a page that asks. `return_to` may name a page
///   as with `/login`, if it is registered as a sign-out redirect. The pages of those other origins may post here. A page is redirected to WorkOS; a script gets JSON with
///   the address as `logout_url`.
///
/// # Examples
///
/// ```
/// # use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
/// use axum::{Router, routing::get};
///
/// # fn app(authkit: &AuthKit) -> Router {
/// Router::new()
///     .route("/dashboard", get(async |session: Session| format!("Hello {}", session.user().display_name())))
///     .route_layer(AuthKitLayer::new(authkit))
///     .merge(Endpoints::new(authkit))
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Endpoints {
    authkit: AuthKit,
    customization: Arc<SignInCustomization>,
}

impl Endpoints {
    /// Makes the endpoints, at the paths of the configuration.
    pub fn new(authkit: &AuthKit) -> Self {
        authkit.site().endpoint_reminder().endpoints_were_made();
        Self { authkit: authkit.clone(), customization: Arc::default() }
    }

    /// Carries a value from `/login` to the sign-in hook, such as a plan that was chosen or where a visitor came from
    /// (default: nothing).
    ///
    /// It travels as JSON in the sealed cookie of the sign-in, so that nobody can read or change it. Its JSON may have
    /// 1 KiB; a longer value is left out, with an event at level error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// use authkit_tower::{NewSession, HookDecision};
    ///
    /// # async fn subscribe(_: &str, _: Option<String>) {}
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// // A link to /login?plan=team&return_to=/welcome
    /// Endpoints::new(authkit)
    ///     .with_state(|request| request.query("plan"))
    ///     .with_sign_in_hook(async |new: NewSession| {
    ///         let Ok(plan) = new.state() else { return HookDecision::Undecided };
    ///         subscribe(new.session().user_id(), plan).await;
    ///         HookDecision::Keep
    ///     })
    /// # }
    /// ```
    pub fn with_state<T: Serialize>(
        self,
        make: impl Fn(&LoginRequest<'_>) -> T + Send + Sync + 'static,
    ) -> Self {
        self.with(|customization| customization.set_state(make))
    }

    /// Adds parameters to the authorization request of a sign-in, such as a provider, a connection or a domain hint
    /// (default: those of the query of `/login`).
    ///
    /// `add` gets the request with the parameters of the query in it, and decides last. It is also called if a sign-in
    /// starts again at the callback, whose request has no parameters of yours.
    ///
    /// **Warning:** a link on another site makes the user confirm the organization, connection or invitation that it names in
    /// the parameters of `/login`. Nobody is asked about one that `add` takes from a parameter of yours.
    ///
    /// # Examples
    ///
    /// Customers with a host of their own sign in with their own identity provider:
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// # fn connection_of(_: &str) -> Option<String> { None }
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// Endpoints::new(authkit).with_authorization(|request, authorization| {
    ///     let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    ///     match connection_of(host) {
    ///         Some(connection) => authorization.with_connection_id(connection),
    ///         None => authorization,
    ///     }
    /// })
    /// # }
    /// ```
    pub fn with_authorization(
        self,
        add: impl Fn(&LoginRequest<'_>, AuthorizationRequest) -> AuthorizationRequest
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.with(|customization| customization.set_authorization(add))
    }

    /// Keeps the fragment of an address, as in `/reports#march`, across the sign-in (default: it is lost, since
    /// browsers do not send fragments and forget them on WorkOS's pages).
    ///
    /// A browser that needs to sign in briefly shows a page of ours. Its one script, which the page's policy allows by
    /// its hash, loads `/login` again with the fragment as a parameter. A sign-in that another site started, by a link
    /// on one of its pages, skips the page. A `return_to` may have a fragment in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// Endpoints::new(authkit).with_fragments()
    /// # }
    /// ```
    pub fn with_fragments(self) -> Self {
        self.with(|customization| customization.fragments = Fragments::Kept)
    }

    /// Asks the application about every session that starts here, before the browser gets it (default: every session
    /// starts).
    ///
    /// With [`HookDecision::Refuse`] the user gets a page that says so, and the session is revoked at WorkOS. With
    /// [`HookDecision::Undecided`], a panic, or no answer within 3 seconds, the user gets a page that asks to try
    /// again. In both cases the browser keeps its previous session, if any. For refreshed sessions use
    /// [`Config::with_refresh_hook`](crate::Config::with_refresh_hook).
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// use authkit_tower::{NewSession, HookDecision};
    ///
    /// # async fn create_or_update(_: &authkit_tower::User) -> Result<(), ()> { Ok(()) }
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// Endpoints::new(authkit).with_sign_in_hook(async |new: NewSession| {
    ///     let user = new.session().user();
    ///     if !user.email.as_ref().is_some_and(|email| email.ends_with("@example.com")) {
    ///         return HookDecision::Refuse;
    ///     }
    ///     match create_or_update(user).await {
    ///         Ok(()) => HookDecision::Keep,
    ///         Err(_) => HookDecision::Undecided,
    ///     }
    /// })
    /// # }
    /// ```
    pub fn with_sign_in_hook<F, R>(self, hook: F) -> Self
    where
        F: Fn(NewSession) -> R + Send + Sync + 'static,
        R: Future<Output = HookDecision> + Send + 'static,
    {
        self.with(|customization| customization.set_hook(hook))
    }

    /// Edits the responses that end a sign-in (default: a redirect to where the user was, or a page that says what went
    /// wrong).
    ///
    /// `edit` gets the complete response, status and cookies included. If it writes a body in another format, it has to
    /// set the `Content-Type` too; a page with styles or scripts needs its own `Content-Security-Policy`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Endpoints};
    /// use authkit_tower::{SignInFailure, SignInOutcome};
    /// use http::{HeaderValue, StatusCode, header::LOCATION};
    ///
    /// # fn endpoints(authkit: &AuthKit) -> Endpoints {
    /// Endpoints::new(authkit).edit_sign_in_responses(|outcome, response| {
    ///     if let SignInOutcome::Failed(SignInFailure::Refused) = outcome {
    ///         *response.status_mut() = StatusCode::SEE_OTHER;
    ///         response.headers_mut().insert(LOCATION, HeaderValue::from_static("/not-invited"));
    ///     }
    /// })
    /// # }
    /// ```
    pub fn edit_sign_in_responses(
        self,
        edit: impl Fn(&SignInOutcome, &mut Response<Bytes>) + Send + Sync + 'static,
    ) -> Self {
        self.with(|customization| customization.set_editor(edit))
    }

    fn with(mut self, set: impl FnOnce(&mut SignInCustomization)) -> Self {
        set(Arc::make_mut(&mut self.customization));
        self
    }

    /// The paths of the endpoints: login, callback and logout, without the path that a proxy strips
    /// ([`Config::with_base_path`](crate::Config::with_base_path)). For routers that mount a service at each path.
    pub fn paths(&self) -> [&str; 3] {
        self.authkit.site().request_paths()
    }

    /// Answers a request for one of our paths; `None` for any other path.
    fn reply<B>(&self, request: &Request<B>) -> Option<Reply> {
        let caller = Caller::of(request);
        let endpoint = self.authkit.site().requested_endpoint(caller.uri.path())?;
        self.authkit.site().endpoint_reminder().record_request();
        let authkit = &*self.authkit.at(caller.uri, caller.headers);
        let customization = &self.customization;
        Some(match endpoint {
            Endpoint::Login => Reply::now(login::answer(authkit, customization, caller)),
            Endpoint::Callback => callback::answer(authkit, customization, caller),
            Endpoint::Logout => Reply::now(logout::answer(authkit, caller)),
        })
    }

    /// Answers a request for any other path: 404, or how to reach these endpoints if they are nested.
    fn not_found<B>(&self, request: &Request<B>) -> Reply {
        let (caller, site) = (Caller::of(request), self.authkit.site());
        if site.is_nested(caller.uri.path(), request.uri().path()) {
            let mistake = Cause::Misconfigured(Mistake::NestedEndpoints);
            return Reply::now(denial::answer(&mistake, caller, Some(site), Scheme::Cookie).1);
        }
        Reply::now(answers::empty(StatusCode::NOT_FOUND))
    }
}

#[cfg(test)]
mod tests;
