use http::{
    HeaderMap, HeaderName, Method,
    header::{ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, ORIGIN, UPGRADE},
};

/// The kind of client that sent a request, which decides the protocol of a denial.
///
/// Recognised from the method and the headers alone; the first variant that matches counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ClientKind {
    /// gRPC or gRPC-Web: the content type starts with `application/grpc`.
    Grpc,
    /// A CORS preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`.
    Preflight,
    /// A WebSocket handshake: `Upgrade: websocket`, or `CONNECT` on HTTP/2 (RFC 8441).
    WebSocket,
    /// Server-sent events: `Accept` has `text/event-stream`, and the request is no `XMLHttpRequest`.
    EventStream,
    /// A page that the browser loads in advance: `Sec-Purpose` or `Purpose` has `prefetch` or `prerender`.
    Prefetch,
    /// htmx: `HX-Request: true`.
    Htmx,
    /// A browser showing a page: `Sec-Fetch-Mode: navigate`, or no `Sec-Fetch-*` header and `Accept` has `text/html`.
    /// Never one with `X-Requested-With: XMLHttpRequest`.
    Document,
    /// Everything else: `fetch`, `XMLHttpRequest`, JSON clients, command-line tools.
    Fetch,
}

impl ClientKind {
    /// Recognises the client of a request.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::ClientKind;
    /// use http::{HeaderMap, HeaderValue, Method, header::ACCEPT};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml"));
    /// assert_eq!(ClientKind::of(&Method::GET, &headers), ClientKind::Document);
    /// ```
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        if is_grpc(headers) {
            Self::Grpc
        } else if is_preflight(method, headers) {
            Self::Preflight
        } else if is_websocket(method, headers) {
            Self::WebSocket
        } else if accepts(headers, "text/event-stream") && !is_xhr(headers) {
            Self::EventStream
        } else if is_prefetch(headers) {
            Self::Prefetch
        } else if headers
            .get(&HX_REQUEST)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
        {
            Self::Htmx
        } else if is_document(headers) && !is_xhr(headers) {
            Self::Document
        } else {
            Self::Fetch
        }
    }
}

/// Whether this is a gRPC client outside a browser, which keeps no cookies.
pub(crate) fn is_native_grpc(headers: &HeaderMap) -> bool {
    is_grpc(headers)
        && !headers.contains_key(ORIGIN)
        && !SEC_FETCH.iter().any(|name| headers.contains_key(name))
}

pub(crate) fn is_websocket(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::CONNECT
        || headers.contains_key(UPGRADE)
            && list(headers, &UPGRADE).any(|one| one.eq_ignore_ascii_case("websocket"))
}

pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..GRPC.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    PURPOSE.iter().any(|name| {
        list(headers, name).flat_map(|value| value.split(';')).any(|purpose| {
            let purpose = purpose.trim();
            purpose.eq_ignore_ascii_case("prefetch") || purpose.eq_ignore_ascii_case("prerender")
        })
    })
}

fn is_document(headers: &HeaderMap) -> bool {
    let [mode, others @ ..] = &SEC_FETCH;
    match headers.get(mode).and_then(|mode| mode.to_str().ok()) {
        Some(mode) => mode == "navigate",
        None => {
            !headers.contains_key(mode)
                && !others.iter().any(|name| headers.contains_key(name))
                && accepts(headers, "text/html")
        }
    }
}

/// Whether a script sent the request, according to the header that jQuery and other libraries send. `Accept` cannot
/// tell: jQuery asks for `text/html, */*` when it loads a fragment. Android's web views send the app's name in this
/// header, also on navigations, so only this value counts.
pub(crate) fn is_xhr(headers: &HeaderMap) -> bool {
    headers.get_all(&X_REQUESTED_WITH).iter().any(|value| value == "XMLHttpRequest")
}

/// Whether `Accept` names exactly this media type, with a weight above zero.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    list(headers, &ACCEPT).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let names_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
        let weight =
            parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        names_it
            && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// The comma-separated members of all fields of this name. Fields that are not text are skipped.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The first field of this name, if it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

// Parsed once: a look-up by text would check and copy the name each time.
static SEC_FETCH: [HeaderName; 4] = [
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-user"),
];
static PURPOSE: [HeaderName; 2] =
    [HeaderName::from_static("sec-purpose"), HeaderName::from_static("purpose")];
static HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
static X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Fields, headers};

    #[test]
    fn every_client_is_recognised_in_order() {
        use ClientKind::*;

        let page = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let cases: &[(&str, &str, Fields<'_>, ClientKind)] = &[
            ("nothing said", "GET", &[], Fetch),
            ("curl", "GET", &[("accept", "*/*")], Fetch),
            ("browser", "GET", &[("sec-fetch-mode", "navigate"), ("accept", page)], Document),
            (
                "frame",
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                Document,
            ),
            ("form", "POST", &[("sec-fetch-mode", "navigate"), ("accept", page)], Document),
            ("old browser", "GET", &[("accept", page)], Document),
            (
                "old browser, two fields",
                "GET",
                &[("accept", "image/png"), ("accept", "Text/HTML")],
                Document,
            ),
            ("html not wanted", "GET", &[("accept", "text/html;q=0, application/json")], Fetch),
            ("html weight unreadable", "GET", &[("accept", "text/html;q=x")], Fetch),
            ("html in a longer name", "GET", &[("accept", "text/html-sandboxed")], Fetch),
            ("fetch of a page", "GET", &[("sec-fetch-mode", "cors"), ("accept", page)], Fetch),
            ("image", "GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], Fetch),
            (
                "Sec-Fetch without a mode",
                "GET",
                &[("sec-fetch-site", "none"), ("accept", page)],
                Fetch,
            ),
            ("htmx", "GET", &[("hx-request", "true"), ("sec-fetch-mode", "cors")], Htmx),
            (
                "htmx without Sec-Fetch",
                "POST",
                &[("hx-request", "true"), ("accept", "text/html, */*")],
                Htmx,
            ),
            ("htmx said no", "GET", &[("hx-request", "false"), ("accept", page)], Document),
            (
                "prefetch",
                "GET",
                &[("sec-purpose", "prefetch"), ("sec-fetch-mode", "navigate")],
                Prefetch,
            ),
            (
                "prerender",
                "GET",
                &[("sec-purpose", "prefetch;prerender"), ("accept", page)],
                Prefetch,
            ),
            (
                "anonymous prefetch",
                "GET",
                &[("sec-purpose", "prefetch;anonymous-client-ip")],
                Prefetch,
            ),
            ("old prefetch", "GET", &[("purpose", "Prefetch"), ("accept", page)], Prefetch),
            ("htmx prefetch", "GET", &[("purpose", "prefetch"), ("hx-request", "true")], Prefetch),
            (
                "events",
                "GET",
                &[("accept", "text/event-stream"), ("sec-fetch-mode", "cors")],
                EventStream,
            ),
            (
                "htmx events",
                "GET",
                &[("accept", "text/event-stream"), ("hx-request", "true")],
                EventStream,
            ),
            (
                "socket",
                "GET",
                &[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")],
                WebSocket,
            ),
            ("socket among others", "GET", &[("upgrade", "h2c, websocket")], WebSocket),
            ("socket on HTTP/2", "CONNECT", &[("sec-websocket-version", "13")], WebSocket),
            ("another upgrade", "GET", &[("upgrade", "h2c")], Fetch),
            (
                "preflight",
                "OPTIONS",
                &[("origin", "https://a"), ("access-control-request-method", "PUT")],
                Preflight,
            ),
            ("bare OPTIONS", "OPTIONS", &[("origin", "https://a")], Fetch),
            (
                "preflight by GET",
                "GET",
                &[("origin", "https://a"), ("access-control-request-method", "PUT")],
                Fetch,
            ),
            ("grpc", "POST", &[("content-type", "application/grpc")], Grpc),
            ("grpc with codec", "POST", &[("content-type", "Application/gRPC+proto")], Grpc),
            (
                "grpc-web",
                "POST",
                &[("content-type", "application/grpc-web-text"), ("sec-fetch-mode", "cors")],
                Grpc,
            ),
            ("json", "POST", &[("content-type", "application/json")], Fetch),
        ];

        for (name, method, fields, expected) in cases {
            let method = method.parse().unwrap();
            assert_eq!(ClientKind::of(&method, &headers(fields)), *expected, "{name}");
        }
    }

    #[test]
    fn e4_an_xml_http_request_is_no_document_whatever_it_accepts() {
        use ClientKind::*;

        const XHR: (&str, &str) = ("x-requested-with", "XMLHttpRequest");
        let cases: &[(&str, &str, Fields<'_>, ClientKind)] = &[
            ("jQuery's load", "GET", &[XHR, ("accept", "text/html, */*")], Fetch),
            ("jQuery's load, POST", "POST", &[XHR, ("accept", "text/html, */*")], Fetch),
            ("html first", "GET", &[XHR, ("accept", "text/html")], Fetch),
            ("JSON", "GET", &[XHR, ("accept", "application/json")], Fetch),
            ("nothing accepted", "GET", &[XHR], Fetch),
            ("events by XMLHttpRequest", "GET", &[XHR, ("accept", "text/event-stream")], Fetch),
            ("it says navigate", "GET", &[XHR, ("sec-fetch-mode", "navigate")], Fetch),
            (
                "two fields",
                "GET",
                &[("x-requested-with", "a"), XHR, ("accept", "text/html")],
                Fetch,
            ),
            ("htmx", "GET", &[XHR, ("hx-request", "true")], Htmx),
            ("prefetch", "GET", &[XHR, ("purpose", "prefetch")], Prefetch),
            ("gRPC-Web", "POST", &[XHR, ("content-type", "application/grpc-web")], Grpc),
            (
                "a web view names its app",
                "GET",
                &[("x-requested-with", "com.example.app"), ("accept", "text/html")],
                Document,
            ),
            (
                "a web view navigates",
                "GET",
                &[("x-requested-with", "com.example.app"), ("sec-fetch-mode", "navigate")],
                Document,
            ),
            (
                "another spelling",
                "GET",
                &[("x-requested-with", "xmlhttprequest"), ("accept", "text/html")],
                Document,
            ),
            ("empty", "GET", &[("x-requested-with", ""), ("accept", "text/html")], Document),
        ];
        for (name, method, fields, expected) in cases {
            let method = method.parse().unwrap();
            assert_eq!(ClientKind::of(&method, &headers(fields)), *expected, "{name}");
        }
    }

    #[test]
    fn only_grpc_outside_a_browser_is_native() {
        let cases: &[(&str, Fields<'_>, bool)] = &[
            ("native", &[("content-type", "application/grpc"), ("te", "trailers")], true),
            ("web", &[("content-type", "application/grpc-web"), ("sec-fetch-mode", "cors")], false),
            (
                "old browser",
                &[("content-type", "application/grpc-web"), ("origin", "https://a")],
                false,
            ),
            ("not grpc", &[("content-type", "application/json")], false),
        ];

        for (name, fields, expected) in cases {
            assert_eq!(is_native_grpc(&headers(fields)), *expected, "{name}");
        }
    }
}
