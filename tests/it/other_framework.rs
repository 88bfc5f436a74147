//! Extractors and guards for a web framework that the crate does not know need only its public API.

use std::convert::Infallible;

use authkit_emulator::Fault;
use authkit_tower::{
    AuthKit, AuthKitLayer, Denial, DenialKind, Endpoints, FromParts, Principal, Require, Session,
    SessionRejection,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Empty, Full};
use support::{Harness, PASSWORD};
use tower::{Layer, ServiceExt, service_fn};

/// A framework whose handlers take one argument, and whose guards run before the handler.
mod toy {
    use super::{Bytes, Full, Parts, Response};

    /// An answer in place of the handler's.
    pub(super) struct Rejection(pub(super) Box<Response<Bytes>>);

    pub(super) type Guard = fn(&Parts) -> Result<(), Rejection>;

    pub(super) trait Extract: Sized {
        fn extract(parts: &Parts) -> Result<Self, Rejection>;
    }

    pub(super) fn handle<E: Extract>(
        parts: &Parts,
        guards: &[Guard],
        handler: fn(E) -> String,
    ) -> Response<Full<Bytes>> {
        let guarded = guards.iter().try_for_each(|guard| guard(parts));
        match guarded.and_then(|()| E::extract(parts)) {
            Ok(argument) => Response::new(Full::from(handler(argument))),
            Err(Rejection(response)) => response.map(Full::new),
        }
    }
}

/// An extractor of every type that has [`FromParts`], in the crate or in an application.
struct Auth<T>(T);

impl<T: FromParts> toy::Extract for Auth<T> {
    fn extract(parts: &Parts) -> Result<Self, toy::Rejection> {
        Ok(Self(T::from_parts(parts)?))
    }
}

impl From<SessionRejection> for toy::Rejection {
    fn from(rejection: SessionRejection) -> Self {
        Self(Box::new(rejection.into_http_response()))
    }
}

/// An application's own extractor, which succeeds for an administrator alone.
struct Admin(Session);

impl FromParts for Admin {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        Require::role("admin").check(parts)?;
        Session::from_parts(parts).map(Self)
    }
}

fn admins(parts: &Parts) -> Result<(), toy::Rejection> {
    Ok(Require::role("admin").check(parts)?)
}

fn name(principal: Option<&str>) -> String {
    principal.unwrap_or("nobody").to_owned()
}

fn route(parts: &Parts) -> Response<Full<Bytes>> {
    match parts.uri.path() {
        "/session" => {
            toy::handle(parts, &[], |Auth(it): Auth<Session>| it.user().email.clone().unwrap())
        }
        "/principal" => {
            toy::handle(parts, &[], |Auth(it): Auth<Principal>| it.subject().to_owned())
        }
        "/session-if-any" => toy::handle(parts, &[], |Auth(it): Auth<Option<Session>>| {
            name(it.as_ref().and_then(|it| it.user().email.as_deref()))
        }),
        "/principal-if-any" => toy::handle(parts, &[], |Auth(it): Auth<Option<Principal>>| {
            name(it.as_ref().map(|it| it.subject()))
        }),
        "/admin" => {
            toy::handle(parts, &[], |Auth(Admin(it)): Auth<Admin>| it.user().email.clone().unwrap())
        }
        "/guarded" => toy::handle(parts, &[admins], |Auth(it): Auth<Session>| {
            it.user().email.clone().unwrap()
        }),
        other => panic!("no route {other}"),
    }
}

/// Status, body and denial of the answer to `GET path`.
async fn get(
    layer: Option<&AuthKitLayer>,
    path: &str,
    fields: &[(header::HeaderName, String)],
) -> (u16, String, Option<DenialKind>) {
    let mut request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let framework = service_fn(async |request: Request<Empty<Bytes>>| {
        let (parts, _) = request.into_parts();
        Ok::<_, Infallible>(route(&parts))
    });
    let (status, kind, body) = match layer {
        Some(layer) => read(layer.layer(framework).oneshot(request).await.unwrap()).await,
        None => read(framework.oneshot(request).await.unwrap()).await,
    };
    (status, body, kind)
}

