use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// An error in one of the three shapes that WorkOS's production uses.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// `{error, error_description}`: the shape of OAuth (RFC 6749 section 5.2).
    OAuth { error: &'static str, description: String },
    /// `{code, message, ...}`: WorkOS's own shape.
    Coded { status: StatusCode, code: &'static str, message: String, more: Map<String, Value> },
    /// `{message}` alone.
    Plain { status: StatusCode, message: &'static str },
}

impl ApiError {
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        Self::OAuth { error, description: description.into() }
    }

    pub(crate) fn coded(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::Coded { status, code, message: message.into(), more: Map::new() }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::coded(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn plain(status: StatusCode, message: &'static str) -> Self {
        Self::Plain { status, message }
    }

    pub(crate) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::oauth("invalid_grant", description)
    }

    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::oauth("invalid_request", description)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::plain(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    /// Adds a field to a coded error.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        if let Self::Coded { more, .. } = &mut self {
            more.insert(name.to_owned(), value);
        }
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::OAuth { error, description } => {
                let body = json!({ "error": error, "error_description": description });
                (StatusCode::BAD_REQUEST, Json(body)).into_response()
            }
            Self::Coded { status, code, message, mut more } => {
                more.insert("code".to_owned(), code.into());
                more.insert("message".to_owned(), message.into());
                (status, Json(more)).into_response()
            }
            Self::Plain { status, message } => {
                (status, Json(json!({ "message": message }))).into_response()
            }
        }
    }
}
