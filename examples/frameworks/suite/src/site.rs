use std::{fmt, future::Future, net::TcpListener, pin::Pin};

use authkit_emulator::{Emulator, SignIn, TestSession};
use authkit_tower::{AuthKit, Config, CookiePassword};
use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// A running application with its emulator of WorkOS. The application ends with the test's runtime.
pub struct Site {
    emulator: Emulator,
    origin: String,
    application: Exchange,
    client: HttpClient,
}

/// How requests reach the application.
pub type Exchange = Box<dyn Fn(Request<Bytes>) -> Exchanging + Send + Sync>;

/// A response under way.
pub type Exchanging = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl Site {
    /// Starts an application that listens. `serve` gets the listener, which does not block, and returns at once.
    pub async fn listening(serve: impl FnOnce(AuthKit, TcpListener)) -> Self {
        let emulator = Self::emulator().await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        serve(Self::authkit(&emulator, &origin), listener);
        let (client, url) = (client(), origin.clone());
        let application: Exchange = Box::new(move |request| {
            let (client, url) = (client.clone(), format!("{url}{}", request.uri()));
            Box::pin(async move { send(&client, &url, request).await })
        });
        Self::new(emulator, origin, application)
    }

    /// Starts an application that is a router of axum.
    pub async fn axum(app: impl FnOnce(&AuthKit) -> Router) -> Self {
        Self::listening(|authkit, listener| {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let app = app(&authkit);
            tokio::spawn(async move { axum::serve(listener, app).await });
        })
        .await
    }

    /// An application that is reached by `send` and not by a socket. Its origin for browsers is `origin`.
    pub fn new(emulator: Emulator, origin: String, application: Exchange) -> Self {
        Self { emulator, origin, application, client: client() }
    }

    /// An emulator whose users sign in without a page.
    pub async fn emulator() -> Emulator {
        Emulator::builder().sign_in(SignIn::Automatic).start().await.unwrap()
    }

    /// The emulator that the application signs its users in with.
    pub fn workos(&self) -> &Emulator {
        &self.emulator
    }

    /// The value of a `Cookie` header that has `session`.
    pub fn cookie(session: &TestSession) -> String {
        format!("wos_session={}", session.cookie(PASSWORD))
    }

    /// The password that the application's sessions are sealed with.
    pub const PASSWORD: &str = PASSWORD;

    /// Sends a request to the application.
    pub async fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        (self.application)(request).await
    }

    /// Follows a redirect of the application: to WorkOS, or within the application.
    pub async fn visit(&self, location: &str, cookies: &str) -> Response<Bytes> {
        let own = location.strip_prefix(&self.origin).unwrap_or(location);
        let page = Request::get(own).header("accept", "text/html").header("cookie", cookies);
        let page = page.body(Bytes::new()).unwrap();
        match own.starts_with('/') {
            true => self.ask(page).await,
            false => send(&self.client, own, page).await,
        }
    }

    fn authkit(emulator: &Emulator, origin: &str) -> AuthKit {
        let password = CookiePassword::new(PASSWORD).unwrap();
        let callback = format!("{origin}/callback");
        let config = Config::new(emulator.client_id(), emulator.api_key(), callback, password);
        AuthKit::new(config.with_base_url(emulator.url())).unwrap()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("origin", &self.origin).finish_non_exhaustive()
    }
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// What a script gets at `url`; `None` if nobody listens.
pub(crate) async fn http_get(url: &str) -> Option<Response<Bytes>> {
    let (parts, body) = client().get(url.parse().unwrap()).await.ok()?.into_parts();
    Some(Response::from_parts(parts, body.collect().await.ok()?.to_bytes()))
}

async fn send(client: &HttpClient, url: &str, mut request: Request<Bytes>) -> Response<Bytes> {
    *request.uri_mut() = url.parse().unwrap();
    let (parts, body) = client.request(request.map(Full::new)).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

const PASSWORD: &str = "a-cookie-password-of-32-characters";
