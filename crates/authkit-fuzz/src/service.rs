//! A service behind the real layer. Each input gets a new one, so that inputs do not affect one another.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use authkit_session::{Authenticator, SealFormat, inspect};
use authkit_tower::{
    AuthKit, AuthKitLayer, Bearer, Clock, Config, CookiePassword, Endpoints, Require, Session,
};
use aws_lc_rs::rand;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{
    oracle,
    seen::Seen,
    token::{self, CLIENT_ID, ISSUER},
    workos::{Workos, WorkosAnswer},
};

/// A service, its WorkOS and its clock.
pub(crate) struct World {
    pub(crate) workos: Workos,
    pub(crate) authkit: AuthKit,
    pub(crate) clock: Clock,
    config: Config,
}

/// The layers and guards in front of the handler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Required,
    Optional,
    Bearer,
    Guarded,
    TrustedOrigin,
}

/// The answer that a client got, and what the handler saw.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The access token of the admitted principal.
    pub(crate) admitted: Option<String>,
    pub(crate) reached: bool,
}

impl Answer {
    /// Whether it gives the browser a session cookie, whole or in parts.
    pub(crate) fn sets_a_session(&self) -> bool {
        self.session_cookies().any(|(_, value)| !value.is_empty())
    }

    /// Whether it takes the browser's session cookie away, and gives it no other one.
    pub(crate) fn ends_a_session(&self) -> bool {
        !self.sets_a_session() && self.session_cookies().any(|(name, _)| name == "wos_session")
    }

    fn session_cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs =
            fields.filter_map(|field| field.to_str().ok()?.split(';').next()?.split_once('='));
        pairs.filter(|(name, _)| name.starts_with("wos_session"))
    }
}

/// The handler attaches this to its response.
#[derive(Clone)]
struct Reached(Option<String>);

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    pub(crate) fn with(set: impl FnOnce(Config) -> Config) -> Self {
        let workos = Workos::default();
        let clock = Clock::simulated(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
        let callback = format!("{ORIGIN}/callback");
        let secret = CookiePassword::new(password()).expect("it is long enough");
        let config = Config::new(CLIENT_ID, api_key(), callback, secret)
            .with_issuers([ISSUER])
            .with_session_cache(64 * 1024)
            .with_clock(clock.clone())
            .with_transport(Arc::new(workos.clone()));
        let config = set(config);
        let authkit = AuthKit::new(config.clone()).expect("the settings are good");
        workos.answers_otherwise(renewed(NOW));
        Self { workos, authkit, clock, config }
    }

    /// Another replica, whose sealed values this one opens.
    pub(crate) fn replica(&self) -> Authenticator {
        Authenticator::new(self.config.clone()).expect("the settings are good")
    }

    /// Sends a request to a service, and checks the rules for every answer.
    pub(crate) async fn send(&self, kind: Kind, request: Request<Bytes>) -> Answer {
        let layer = match kind {
            Kind::Required | Kind::Guarded => AuthKitLayer::new(&self.authkit),
            Kind::Optional => AuthKitLayer::optional(&self.authkit),
            Kind::Bearer => {
                AuthKitLayer::new(&self.authkit).with_bearer().expect("an issuer is configured")
            }
            Kind::TrustedOrigin => AuthKitLayer::new(&self.authkit)
                .with_trusted_origins([str::from_utf8(FRIEND).expect("it is text")])
                .expect("it is an origin"),
        };
        let handler = service_fn(async |request: Request<Full<Bytes>>| {
            let extensions = request.extensions();
            let session = extensions.get::<Session>();
            let owner = session.map(|it| (it.user().id.clone(), it.user_id().to_owned()));
            assert!(owner.is_none_or(|(shown, signed)| shown == signed), "another user is shown");
            let session = session.map(|it| it.access_token().expose());
            let bearer = extensions.get::<Bearer>().map(|it| it.access_token().expose());
            let mut response = Response::new(Full::new(Bytes::from_static(b"inside")));
            response.extensions_mut().insert(Reached(session.or(bearer).map(str::to_owned)));
            Ok::<_, std::convert::Infallible>(response)
        });
        let endpoints = Endpoints::new(&self.authkit);
        let is_of_another_site = is_of_another_site(kind, &request);
        let exchanges = self.workos.exchanges();
        let request = request.map(Full::new);
        let answer = if kind == Kind::Guarded {
            let guarded = Require::role("admin").layer(handler);
            answer(endpoints.layer(layer.layer(guarded)), request).await
        } else {
            answer(endpoints.layer(layer.layer(handler)), request).await
        };
        oracle::check(&answer, self);
        if kind != Kind::Optional {
            assert!(!answer.reached || answer.admitted.is_some(), "nobody got in: {answer:?}");
        }
        if let (Kind::Guarded, Some(token)) = (kind, &answer.admitted) {
            let claims = oracle::signed_claims(token).expect("only signed tokens are admitted");
            let listed = claims["roles"].as_array().is_some_and(|it| it.contains(&json!("admin")));
            assert!(claims["role"] == "admin" || listed, "past the guard: {answer:?}");
        }
        assert!(!(is_of_another_site && answer.admitted.is_some()), "another site: {answer:?}");
        Seen::note(kind, &answer, self.workos.exchanges() > exchanges);
        answer
    }

    /// The texts that no answer may contain.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = self.workos.secrets();
        secrets.extend(
            [password(), api_key(), email(), refresh_token(), upstream()].map(str::to_owned),
        );
        static GOOD: LazyLock<Vec<String>> =
            LazyLock::new(|| oracle::long_parts(&token::good(NOW)));
        secrets.extend(GOOD.iter().cloned());
        secrets
    }

    /// The payload of a cookie with this access token.
    pub(crate) fn payload(access_token: &str) -> crate::json::Members {
        crate::json::Members::new([
            ("access_token", crate::json::quoted(access_token)),
            ("refresh_token", crate::json::quoted(refresh_token())),
            ("user", json!({ "id": "user_1", "email": email(), "first_name": "F" }).to_string()),
            ("impersonator", "null".to_owned()),
        ])
    }

    /// Seals `plaintext` in the format, or in the default one if the password does not suit the format.
    pub(crate) fn seal(format: SealFormat, plaintext: &[u8]) -> String {
        let secret = CookiePassword::new(password()).expect("it is long enough");
        inspect::seal(format, &secret, plaintext)
            .or_else(|_| inspect::seal(SealFormat::Ruby, &secret, plaintext))
            .expect("the default format takes every password")
    }
}

