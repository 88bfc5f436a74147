//! A simple browser: keeps cookies, follows redirects, and sends the headers of navigations and scripts.

use std::sync::OnceLock;

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use url::Url;

use crate::{
    jar::Jar,
    watch::{self, watch_answer},
};

/// Keeps the cookies of one user by the rules of RFC 6265bis, and drops those that a browser would drop.
///
/// It visits `http://localhost`, where browsers accept `Secure` cookies too.
#[derive(Debug)]
pub struct Browser {
    client: OnceLock<reqwest::Client>,
    jar: Jar,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The URL of the last request.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If the body is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON from {}: {}", self.url, self.text()))
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: impl AsRef<str>) -> &str {
        self.headers.get(name.as_ref()).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Every `Set-Cookie` of this cookie name.
    pub fn set_cookies(&self, name: &str) -> Vec<&str> {
        let named = |value: &&str| value.split('=').next() == Some(name);
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .filter(named)
            .collect()
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    /// A browser without cookies.
    pub fn new() -> Self {
        watch::begin();
        Self { client: OnceLock::new(), jar: Jar::default() }
    }

    /// Another browser without cookies. It shares the connections of this one, so that it costs next to nothing.
    #[must_use]
    pub fn with_new_jar(&self) -> Self {
        Self { client: OnceLock::from(self.client().clone()), jar: Jar::default() }
    }

    /// The HTTP client, which is made when it is first needed: that takes milliseconds, and many tests call services in
    /// memory only.
    fn client(&self) -> &reqwest::Client {
        self.client.get_or_init(|| {
            let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
            // The test sees the body as it was sent, even if another package turns decompression on.
            builder.no_gzip().build().expect("a client without settings can be made")
        })
    }

    /// Puts a cookie of this host into the jar.
    pub fn keep(&self, url: &str, name: &str, value: &str) {
        self.jar.store(&parsed(url), &format!("{name}={value}; Path=/"));
    }

    /// The value of a cookie; `None` if it is not kept.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.value(name)
    }

    /// The names of all cookies, except two that live for seconds: one counts sign-ins, one marks a sign-out.
    pub fn cookie_names(&self) -> Vec<String> {
        let mut names = self.jar.names();
        let passing = ["wos_bounces_", "wos_signed_out_"];
        names.retain(|name| {
            let name = name.strip_prefix("__Host-").unwrap_or(name);
            !passing.iter().any(|kind| name.starts_with(kind))
        });
        names
    }

    /// Opens a page by its address, and follows redirects.
    pub async fn open(&self, url: &str) -> Answer {
        let mut answer = self.navigate(url).await;
        for _ in 0..10 {
            if !answer.status.is_redirection() || answer.status == StatusCode::NOT_MODIFIED {
                return answer;
            }
            answer = self.navigate(self.target(&answer).as_str()).await;
        }
        panic!("more than ten redirects, the last to {}", answer.url);
    }

    /// The target of a redirect.
    ///
    /// # Panics
    ///
    /// If the answer has no `Location`.
    pub fn target(&self, answer: &Answer) -> Url {
        answer.url.join(answer.header("location")).expect("a redirect has a location")
    }

    /// Opens one page by its address, without following redirects.
    pub async fn navigate(&self, url: &str) -> Answer {
        self.send(Method::GET, url, DOCUMENT, Bytes::new()).await
    }

    /// Submits a form of a page of this site, without following redirects.
    pub async fn submit(&self, url: &str, form: &[(&str, &str)]) -> Answer {
        let origin = parsed(url).origin().ascii_serialization();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("accept", "text/html"),
        ];
        self.send(Method::POST, url, headers, Bytes::from(body)).await
    }

    /// Fetches with a script of this site.
    pub async fn fetch(&self, method: Method, url: &str, body: impl Into<Bytes>) -> Answer {
        let origin = parsed(url).origin().ascii_serialization();
        let headers = [
            ("accept", "application/json"),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
        ];
        self.send(method, url, headers, body.into()).await
    }

    /// Sends a request with these headers and the cookies that belong to it.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn send<'a>(
        &self,
        method: Method,
        url: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: Bytes,
    ) -> Answer {
        let url = parsed(url);
        let mut request = self.client().request(method, url.clone()).body(body);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("tests name headers well");
            request = request
                .header(name, HeaderValue::from_str(value).expect("tests write headers well"));
        }
        let cookies = self.cookies_for(&url);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        let mut response =
            request.send().await.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"));
        self.jar.receive(&url, response.headers());
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = response
            .bytes()
            .await
            .unwrap_or_else(|error| panic!("half an answer from {url}: {error:?}"));
        watch_answer(&headers, (!status.is_success()).then_some(&body));
        Answer { url, status, headers, body }
    }

    /// Opens a page of a service in memory, which may have any host name.
    pub async fn visit(&self, service: &Router, url: &str) -> Answer {
        self.send_to(service, Method::GET, url, DOCUMENT).await
    }

    /// Signs in at a service in memory. One replica begins the sign-in, another one may end it. Returns the answer of the
    /// callback.
    pub async fn sign_in(&self, begun: &Router, ended: &Router, origin: &str) -> Answer {
        let login = self.visit(begun, &format!("{origin}/login")).await;
        let there = self.navigate(self.target(&login).as_str()).await;
        self.visit(ended, self.target(&there).as_str()).await
    }

    /// Sends a request without a body to a service in memory.
    ///
    /// # Panics
    ///
    /// If the answer's body fails.
    pub async fn send_to<const N: usize>(
        &self,
        service: &Router,
        method: Method,
        url: &str,
        headers: [(&str, &str); N],
    ) -> Answer {
        let url = parsed(url);
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let cookies = self.cookies_for(&url);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        let request = request.body(Body::empty()).expect("a URL and a cookie make a request");
        let response =
            service.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        self.jar.receive(&url, response.headers());
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("bodies in memory do not break off").to_bytes();
        watch_answer(&head.headers, (!head.status.is_success()).then_some(&body));
        Answer { url, status: head.status, headers: head.headers, body }
    }

    /// Takes `Set-Cookie` values of a page at `url`.
    pub fn receive_all(&self, url: &str, set_cookies: &[HeaderValue]) {
        let fields = set_cookies.iter().map(|cookie| (header::SET_COOKIE, cookie.clone()));
        self.jar.receive(&parsed(url), &fields.collect());
    }

    /// The `Cookie` field for a URL: longer paths first, as browsers send them.
    pub fn cookies_for(&self, url: &Url) -> String {
        self.jar.cookies_for(url)
    }
}

/// The headers that a browser sends if its user opens an address.
pub const DOCUMENT: [(&str, &str); 4] = [
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

fn parsed(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|_| panic!("no URL: {url}"))
}
