use authkit_tower::Session;
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, header::CONTENT_TYPE},
    response::Response,
};
use serde_json::{Value, json};

use crate::when;

/// `GET /api/me`: the session as JSON. Absent values are `null` or `[]`.
pub(crate) async fn me(session: Session) -> Json<Value> {
    Json(json!({
        "user": session.user(),
        "session_id": session.session_id(),
        "organization_id": session.organization_id(),
        "role": session.role(),
        "roles": session.roles(),
        "permissions": session.permissions(),
        "entitlements": session.entitlements(),
        "feature_flags": session.feature_flags(),
        "impersonator": session.impersonator(),
        "expires_at": when::unix(session.expires_at()),
    }))
}

/// `POST /api/echo`: streams the body back, without buffering it.
pub(crate) async fn echo(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    let content_type = headers.get(CONTENT_TYPE).cloned();
    response.headers_mut().extend(content_type.map(|value| (CONTENT_TYPE, value)));
    response
}
