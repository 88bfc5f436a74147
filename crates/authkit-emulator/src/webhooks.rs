//! Webhooks: what WorkOS tells an application of its own accord, signed as it signs them.
//!
//! ```text
//! WorkOS-Signature: t=<milliseconds since 1970>, v1=<hex( HMAC-SHA256( secret, t · "." · body ))>
//! ```

use std::{
    fmt, io,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc};
use url::Url;

use crate::{clock::timestamp, ids};

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
    pub(crate) to: Arc<WebhookEndpoint>,
    pub(crate) body: Bytes,
}

impl WebhookEndpoint {
    /// `None` where `url` is not an http URL: there is no certificate to check on one machine.
    pub(crate) fn new(url: &str, secret: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "http" && url.has_host())?;
        Some(Self { url, key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) })
    }

    /// Sends one signed request, and says what was answered.
    pub(crate) async fn post(&self, body: Bytes, time: SystemTime) -> io::Result<StatusCode> {
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

    pub(crate) fn emit(&self, event: &str, data: &Value, now: SystemTime) {
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
