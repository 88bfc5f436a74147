//! The answer to a delivery.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, RETRY_AFTER},
};

use super::signature::SignatureError;

/// The result of a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WebhookAnswer {
    Taken,
    WrongMethod,
    /// Signed, but larger than the limit. Answered like a taken event; otherwise WorkOS would send it for 3 days.
    TooLarge,
    TooSlow,
    /// The connection broke in the middle of the body.
    Cut,
    Unsigned(SignatureError),
    NotUnderstood,
    NotPublished,
}

impl WebhookAnswer {
    fn status(self) -> StatusCode {
        match self {
            Self::Taken | Self::TooLarge => StatusCode::OK,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Cut | Self::Unsigned(SignatureError::Malformed) => StatusCode::BAD_REQUEST,
            Self::Unsigned(SignatureError::Wrong | SignatureError::Stale) => {
                StatusCode::UNAUTHORIZED
            }
            Self::NotUnderstood => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotPublished => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::WrongMethod => headers.insert(ALLOW, HeaderValue::from_static("POST")),
            Self::NotPublished => headers.insert(RETRY_AFTER, HeaderValue::from_static("5")),
            Self::Taken
            | Self::TooLarge
            | Self::TooSlow
            | Self::Cut
            | Self::Unsigned(_)
            | Self::NotUnderstood => None,
        };
        response
    }

    /// Why the delivery had no effect, in a word for logs; `None` if it had one.
    pub(super) fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Taken | Self::WrongMethod => None,
            Self::TooLarge => Some("too_large"),
            Self::TooSlow => Some("too_slow"),
            Self::Cut => Some("cut_off"),
            Self::Unsigned(SignatureError::Malformed) => Some("no_signature"),
            Self::Unsigned(SignatureError::Stale) => Some("stale_signature"),
            Self::Unsigned(SignatureError::Wrong) => Some("wrong_signature"),
            Self::NotUnderstood => Some("not_understood"),
            Self::NotPublished => Some("not_published"),
        }
    }

    /// Logs a refusal, which `count` deliveries got; this one is the latest.
    pub(super) fn log(self, reason: &str, count: u64) {
        match self {
            Self::Taken | Self::WrongMethod => {}
            Self::Unsigned(_) => {
                tracing::warn!(reason, count, "webhooks were refused: WorkOS did not sign them");
            }
            Self::TooSlow | Self::Cut => {
                tracing::warn!(reason, count, "webhooks did not arrive whole");
            }
            Self::TooLarge => {
                tracing::warn!(
                    reason,
                    count,
                    "webhooks signed by WorkOS are larger than 1 MiB and had no effect"
                );
            }
            Self::NotUnderstood => {
                tracing::error!(reason, count, "webhooks signed by WorkOS were not understood");
            }
            Self::NotPublished => {
                tracing::warn!(
                    reason,
                    count,
                    "revocations hold here, but other replicas may not have heard of them: \
                     WorkOS is asked to send them again"
                );
            }
        }
    }
}
