//! Webhooks: events that are sent to applications, with WorkOS's signature.
//!
//! ```text
//! WorkOS-Signature: t=<milliseconds since 1970>, v1=<hex( HMAC-SHA256( secret, t · "." · body ))>
//! ```

mod endpoint;

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(crate) use self::endpoint::WebhookEndpoint;
use crate::{clock::timestamp, ids, state::Shared};

/// The webhooks of a running emulator; see [`Emulator::webhooks`](crate::Emulator::webhooks).
///
/// Events are `session.created` at every sign-in, `session.revoked` on sign-out and revocation, `user.created`,
/// `user.updated` and `user.deleted`, `organization.deleted`, `organization_membership.created`, `.updated` and
/// `.deleted`, and `api_key.created`, `.updated` and `.revoked`. The emulator repeats an event that is not answered with
/// success up to 5 times, with pauses of 7.75 seconds in all; then it gives the event up, counts it in
/// [`WebhookInfo::given_up`], and reports it by a `tracing` event at `WARN`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// emulator.webhooks().add("http://localhost:3000/webhooks", "whsec_test");
/// let [webhook] = emulator.webhooks().all().try_into().unwrap();
/// assert_eq!((webhook.delivered, webhook.given_up), (0, 0));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Webhooks<'a> {
    shared: &'a Shared,
}

impl<'a> Webhooks<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared }
    }

    /// Also sends all further events to `url`, signed with `secret`.
    ///
    /// # Panics
    ///
    /// If `url` is not an http URL.
    pub fn add(&self, url: &str, secret: &str) {
        let endpoint = WebhookEndpoint::reachable(url, secret)
            .unwrap_or_else(|problem| panic!("webhooks cannot be sent there: {problem}"));
        self.shared.lock().webhooks.add(endpoint);
    }

    /// Every endpoint, the seed's first, with the counts of its deliveries.
    pub fn all(&self) -> Vec<WebhookInfo> {
        self.shared.lock().webhooks.infos().collect()
    }

    /// Signs `body` and sends it unchanged to every endpoint, for events that the emulator does not send by itself and
    /// for malformed ones.
    pub fn send(&self, body: &Value) {
        self.shared.lock().webhooks.send_raw(body);
    }
}

/// A webhook endpoint, with the counts of its deliveries.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct WebhookInfo {
    /// Where events are sent.
    pub url: String,
    /// The secret that signs the events; random if the seed names none.
    pub secret: String,
    /// The names of the events that are sent; all, if empty.
    pub events: Vec<String>,
    /// How many events have been answered with success.
    pub delivered: u64,
    /// How many events have been given up.
    pub given_up: u64,
}

impl std::fmt::Debug for WebhookInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookInfo")
            .field("url", &self.url)
            .field("delivered", &self.delivered)
            .field("given_up", &self.given_up)
            .finish_non_exhaustive()
    }
}

/// The endpoints, and the channel to the task that sends.
pub(crate) struct WebhookEndpoints {
    endpoints: Vec<Arc<WebhookEndpoint>>,
    outbox: mpsc::UnboundedSender<Delivery>,
}

/// One event on its way to one endpoint.
pub(crate) struct Delivery {
    pub(crate) to: Arc<WebhookEndpoint>,
    /// The event's name, for the log.
    pub(crate) event: String,
    pub(crate) body: Bytes,
}

impl WebhookEndpoints {
    pub(crate) fn new(
        endpoints: impl IntoIterator<Item = WebhookEndpoint>,
    ) -> (Self, mpsc::UnboundedReceiver<Delivery>) {
        let (outbox, deliveries) = mpsc::unbounded_channel();
        (Self { endpoints: endpoints.into_iter().map(Arc::new).collect(), outbox }, deliveries)
    }

    pub(crate) fn add(&mut self, endpoint: WebhookEndpoint) {
        self.endpoints.push(Arc::new(endpoint));
    }

    pub(crate) fn infos(&self) -> impl Iterator<Item = WebhookInfo> {
        self.endpoints.iter().map(|endpoint| endpoint.info())
    }

    /// Sends an event to the endpoints that want it.
    pub(crate) fn emit(&self, event: &str, data: &Value, now: SystemTime) {
        let body = json!({
            "object": "event",
            "id": ids::object_id("event", now),
            "event": event,
            "data": data,
            "created_at": timestamp(now),
        });
        let wanted = self.endpoints.iter().filter(|endpoint| endpoint.wants(event));
        self.send(wanted, event, &body);
    }

    /// Sends any body to all endpoints.
    pub(crate) fn send_raw(&self, body: &Value) {
        let event = body["event"].as_str().unwrap_or("an event without a name");
        self.send(self.endpoints.iter(), event, body);
    }

    fn send<'a>(
        &self,
        endpoints: impl Iterator<Item = &'a Arc<WebhookEndpoint>>,
        event: &str,
        body: &Value,
    ) {
        let body = Bytes::from(body.to_string());
        for to in endpoints {
            let delivery =
                Delivery { to: Arc::clone(to), event: event.to_owned(), body: body.clone() };
            // Fails only while the emulator stops.
            let _ = self.outbox.send(delivery);
        }
    }
}
