use std::{
    fmt, io,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Position, Url};

use super::WebhookInfo;

/// A webhook endpoint, to which events are sent.
pub(crate) struct WebhookEndpoint {
    url: Url,
    secret: String,
    /// All events, if empty.
    events: Vec<String>,
    delivered: AtomicU64,
    given_up: AtomicU64,
}

impl WebhookEndpoint {
    /// An endpoint for all events at an `http` URL. The emulator does not speak TLS, which services on one machine do not
    /// need.
    pub(crate) fn reachable(url: &str, secret: &str) -> Result<Self, String> {
        let endpoint = Self::new(url, secret, Vec::new())?;
        if endpoint.is_reachable() {
            Ok(endpoint)
        } else {
            Err(format!("{url} is not an http URL"))
        }
    }

    /// An endpoint of a seed, which may have a URL that the emulator cannot send to.
    pub(crate) fn new(url: &str, secret: &str, events: Vec<String>) -> Result<Self, String> {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        let url = parsed.ok_or_else(|| format!("{url} is not an http URL"))?;
        let secret = secret.to_owned();
        Ok(Self { url, secret, events, delivered: AtomicU64::new(0), given_up: AtomicU64::new(0) })
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.url.scheme() == "http"
    }

    pub(crate) fn wants(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == event)
    }

    /// The URL without its query, which may hold a secret.
    pub(crate) fn place(&self) -> &str {
        &self.url[..Position::AfterPath]
    }

    pub(crate) fn info(&self) -> WebhookInfo {
        WebhookInfo {
            url: self.url.to_string(),
            secret: self.secret.clone(),
            events: self.events.clone(),
            delivered: self.delivered.load(Ordering::SeqCst),
            given_up: self.given_up.load(Ordering::SeqCst),
        }
    }

    pub(crate) fn count_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn count_given_up(&self) {
        self.given_up.fetch_add(1, Ordering::SeqCst);
    }

    /// Sends one signed request, and returns the status of the answer.
    pub(crate) async fn post(&self, body: Bytes, time: SystemTime) -> io::Result<StatusCode> {
        // `Url` keeps the brackets of an IPv6 address, which a resolver does not accept.
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let path = &self.url[Position::BeforePath..Position::AfterQuery];
        let request = Request::post(path)
            .header(header::HOST, &self.url[Position::BeforeHost..Position::AfterPort])
            .header(header::CONTENT_TYPE, "application/json")
            .header("WorkOS-Signature", self.sign(&body, time))
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok(response.status())
    }

    fn sign(&self, body: &[u8], time: SystemTime) -> String {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let tag = hmac::sign(&key, &[time.as_bytes(), b".", body].concat());
        let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time}, v1={tag}")
    }
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEndpoint").field("url", &self.place()).finish_non_exhaustive()
    }
}
