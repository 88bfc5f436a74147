use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;
use url::form_urlencoded;

use crate::api_error::ApiError;

/// The fields of a request's body, JSON or a form. A `null` counts as absent, since one SDK sends `null`.
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    pub(crate) fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, ApiError> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if content_type.starts_with("application/x-www-form-urlencoded") {
            return Ok(Self(form_urlencoded::parse(body).into_owned().collect()));
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
            return Err(ApiError::invalid_request(
                "The request body is neither a JSON object nor a form.",
            ));
        };
        let texts = object.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        });
        Ok(Self(texts.collect()))
    }

    pub(crate) fn of_query(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn require(&self, name: &str) -> Result<&str, ApiError> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| ApiError::invalid_request(format!("{name} is required.")))
    }
}
