//! The line between a service and WorkOS, tapped: what must stay secret goes over it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use axum::{
    Router,
    body::{self, Body},
    extract::{Request, State},
};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use serde_json::Value;
use url::Url;

use crate::{
    secrets::Secrets,
    served::{Port, Served},
};

/// Passes every call on, and remembers the secrets in it by what they are.
#[derive(Debug)]
pub struct Wiretap {
    line: Arc<Line>,
    served: Served,
}

#[derive(Debug, Default)]
struct Line {
    client: OnceLock<reqwest::Client>,
    target: OnceLock<String>,
    secrets: Mutex<Secrets>,
}

impl Wiretap {
    /// Starts listening; until [`leads_to`](Self::leads_to) is told, nobody answers.
    ///
    /// # Panics
    ///
    /// If the HTTP client cannot be made.
    pub async fn start() -> Self {
        let line = Arc::<Line>::default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        line.client.get_or_init(|| client.expect("a client without settings can be made"));
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&line));
        Self { line, served: Port::bind().await.serve_axum(router) }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.served.url()
    }

    /// Says where calls go, once.
    pub fn leads_to(&self, url: &str) {
        self.line.target.get_or_init(|| url.to_owned());
    }

    /// Every secret that went over the line, named as on the line.
    pub fn secrets(&self) -> Secrets {
        self.line.secrets().clone()
    }
}

async fn pass_on(State(line): State<Arc<Line>>, request: Request) -> Response<Body> {
    let answer = line.exchange(request).await;
    answer.unwrap_or_else(|| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}

impl Line {
    async fn exchange(&self, request: Request) -> Option<Response<Body>> {
        let (head, sent) = request.into_parts();
        let sent = body::to_bytes(sent, usize::MAX).await.ok()?;
        self.note(&sent, &REQUEST);
        let mut headers = head.headers;
        headers.remove(header::HOST);
        let url = format!("{}{}", self.target.get()?, head.uri);
        let request = self.client.get()?.request(head.method, url).headers(headers).body(sent);
        let mut answer = request.send().await.ok()?;

        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        self.note_redirect(&headers);
        let received = answer.bytes().await.ok()?;
        self.note(&received, &ANSWER);
        let mut response = Response::new(Body::from(received));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().remove(header::TRANSFER_ENCODING);
        Some(response)
    }

    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.secrets.lock().expect("no test panics while it holds the secrets")
    }

    /// Notes the fields of a JSON body that are secrets.
    fn note(&self, body: &Bytes, fields: &[&'static str]) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
        for object in [&body, &body["user"], &body["impersonator"]] {
            for field in fields {
                if let Some(secret) = object[*field].as_str() {
                    self.secrets().add(field, secret);
                }
            }
        }
    }

    /// Notes the code that a browser takes back to the service.
    fn note_redirect(&self, headers: &HeaderMap) {
        let target = headers.get(header::LOCATION).and_then(|target| target.to_str().ok());
        let Some(target) = target.and_then(|target| Url::parse(target).ok()) else { return };
        for (_, code) in target.query_pairs().filter(|(name, _)| name == "code") {
            self.secrets().add("code", code);
        }
    }
}

const REQUEST: [&str; 4] = ["client_secret", "code", "code_verifier", "refresh_token"];
/// An error's `code` is a word, not a secret.
const ANSWER: [&str; 3] = ["access_token", "refresh_token", "email"];
