//! A service of the given kind, on a port that it prints: `GET /` greets the user of a session, and `GET /start` begins the
//! session.

#![forbid(unsafe_code)]

use std::{collections::HashMap, convert::Infallible, env, sync::Arc};

use anyhow::{Context, Result, bail};
use authkit_bench::{PASSWORD, Sample, Sdk};
use authkit_session::{SealFormat, User};
use authkit_tower::{AuthKit, AuthKitLayer, Session};
use axum::{
    Router, extract::State, http::header::SET_COOKIE, response::AppendHeaders, routing::get,
};
use axum_extra::extract::{
    CookieJar, PrivateCookieJar,
    cookie::{Cookie, Key},
};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId};
use tokio::{net::TcpListener, runtime};
use tower_sessions::{MemoryStore, SessionManagerLayer};
use tower_sessions_014 as login;

fn main() -> Result<()> {
    let kind = env::args().nth(1).context("server KIND")?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sample = Sample::read();
        let router = match kind.as_str() {
            "bare" => bare(&sample),
            "ours" => ours(&sample, 32 << 20)?,
            "ours-cold" => ours(&sample, 0)?,
            "ours-of-workos" => greeting(&AuthKit::from_env()?),
            "tower-sessions" => tower_sessions(&sample),
            "axum-login" => axum_login(&sample),
            "private-cookie-jar" => private_cookie_jar(&sample),
            "sdk" => sdk(&sample).await,
            _ => bail!("no such kind: {kind}"),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        Ok(axum::serve(listener, router).await?)
    })
}

fn hello(user: &User) -> String {
    format!("Hello {}", user.email.as_deref().unwrap_or_default())
}

/// A service without sessions.
fn bare(sample: &Sample) -> Router {
    // Shared, since axum clones a handler for each request.
    let user = Arc::new(sample.user());
    Router::new().route("/", get(async move || hello(&user))).route("/start", get(async || ""))
}

fn ours(sample: &Sample, cache: usize) -> Result<Router> {
    let authkit = AuthKit::new(sample.config().with_session_cache(cache))?;
    Ok(greeting(&authkit).merge(starting_with(sample, SealFormat::Ruby)))
}

fn greeting(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/", get(async |session: Session| hello(session.user())))
        .route_layer(AuthKitLayer::new(authkit))
}

/// The official SDK as in its guide: the handler opens and verifies the cookie.
async fn sdk(sample: &Sample) -> Router {
    let sdk = Sdk::new(sample);
    let handler = async |State(sdk): State<Sdk>, jar: CookieJar| {
        let cookie = jar.get("wos_session").map(Cookie::value).unwrap_or_default();
        format!("Hello {}", sdk.authenticate(cookie).await)
    };
    Router::new()
        .route("/", get(handler))
        .with_state(sdk)
        .merge(starting_with(sample, SealFormat::Rust))
}

fn starting_with(sample: &Sample, format: SealFormat) -> Router {
    let sealed = sample.clone();
    let start = async move || {
        // On a thread of its own, since sealing runs a runtime of its own.
        let cookie = tokio::task::spawn_blocking(move || sealed.cookies(1, format).remove(0)).await;
        let cookie = cookie.expect("sealing does not panic");
        AppendHeaders([(SET_COOKIE, format!("wos_session={cookie}; Path=/"))])
    };
    Router::new().route("/start", get(start))
}

/// The user in the session of a store in memory.
fn tower_sessions(sample: &Sample) -> Router {
    let user = sample.user();
    let start = async move |session: tower_sessions::Session| {
        session.insert("user", &user).await.expect("memory takes it");
    };
    let handler = async |session: tower_sessions::Session| {
        let user: User =
            session.get("user").await.expect("memory has it").expect("it was inserted");
        hello(&user)
    };
    Router::new()
        .route("/", get(handler))
        .route("/start", get(start))
        .layer(SessionManagerLayer::new(MemoryStore::default()))
}

/// The user of a backend in memory, whose id is in the session.
fn axum_login(sample: &Sample) -> Router {
    let user = Arc::new(sample.user());
    let backend = Backend(Arc::new(HashMap::from([(user.id.clone(), Account(user))])));
    let account = backend.0.values().next().expect("one user").clone();
    let start = async move |mut auth: axum_login::AuthSession<Backend>| {
        auth.login(&account).await.expect("memory takes it");
    };
    let handler =
        async |auth: axum_login::AuthSession<Backend>| hello(&auth.user.expect("they signed in").0);
    let sessions = login::SessionManagerLayer::new(login::MemoryStore::default());
    Router::new()
        .route("/", get(handler))
        .route("/start", get(start))
        .layer(AuthManagerLayerBuilder::new(backend, sessions).build())
}

#[derive(Clone, Debug)]
struct Account(Arc<User>);

impl AuthUser for Account {
    type Id = String;

    fn id(&self) -> String {
        self.0.id.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.0.id.as_bytes()
    }
}

#[derive(Clone)]
struct Backend(Arc<HashMap<String, Account>>);

impl AuthnBackend for Backend {
    type User = Account;
    type Credentials = ();
    type Error = Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<Account>, Infallible> {
        Ok(None)
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<Account>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
}

/// The user, encrypted in a cookie and without signed tokens: the cost of encryption alone.
fn private_cookie_jar(sample: &Sample) -> Router {
    let user = sample.user();
    let start = async move |jar: PrivateCookieJar| {
        jar.add(Cookie::new("user", serde_json::to_string(&user).expect("a user is JSON")))
    };
    let handler = async |jar: PrivateCookieJar| {
        let cookie = jar.get("user").expect("it was set");
        hello(&serde_json::from_str::<User>(cookie.value()).expect("it is a user"))
    };
    Router::new()
        .route("/", get(handler))
        .route("/start", get(start))
        .with_state(Key::from(PASSWORD.as_bytes()))
}
