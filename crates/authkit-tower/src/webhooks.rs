//! What WorkOS tells the service of its own accord: sessions that ended, members whose role changed.

mod answer;
mod event;
mod receiver;
mod signature;

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use authkit_session::{BoxFuture, ConfigError, Secret};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use self::{receiver::WebhookReceiver, signature::WebhookSecrets};
use crate::{
    authkit::AuthKit,
    body::{NoBody, ResponseBody},
};

/// The endpoint for WorkOS's webhooks: a session that ends at WorkOS ends here at once.
///
/// Without it, a revoked session continues until its access token expires, after 5 minutes by default.
///
/// | event | effect |
/// |---|---|
/// | `session.revoked` | the session is refused |
/// | `user.deleted` | all of the user's sessions are refused |
/// | `organization_membership.updated`, `.deleted` | the member's sessions in the organization are refreshed before the next request is let in, so that it sees the new role or none |
/// | `api_key.revoked` | the customer's API key is refused |
/// | `api_key.updated` | WorkOS is asked about the key before it is let in again |
/// | `organization.deleted`, `organization_role.updated`, `.deleted` | all sessions in the organization are refreshed before the next request is let in |
/// | any other | none |
///
/// A role or a permission of the whole environment (`role.updated`, `permission.deleted` and so on) concerns the
/// sessions of every user at once. Refreshing all of them before their next request would exceed WorkOS's rate limits,
/// so such a change is seen when each session is refreshed anyway.
///
/// It is a tower service: route the path to it that the WorkOS dashboard names, outside of every
/// [`AuthKitLayer`](crate::AuthKitLayer). With replicas, whichever gets the event tells the others, where
/// [`Config::with_revocations`](crate::Config::with_revocations) says how.
///
/// # Answers
///
/// The `WorkOS-Signature` header is judged before the body is read. WorkOS sends a webhook again for up to 3 days unless
/// the answer is a 2xx.
///
/// | status | meaning |
/// |---|---|
/// | 200 | taken, taken before, of no concern here, or signed but larger than 1 MiB |
/// | 400 | no signature, or an unreadable one; or the connection broke |
/// | 401 | the signature is not WorkOS's, or its time is more than 180 seconds from ours |
/// | 405 | not a `POST` |
/// | 408 | the body took more than 10 seconds |
/// | 422 | signed by WorkOS, but it is no event, or does not say whom it concerns |
/// | 503 | in effect here, but other replicas could not be told: WorkOS sends the event again |
///
/// Of an event, its name and whom it concerns have to be there. Without an `id`, it is taken as often as it comes; without
/// a readable `created_at`, its time is that of its arrival.
///
/// A body of more than 1 MiB is read to its end without being kept, and has no effect: no event of the table is that
/// large, and an answer other than 200 would only bring it back.
///
/// Each kind of refusal is logged once a minute, with a count.
///
/// # Examples
///
/// ```
/// use authkit_tower::{AuthKit, ConfigError, Webhooks};
/// use axum::Router;
///
/// # fn app(authkit: &AuthKit, secret: String) -> Result<Router, ConfigError> {
/// let webhooks = Webhooks::new(authkit, secret)?;
/// Ok(Router::new().route_service("/webhooks/workos", webhooks))
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Webhooks {
    receiver: WebhookReceiver,
}

impl Webhooks {
    /// The fewest bytes that a secret has.
    pub const MIN_SECRET_LEN: usize = 16;

    /// Makes the endpoint. `secret` is the signing secret that the WorkOS dashboard shows for it.
    ///
    /// # Errors
    ///
    /// If the secret has fewer than [`MIN_SECRET_LEN`](Self::MIN_SECRET_LEN) bytes, like an empty variable, or starts
    /// or ends with white space or a quote: whoever knows or guesses the secret can sign anybody out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// use authkit_tower::Webhooks;
    ///
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// assert!(Webhooks::new(&authkit, "whsec_0123456789abcdef").is_ok());
    /// assert!(Webhooks::new(&authkit, "").is_err());
    /// # Ok::<(), authkit_tower::ConfigError>(())
    /// ```
    pub fn new(authkit: &AuthKit, secret: impl Into<Secret>) -> Result<Self, ConfigError> {
        let secrets = WebhookSecrets::new(&secret.into())?;
        Ok(Self { receiver: WebhookReceiver::new(authkit, secrets) })
    }

    /// Also takes webhooks that are signed with one of these secrets (default: none). While a secret is being rotated,
    /// the old one and the new one are in use at the same time.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// use authkit_tower::Webhooks;
    ///
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// let webhooks = Webhooks::new(&authkit, "whsec_the_new_secret")?.with_other_secrets(["whsec_the_old_secret"])?;
    /// # Ok::<(), authkit_tower::ConfigError>(())
    /// ```
    pub fn with_other_secrets(
        self,
        secrets: impl IntoIterator<Item = impl Into<Secret>>,
    ) -> Result<Self, ConfigError> {
        let secrets: Vec<Secret> = secrets.into_iter().map(Into::into).collect();
        Ok(Self { receiver: self.receiver.with_other_secrets(&secrets)? })
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Webhooks
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<ResponseBody<NoBody>>;
    type Error = Infallible;
    type Future = WebhooksFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let receiver = self.receiver.clone();
        WebhooksFuture(Box::pin(async move { receiver.receive(request).await.response() }))
    }
}

/// Response future of [`Webhooks`].
pub struct WebhooksFuture(BoxFuture<'static, Response<Bytes>>);

impl Future for WebhooksFuture {
    type Output = Result<Response<ResponseBody<NoBody>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(|response| Ok(response.map(ResponseBody::ours)))
    }
}

impl fmt::Debug for WebhooksFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
