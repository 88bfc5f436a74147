//! The gateway in front of the function: turns requests into events, and answers into responses.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

/// The kind of gateway.
#[derive(Clone, Copy)]
pub(crate) enum Gateway {
    /// A function URL, or an HTTP API with the stage `$default`: events of format 2.0.
    FunctionUrl,
    /// A REST API: events of format 1.0, whose path lacks the stage that browsers see.
    RestApi,
}

/// The stage of the REST API.
pub(crate) const STAGE: &str = "prod";

impl Gateway {
    pub(crate) fn event(self, request: &Request<Bytes>, host: &str) -> Value {
        match self {
            Self::FunctionUrl => format_2(request, host),
            Self::RestApi => format_1(request, host),
        }
    }
}

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
fn format_1(request: &Request<Bytes>, host: &str) -> Value {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in request.headers() {
        headers.entry(name.to_string()).or_default().push(text(value));
    }
    headers.insert("host".to_owned(), vec![host.to_owned()]);
    headers.insert("x-forwarded-proto".to_owned(), vec!["https".to_owned()]);
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes()) {
        query.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let (method, path) = (request.method().as_str(), request.uri().path());
    json!({
        "resource": "/{proxy+}",
        "path": path.strip_prefix(&format!("/{STAGE}")).expect("the address has the stage"),
        "httpMethod": method,
        "multiValueHeaders": headers,
        "multiValueQueryStringParameters": query,
        "requestContext": {
            "apiId": "abcdef1234",
            "domainName": host,
            "httpMethod": method,
            "identity": { "sourceIp": "192.0.2.1", "userAgent": "test" },
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": "id",
            "requestTimeEpoch": 1_583_348_638_390_u64,
            "resourcePath": "/{proxy+}",
            "stage": STAGE,
        },
        "body": STANDARD.encode(request.body()),
        "isBase64Encoded": true,
    })
}

/// An answer of format 2.0: cookies are a list of their own, and the body is Base64.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
fn format_2(request: &Request<Bytes>, host: &str) -> Value {
    let cookies: Vec<String> = request.headers().get_all("cookie").iter().map(text).collect();
    let cookies: Vec<&str> = cookies.iter().flat_map(|field| field.split("; ")).collect();
    let mut headers: Map<String, Value> = request
        .headers()
        .iter()
        .filter(|(name, _)| *name != "cookie")
        .map(|(name, value)| (name.to_string(), text(value).into()))
        .collect();
    headers.insert("host".to_owned(), host.into());
    headers.insert("x-forwarded-proto".to_owned(), "https".into());
    let (method, path) = (request.method().as_str(), request.uri().path());
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.uri().query().unwrap_or_default(),
        "cookies": cookies,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "d-1234567890",
            "domainName": host,
            "domainPrefix": "d-1234567890",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390_u64,
        },
        "body": STANDARD.encode(request.body()),
        "isBase64Encoded": true,
    })
}

/// An answer of either format.
pub(crate) fn response_of(answer: &Value) -> http::Response<Bytes> {
    let mut headers = HeaderMap::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.as_str().unwrap().parse().unwrap());
    }
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        let name: http::HeaderName = name.parse().unwrap();
        for value in values.as_array().unwrap() {
            headers.append(name.clone(), value.as_str().unwrap().parse().unwrap());
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        headers.append("set-cookie", cookie.as_str().unwrap().parse().unwrap());
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(body).unwrap(),
        Some(false) | None => body.as_bytes().to_vec(),
    };
    let mut response = http::Response::new(Bytes::from(body));
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    *response.status_mut() = http::StatusCode::from_u16(status.unwrap()).unwrap();
    *response.headers_mut() = headers;
    response
}

fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap().to_owned()
}
