//! What the unit tests share: requests, and a WorkOS in memory.

mod refresh_hook;
mod workos;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, header::SET_COOKIE};

pub(crate) use self::workos::{Reply, Workos, authkit, authkit_of};

/// The body of a request that has none.
pub(crate) type Empty = http_body_util::Empty<Bytes>;

/// Header fields of a request, by name and value.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn headers(fields: Fields<'_>) -> HeaderMap {
    request("GET", "/", fields).into_parts().0.headers
}

pub(crate) fn request(method: &str, uri: &str, fields: Fields<'_>) -> Request<Empty> {
    let mut request = Request::builder().method(method).uri(uri).body(Empty::new()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    request
}

pub(crate) fn header<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

pub(crate) fn body(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

/// `name=value` of every `Set-Cookie`, as a browser would send it back; deletions have no value.
pub(crate) fn set_cookies<B>(response: &Response<B>) -> Vec<String> {
    let fields = response.headers().get_all(SET_COOKIE).into_iter();
    fields.map(|field| field.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}
