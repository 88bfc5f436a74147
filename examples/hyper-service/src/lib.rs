//! AuthKit sessions on hyper alone: tower's `ServiceBuilder`, two layers and a function.

#![forbid(unsafe_code)]

use std::{convert::Infallible, error::Error};

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{Either, Full};
use serde_json::json;
use tower::{Service, ServiceBuilder};

/// Makes the application. Every path except the sign-in endpoints needs a session.
pub fn app<B>(
    authkit: &AuthKit,
) -> impl Service<
    Request<B>,
    Response = Response<impl Body<Data = Bytes, Error = BoxError> + Send + use<B>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ use<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send,
{
    ServiceBuilder::new()
        .layer(Endpoints::new(authkit))
        .layer(AuthKitLayer::new(authkit))
        .service_fn(handle)
}

/// The error type of bodies.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A response with a body of our own, or with the request's body.
type Answer<B> = Response<Either<Full<Bytes>, B>>;

async fn handle<B>(request: Request<B>) -> Result<Answer<B>, Infallible> {
    let session = request.extensions().get::<Session>().expect("the layer requires a session");
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => {
            let button = r#"<form method="post" action="/logout"><button>Sign out</button></form>"#;
            let name = escape(&session.user().display_name());
            ours("text/html; charset=utf-8", format!("<!doctype html><p>Hello {name}</p>{button}"))
        }
        (&Method::GET, "/api/me") => {
            let me = json!({ "user_id": session.user_id(), "email": session.user().email, "role": session.role() });
            ours("application/json", me.to_string())
        }
        (&Method::POST, "/api/echo") => Response::new(Either::Right(request.into_body())),
        _ => {
            let mut response = ours("text/plain; charset=utf-8", "Nothing here.\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn ours<B>(content_type: &'static str, text: String) -> Answer<B> {
    let mut response = Response::new(Either::Left(Full::from(text)));
    let content_type = http::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
