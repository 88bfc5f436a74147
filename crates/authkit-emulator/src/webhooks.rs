//! Webhooks: what WorkOS tells an application of its own accord, signed as it signs them.
//!
//! ```text
//! WorkOS-Signature: t=<milliseconds since 1970>, v1=<hex( HMAC-SHA256( secret, t · "." · body ))>
//! ```

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};
use url::Url;

use crate::{
    clock::timestamp,
    ids,
    state::{Membership, Shared, State},
};

/// Where events are sent to.
pub(crate) struct WebhookEndpoint {
    url: Url,
    key: hmac::Key,
}

/// The endpoints, and the way to the task that sends.
pub(crate) struct Webhooks {
    endpoints: Vec<Arc<WebhookEndpoint>>,
    outbox: mpsc::UnboundedSender<Delivery>,
}

/// One event on its way to one endpoint.
pub(crate) struct Delivery {
    to: Arc<WebhookEndpoint>,
    body: Bytes,
}

impl WebhookEndpoint {
    /// `None` where `url` is not an http URL: there is no certificate to check on one machine.
    pub(crate) fn new(url: &str, secret: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "http" && url.has_host())?;
        Some(Self { url, key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) })
    }

    /// Sends one signed request, and says what was answered.
    async fn post(&self, body: Bytes, time: SystemTime) -> io::Result<StatusCode> {
        // Url keeps the brackets of an IPv6 address, which a resolver does not know.
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let path = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let request = Request::post(path)
            .header(header::HOST, &self.url[url::Position::BeforeHost..url::Position::AfterPort])
            .header(header::CONTENT_TYPE, "application/json")
            .header("WorkOS-Signature", self.sign(&body, time))
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok(response.status())
    }

    fn sign(&self, body: &[u8], time: SystemTime) -> String {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
        let tag = hmac::sign(&self.key, &[time.as_bytes(), b".", body].concat());
        let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time}, v1={tag}")
    }
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEndpoint").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl Webhooks {
    pub(crate) fn new(
        endpoints: impl IntoIterator<Item = WebhookEndpoint>,
    ) -> (Self, mpsc::UnboundedReceiver<Delivery>) {
        let (outbox, deliveries) = mpsc::unbounded_channel();
        (Self { endpoints: endpoints.into_iter().map(Arc::new).collect(), outbox }, deliveries)
    }

    pub(crate) fn add(&mut self, endpoint: WebhookEndpoint) {
        self.endpoints.push(Arc::new(endpoint));
    }

    fn emit(&self, event: &str, data: &Value, now: SystemTime) {
        let body = json!({
            "object": "event",
            "id": ids::object_id("event", now),
            "event": event,
            "data": data,
            "created_at": timestamp(now),
        });
        let body = Bytes::from(body.to_string());
        for to in &self.endpoints {
            // Fails only while the emulator stops.
            let _ = self.outbox.send(Delivery { to: Arc::clone(to), body: body.clone() });
        }
    }
}

/// What changes is told.
impl State {
    /// Ends a session; false if there is none of that id. Ending it again changes nothing.
    pub(crate) fn end_session(&mut self, id: &str) -> bool {
        let now = self.now();
        let was_active = self.sessions.get(id).is_some_and(|session| session.ended_at.is_none());
        let known = self.sessions.end(id, now);
        if let Some(session) = self.sessions.get(id).filter(|_| was_active) {
            self.webhooks.emit("session.revoked", &session.to_json(now), now);
        }
        known
    }

    /// Makes somebody a member, or gives a member another role.
    pub(crate) fn set_membership(&mut self, membership: Membership) {
        let now = self.now();
        let Membership { user_id, organization_id, .. } = &membership;
        let event = match self.directory.membership(user_id, organization_id) {
            Some(_) => "organization_membership.updated",
            None => "organization_membership.created",
        };
        let data = membership_json(&membership, now);
        self.directory.add_membership(membership);
        self.webhooks.emit(event, &data, now);
    }

    pub(crate) fn remove_membership(&mut self, user_id: &str, organization_id: &str) {
        let now = self.now();
        let Some(membership) = self.directory.membership(user_id, organization_id) else { return };
        let data = membership_json(membership, now);
        self.directory.remove_membership(user_id, organization_id);
        self.webhooks.emit("organization_membership.deleted", &data, now);
    }

    /// Removes a user and ends all sessions of that user.
    pub(crate) fn remove_user(&mut self, id: &str) {
        let now = self.now();
        let Some(data) = self.directory.user(id).map(|user| user.to_json()) else { return };
        self.sessions.end_all(id, now);
        self.directory.remove_user(id);
        self.webhooks.emit("user.deleted", &data, now);
    }
}

/// Sends what is to be sent, each on its own: WorkOS keeps no order either.
pub(crate) async fn deliver(
    shared: Arc<Shared>,
    mut deliveries: mpsc::UnboundedReceiver<Delivery>,
) {
    while let Some(delivery) = deliveries.recv().await {
        tokio::spawn(send(Arc::clone(&shared), delivery));
    }
}

/// Sends until it is answered with success, a few times at most.
async fn send(shared: Arc<Shared>, Delivery { to, body }: Delivery) {
    for pause in PAUSES {
        sleep(pause).await;
        let now = shared.lock().now();
        let answer = timeout(PATIENCE, to.post(body.clone(), now)).await;
        if answer.is_ok_and(|answer| answer.is_ok_and(|status| status.is_success())) {
            return;
        }
    }
}

fn membership_json(membership: &Membership, now: SystemTime) -> Value {
    let Membership { user_id, organization_id, role } = membership;
    json!({
        "object": "organization_membership",
        "id": membership_id(user_id, organization_id),
        "user_id": user_id,
        "organization_id": organization_id,
        "status": "active",
        "role": { "slug": role },
        "custom_attributes": {},
        "directory_managed": false,
        "created_at": timestamp(now),
        "updated_at": timestamp(now),
    })
}

/// The same for the same membership, though the directory keeps none.
fn membership_id(user_id: &str, organization_id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{user_id} {organization_id}").as_bytes());
    let hex: String = digest.as_ref()[..13].iter().map(|byte| format!("{byte:02X}")).collect();
    format!("om_{hex}")
}

/// How long an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is waited before each attempt; WorkOS goes on for days.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
