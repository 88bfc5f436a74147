//! Sign-in, callback and sign-out.

mod answers;
mod application;
mod bounces;
mod callback;
mod flow;
mod login;
mod logout;
mod outcome;

use std::{
    convert::Infallible,
    fmt,
    future::{Future, Ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub(crate) use self::logout::end as sign_out;
use self::{answers::empty, application::Application};
pub use self::{
    application::{LoginRequest, NewSession},
    outcome::{SignInFailure, SignInOutcome},
};
use crate::{
    authkit::AuthKit,
    body::{NoBody, ResponseBody},
    denial::Caller,
    service::give_back,
    uri::Endpoint,
};

/// The endpoints that sign users in and out: `/login`, the callback (the redirect URI's path) and `/logout`.
///
/// The paths are those that the browser sees, also where axum's `nest` shortens them; the configuration renames them.
/// It is three things at once: a layer that answers these paths and passes everything else on, a service that answers
/// everything else with 404, and (feature `axum`) a router to merge.
///
/// - **`GET /login`** sends the browser to AuthKit, with PKCE (S256) and a state that only this browser can bring back.
///   `return_to`, a path of this service, is where the user ends up. `screen_hint`, `organization_id`, `login_hint`,
///   `invitation_token`, `max_age` and `prompt` are passed on. Whoever is signed in already and brings nothing but a
///   `return_to` goes there at once. Who comes back three times within ten seconds of having signed in gets a page that
///   names the cause: cookies that the browser does not keep, a session that is too large, a wrong scheme.
/// - **The callback** exchanges the code, sets the session and goes to where the user was. It is also the sign-in
///   endpoint of the WorkOS dashboard: what begins there, an impersonation or an invitation, comes without a state, and
///   is begun again here rather than believed.
/// - **`POST /logout`** ends the session here and at WorkOS. A `GET` does so only if the user clicked a link on one of
///   our own pages; any other one, such as a link on another site, gets a page that asks. `return_to` may name a path
///   of this service that is registered as a sign-out redirect.
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
    application: Arc<Application>,
}

impl Endpoints {
    /// Makes the endpoints, at the paths of the configuration.
    pub fn new(authkit: &AuthKit) -> Self {
        Self { authkit: authkit.clone(), application: Arc::default() }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn paths(&self) -> [&str; 3] {
        let site = self.authkit.site();
        [&site.login, &site.callback, &site.logout]
    }

    /// Answers a request for one of our paths.
    fn reply<B>(&self, request: &Request<B>) -> Option<Reply> {
        let caller = Caller::of(request);
        Some(match self.authkit.site().endpoint(caller.uri.path())? {
            Endpoint::Login => Reply::Now(Box::new(login::answer(self, caller))),
            Endpoint::Callback => callback::answer(self, caller),
            Endpoint::Logout => Reply::Now(Box::new(logout::answer(&self.authkit, caller))),
        })
    }
}

/// An answer, or the way to one.
enum Reply {
    Now(Box<Response<Bytes>>),
    Later(Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>),
}

impl<S> Layer<S> for Endpoints {
    type Service = EndpointsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EndpointsService { inner, endpoints: self.clone() }
    }
}

/// Answers every other path with 404.
impl<ReqBody> Service<Request<ReqBody>> for Endpoints {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = EndpointsFuture<Ready<Result<Response<NoBody>, Infallible>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let not_found = || Reply::Now(Box::new(empty(StatusCode::NOT_FOUND)));
        self.reply(&request).unwrap_or_else(not_found).into()
    }
}

/// Service that [`Endpoints`] makes as a layer: answers its own paths, passes everything else on.
#[derive(Clone, Debug)]
pub struct EndpointsService<S> {
    inner: S,
    endpoints: Endpoints,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for EndpointsService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = EndpointsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.endpoints.reply(&request) {
            Some(reply) => {
                give_back(&mut self.inner);
                reply.into()
            }
            None => {
                EndpointsFuture { state: State::Calling { response: self.inner.call(request) } }
            }
        }
    }
}

pin_project! {
    /// Response future of [`Endpoints`] and [`EndpointsService`].
    pub struct EndpointsFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] response: F },
        Answered { response: Option<Box<Response<Bytes>>> },
        Exchanging { response: Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> },
    }
}

impl<F> From<Reply> for EndpointsFuture<F> {
    fn from(reply: Reply) -> Self {
        Self {
            state: match reply {
                Reply::Now(response) => State::Answered { response: Some(response) },
                Reply::Later(response) => State::Exchanging { response },
            },
        }
    }
}

impl<F, ResBody, E> Future for EndpointsFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProj::Calling { response } => ready!(response.poll(cx))?.map(ResponseBody::inner),
            StateProj::Answered { response } => response
                .take()
                .expect("a future is not polled after it is done")
                .map(ResponseBody::ours),
            StateProj::Exchanging { response } => {
                ready!(response.as_mut().poll(cx)).map(ResponseBody::ours)
            }
        }))
    }
}

impl<F> fmt::Debug for EndpointsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointsFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
