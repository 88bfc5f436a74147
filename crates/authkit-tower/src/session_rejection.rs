use std::{error::Error, fmt};

use bytes::Bytes;
use http::Response;

use crate::{
    denial::{Caller, Cause, Denial, Denied, Mistake, answer_without_layer},
    lookup::NoPrincipal,
    request_state::RequestState,
};

/// The response to a request whose handler needs a [`Session`](crate::Session) or [`Principal`](crate::Principal) and
/// cannot have one, or that a guard refuses.
///
/// It is the denial of the layer that handled the request, or a 500 if no layer did: then [`Display`](fmt::Display) and the
/// body say which layer is missing and where to put it. A framework sends [`into_http_response`](Self::into_http_response)
/// in place of the handler's response; with axum (feature `axum`) it is a response itself.
pub struct SessionRejection {
    response: Denied,
    message: &'static str,
}

impl SessionRejection {
    /// The denial of the layer that `state` belongs to.
    pub(crate) fn new(state: &RequestState, cause: &Cause, caller: Caller<'_>) -> Self {
        Self { response: state.deny(cause, caller), message: cause.message() }
    }

    /// The denial of the optional layer that found no principal.
    pub(crate) fn no_principal(none: &NoPrincipal, caller: Caller<'_>) -> Self {
        Self { response: none.deny(caller), message: none.cause().message() }
    }

    pub(crate) fn without_layer(mistake: Mistake, caller: Caller<'_>) -> Self {
        Self { response: answer_without_layer(mistake, caller), message: mistake.text() }
    }

    pub(crate) fn into_denied(self) -> Denied {
        self.response
    }

    /// Why the request is denied.
    pub fn denial(&self) -> Option<&Denial> {
        self.response.extensions().get()
    }

    /// The response, in the protocol of the request's client.
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }

    /// Takes the response.
    pub fn into_http_response(self) -> Response<Bytes> {
        *self.response
    }
}

impl fmt::Debug for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionRejection").field(&self.denial()).finish()
    }
}

impl fmt::Display for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for SessionRejection {}

impl From<SessionRejection> for Response<Bytes> {
    fn from(rejection: SessionRejection) -> Self {
        rejection.into_http_response()
    }
}