async fn read<B>(response: Response<B>) -> (u16, Option<DenialKind>, String)
where
    B: http_body::Body<Data = Bytes, Error = Infallible>,
{
    let kind = response.extensions().get::<Denial>().map(Denial::kind);
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

fn issuer(harness: &Harness) -> String {
    let claims = harness.emulator.session("alice@acme.test").claims();
    claims["iss"].as_str().unwrap().to_owned()
}

/// A caller, its layer and its fields; the status and text for each of [`ROUTES`].
type Row<'a> = (&'a str, &'a AuthKitLayer, &'a [(header::HeaderName, String)], [(u16, &'a str); 6]);

const ROUTES: [&str; 6] =
    ["/session", "/principal", "/session-if-any", "/principal-if-any", "/admin", "/guarded"];

#[tokio::test]
async fn extractors_and_guards_admit_and_deny_each_kind_of_caller() {
    let harness = Harness::start().await;
    let issuer = issuer(&harness);
    let authkit =
        harness.authkit_at("https://app.example.com", |config| config.with_issuers([issuer]));
    let required = AuthKitLayer::new(&authkit).with_bearer().unwrap();
    let optional = AuthKitLayer::optional(&authkit).with_bearer().unwrap();

    let session = |email: &str| harness.emulator.session(email);
    let cookie = |email: &str| {
        [(header::COOKIE, format!("wos_session={}", session(email).cookie(PASSWORD)))]
    };
    let (alice, bob) = (cookie("alice@acme.test"), cookie("bob@acme.test"));
    let program = session("alice@acme.test");
    let alice_id = program.claims()["sub"].as_str().unwrap().to_owned();
    let program = [(header::AUTHORIZATION, format!("Bearer {}", program.access_token()))];

    let email = "alice@acme.test";
    let cases: [Row<'_>; 5] = [
        (
            "an administrator",
            &required,
            &alice,
            [
                (200, email),
                (200, &alice_id),
                (200, email),
                (200, &alice_id),
                (200, email),
                (200, email),
            ],
        ),
        (
            "a member",
            &required,
            &bob,
            [(200, "bob@"), (200, "user_"), (200, "bob@"), (200, "user_"), (403, ""), (403, "")],
        ),
        ("nobody, required", &required, &[], [(401, "login_url"); 6]),
        (
            "nobody, optional",
            &optional,
            &[],
            [
                (401, "login_url"),
                (401, "login_url"),
                (200, "nobody"),
                (200, "nobody"),
                (401, "login_url"),
                (401, "login_url"),
            ],
        ),
        (
            "a program",
            &optional,
            &program,
            [
                (403, "access token"),
                (200, &alice_id),
                (403, "access token"),
                (200, &alice_id),
                (403, "access token"),
                (403, "access token"),
            ],
        ),
    ];
    for (name, layer, fields, expected) in cases {
        for (path, (status, text)) in ROUTES.into_iter().zip(expected) {
            let (found, body, _) = get(Some(layer), path, fields).await;
            assert_eq!(found, status, "{name}, {path}: {body}");
            assert!(body.contains(text), "{name}, {path}: {body}");
        }
    }
}

#[tokio::test]
async fn an_outage_is_a_503_and_never_an_absent_session() {
    let harness = Harness::start().await;
    let layer = AuthKitLayer::optional(&harness.authkit);
    let expired = harness.emulator.session("alice@acme.test").expired().cookie(PASSWORD);
    harness.emulator.fault(Fault::status(500).until_cleared());
    let fields = [(header::COOKIE, format!("wos_session={expired}"))];
    for path in ROUTES {
        let (status, body, kind) = get(Some(&layer), path, &fields).await;
        assert_eq!((status, kind), (503, Some(DenialKind::Unavailable)), "{path}: {body}");
    }
}

#[tokio::test]
async fn without_a_layer_the_rejection_says_what_was_forgotten() {
    for path in ROUTES {
        let (status, body, kind) = get(None, path, &[]).await;
        assert_eq!((status, kind), (500, Some(DenialKind::Misconfigured)), "{path}");
        assert!(body.contains("AuthKitLayer"), "{path}: {body}");
    }
    let (parts, ()) = Request::new(()).into_parts();
    let rejection = Session::from_parts(&parts).unwrap_err();
    assert_eq!(rejection.response().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(rejection.to_string().contains("AuthKitLayer"), "{rejection}");
}

/// A router that knows only services and paths can mount the endpoints.
#[tokio::test]
async fn the_endpoints_say_where_they_are_mounted() {
    let harness = Harness::start().await;
    let authkit: &AuthKit = &harness.authkit;
    let endpoints = Endpoints::new(authkit);
    assert_eq!(endpoints.paths(), ["/login", "/callback", "/logout"]);
    for (path, status) in endpoints.paths().into_iter().zip([302, 302, 200]) {
        let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
        let response = endpoints.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}
