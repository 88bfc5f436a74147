use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, header::SET_COOKIE};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt, limit::GlobalConcurrencyLimitLayer};
use url::Url;

use super::*;
use crate::tests::{Empty, Fields, Workos, authkit, header, request};

/// A browser on our endpoints: keeps cookies, and says what browsers say when a user navigates.
pub(super) struct Browser {
    pub(super) endpoints: Endpoints,
    pub(super) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn new(authkit: &AuthKit) -> Self {
        Self::of(Endpoints::new(authkit))
    }

    pub(super) fn of(endpoints: Endpoints) -> Self {
        Self { endpoints, cookies: BTreeMap::new() }
    }

    /// A browser, its service, and the WorkOS behind it.
    pub(super) fn with_workos() -> (Self, AuthKit, Arc<Workos>) {
        let (authkit, workos) = authkit();
        (Self::new(&authkit), authkit, workos)
    }

    /// Follows a link to `uri`.
    pub(super) async fn go(&mut self, uri: &str) -> Response<Bytes> {
        self.send("GET", uri, &NAVIGATION).await
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        uri: &str,
        fields: Fields<'_>,
    ) -> Response<Bytes> {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request(method, uri, fields);
        request.headers_mut().insert("cookie", cookies.join("; ").parse().unwrap());
        let response = self.endpoints.clone().oneshot(request).await.unwrap();
        for field in response.headers().get_all(SET_COOKIE) {
            let field = field.to_str().unwrap();
            let (name, value) = field.split(';').next().unwrap().split_once('=').unwrap();
            assert!(
                field.contains("; Path=/")
                    && field.contains("; HttpOnly")
                    && field.contains("; Secure"),
                "{field}"
            );
            assert!(field.contains("; SameSite=Lax") && !field.contains("Domain"), "{field}");
            if field.contains("Max-Age=0") {
                assert!(self.cookies.remove(name).is_some(), "{name} was deleted but not there");
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        assert_eq!(header(&response, "cache-control"), "private, no-store", "{method} {uri}");
        assert_eq!(header(&response, "vary"), "Cookie", "{method} {uri}");
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    /// Starts a sign-in at `uri`; returns the parameters of the authorization request.
    pub(super) async fn start(&mut self, uri: &str) -> BTreeMap<String, String> {
        let response = self.go(uri).await;
        assert_eq!(response.status(), 302, "{uri}");
        authorization(&response)
    }

    /// Signs in, and ends up where the sign-in that begins at `uri` was to lead.
    pub(super) async fn sign_in(&mut self, uri: &str) -> Response<Bytes> {
        let started = self.start(uri).await;
        self.go(&format!("/callback?code=code_1&state={}", started["state"])).await
    }

    pub(super) fn flows(&self) -> Vec<&str> {
        self.cookies
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with("__Host-wos_auth_"))
            .collect()
    }

    /// Whether no cookie is kept but the one that marks a sign-out.
    pub(super) fn has_nothing(&self) -> bool {
        self.cookies.keys().all(|name| name.starts_with("__Host-wos_signed_out_"))
    }

    pub(super) fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("wos_session")
    }
}

/// The parameters of the authorization request that a response sends the browser to.
pub(super) fn authorization(response: &Response<Bytes>) -> BTreeMap<String, String> {
    let url = Url::parse(header(response, "location")).unwrap();
    assert_eq!(
        (url.host_str(), url.path()),
        (Some("api.workos.com"), "/user_management/authorize")
    );
    url.query_pairs().into_owned().collect()
}

pub(super) const NAVIGATION: [(&str, &str); 3] =
    [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "none")];

#[tokio::test]
async fn as_a_service_everything_else_is_not_found() {
    let (mut browser, ..) = Browser::with_workos();
    for path in ["/", "/loginx", "/login/", "/LOGIN", "/callback/x", "//login"] {
        assert_eq!(browser.go(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn every_endpoint_knows_its_methods() {
    let (mut browser, ..) = Browser::with_workos();
    for (path, allowed) in
        [("/login", "GET, HEAD, POST"), ("/callback", "GET, POST"), ("/logout", "GET, HEAD, POST")]
    {
        for method in
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS]
        {
            let response = browser.send(method.as_str(), path, &NAVIGATION).await;
            let is_allowed = allowed.split(", ").any(|one| one == method.as_str());
            assert_eq!(response.status() != 405, is_allowed, "{method} {path}");
            assert!(is_allowed || header(&response, "allow") == allowed, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn as_a_layer_everything_else_goes_inside() {
    let (authkit, _) = authkit();
    let permits = Arc::new(Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&permits));
    let inner = tower::service_fn(|_: Request<Empty>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    });
    let mut service = Endpoints::new(&authkit).layer(limit.layer(inner));

    for (path, status) in [("/", 200), ("/login", 302), ("/callback", 302), ("/logout", 200)] {
        let response =
            service.ready().await.unwrap().call(request("GET", path, &NAVIGATION)).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        drop(response);
        assert_eq!(permits.available_permits(), 1, "{path}");
    }
}
