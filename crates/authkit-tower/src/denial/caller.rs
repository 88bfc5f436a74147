use authkit_session::integration::FetchDestination;
use http::{Extensions, HeaderMap, Method, Request, Uri, request::Parts};

use crate::{
    client_kind::ClientKind,
    site::Site,
    uri::{self, ReturnTarget},
};

/// The parts of a request that shape the answer to it.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) client: ClientKind,
    pub(crate) method: &'a Method,
    /// As the client sent it.
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Caller<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self::new(request.method(), request.uri(), request.headers(), request.extensions())
    }

    pub(crate) fn of_parts(parts: &'a Parts) -> Self {
        Self::new(&parts.method, &parts.uri, &parts.headers, &parts.extensions)
    }

    fn new(
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
        extensions: &'a Extensions,
    ) -> Self {
        Self {
            client: ClientKind::of(method, headers),
            method,
            uri: uri::original(uri, extensions),
            headers,
        }
    }

    /// Where the user is sent after signing in.
    pub(crate) fn return_path(&self, site: &Site) -> ReturnTarget {
        ReturnTarget::of_request(self.client, self.method, self.uri, self.headers, site)
    }

    /// Tells the core whether the answer may delete the session cookie.
    pub(crate) fn destination(&self) -> FetchDestination {
        if self.client == ClientKind::Document && *self.method == Method::GET {
            FetchDestination::Document
        } else {
            FetchDestination::Other
        }
    }
}