/// Whether a browser says that another site makes it send this request, which may change something. A program's credential
/// counts whoever sends it.
fn is_of_another_site(kind: Kind, request: &Request<Bytes>) -> bool {
    let field = |name| request.headers().get(name).map_or(&b""[..], |value| value.as_bytes());
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let is_trusted = kind == Kind::TrustedOrigin && field(header::ORIGIN.as_str()) == FRIEND;
    changes
        && !is_trusted
        && !request.headers().contains_key(header::AUTHORIZATION)
        && [&b"cross-site"[..], b"same-site"].contains(&field("sec-fetch-site"))
}

/// WorkOS's answer to a successful exchange.
pub(crate) fn renewed(now: u64) -> WorkosAnswer {
    let body = json!({
        "access_token": token::good(now), "refresh_token": format!("{}-next", refresh_token()),
        "user": { "id": "user_1", "email": email() }, "organization_id": "org_1",
    });
    let json = b"application/json".to_vec();
    let headers = vec![("content-type".to_owned(), json)];
    WorkosAnswer { status: 200, headers, body: body.to_string().into_bytes() }
}

async fn answer<S, B>(service: S, request: Request<Full<Bytes>>) -> Answer
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = std::convert::Infallible>,
    B: Body,
    B::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap_or_else(|never| match never {});
    let (head, body) = response.into_parts();
    let reached = head.extensions.get::<Reached>().cloned();
    let body = body.collect().await.expect("a body in memory does not fail").to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
        reached: reached.is_some(),
        admitted: reached.and_then(|Reached(token)| token),
    }
}

/// Runs an input's requests. If everything waits for a timer, the timer fires at once.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.expect("a runtime needs no more than memory").block_on(future)
}

/// Random secrets of this process, which no input can contain.
struct Unknown {
    password: String,
    unused_password: String,
    api_key: String,
    email: String,
    refresh_token: String,
    upstream: String,
}

static UNKNOWN: LazyLock<Unknown> = LazyLock::new(|| {
    let random = |prefix: &str| {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).expect("the system has random bytes");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{prefix}{hex}")
    };
    Unknown {
        // 64 hexadecimal characters suit every format except Python's and Ruby 6's.
        password: format!("{}{}", random(""), random("")),
        unused_password: random("nothing-is-sealed-with-"),
        api_key: random("sk_test_"),
        email: random("user@") + ".test",
        refresh_token: random("refresh_"),
        upstream: random("words-of-upstream-"),
    }
});

pub(crate) fn password() -> &'static str {
    &UNKNOWN.password
}

/// A password that nothing is sealed with.
pub(crate) fn unused_password() -> &'static str {
    &UNKNOWN.unused_password
}

pub(crate) fn api_key() -> &'static str {
    &UNKNOWN.api_key
}

pub(crate) fn email() -> &'static str {
    &UNKNOWN.email
}

pub(crate) fn refresh_token() -> &'static str {
    &UNKNOWN.refresh_token
}

/// A text in WorkOS's error answers, which no client may see.
pub(crate) fn upstream() -> &'static str {
    &UNKNOWN.upstream
}

/// An origin that is trusted where one is.
const FRIEND: &[u8] = b"https://friend.example";
pub(crate) const ORIGIN: &str = "https://app.example.com";
/// The time at which every input begins, in Unix seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    /// Shows that the service admits anybody at all: many rules would hold for a service that refuses every request.
    #[test]
    fn a_plain_case_is_let_in() {
        let sessions = [(NOW, 0), (NOW - 400, 1)];
        for (issued, exchanges) in sessions {
            let world = World::new();
            let sealed = World::payload(&token::good(issued)).text();
            let sealed = World::seal(SealFormat::default(), sealed.as_bytes());
            let mut request = Request::new(Bytes::new());
            let cookie = HeaderValue::from_str(&format!("wos_session={sealed}")).unwrap();
            request.headers_mut().insert(header::COOKIE, cookie);
            let answer = run(world.send(Kind::Required, request));
            assert!(answer.admitted.is_some(), "{answer:?}");
            assert_eq!(world.workos.exchanges(), exchanges);
        }
        let world = World::new();
        let mut request = Request::new(Bytes::new());
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token::good(NOW))).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        assert!(run(world.send(Kind::Bearer, request)).admitted.is_some());
    }
}
