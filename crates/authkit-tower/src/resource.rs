//! The metadata of a protected resource (RFC 9728), and its parameters in challenges.

use std::fmt;

use authkit_session::{ConfigError, ProtectedResource};
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE,
    },
};
use serde::Serialize;
use url::Url;

/// The metadata document of a protected resource, at its two well-known paths (RFC 9728 section 3.1).
///
/// A [layer of the resource](crate::AuthKitLayer::with_protected_resource) answers these paths itself if they reach it.
/// If the layer only wraps the resource's own routes, merge this into the router (axum), or call
/// [`respond`](Self::respond).
///
/// # Examples
///
/// ```
/// use authkit_tower::{ProtectedResource, ResourceMetadata};
/// use http::Method;
///
/// let resource = ProtectedResource::new("https://example.authkit.app", "https://mcp.example.com/mcp");
/// let metadata = ResourceMetadata::new(&resource)?;
/// assert_eq!(metadata.url(), "https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
/// let answer = metadata.respond(&Method::GET, "/.well-known/oauth-protected-resource").unwrap();
/// assert_eq!(answer.status(), 200);
/// # Ok::<(), authkit_tower::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ResourceMetadata {
    url: String,
    paths: [String; 2],
    document: Bytes,
}

/// The document (RFC 9728 section 2).
#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    authorization_servers: [&'a str; 1],
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
}

impl ResourceMetadata {
    /// Writes the document of a resource.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if its URL or its domain cannot be used.
    pub fn new(resource: &ProtectedResource) -> Result<Self, ConfigError> {
        resource.check()?;
        let issuer = resource.issuer()?;
        let url = Url::parse(resource.url()).expect("the URL of the resource was checked");
        let path = url.path().trim_end_matches('/');
        let document = Document {
            resource: resource.url(),
            authorization_servers: [&issuer],
            bearer_methods_supported: ["header"],
            scopes_supported: resource.all_scopes().collect(),
            resource_name: resource.name(),
        };
        let document = serde_json::to_vec(&document).expect("a struct of texts is JSON");
        Ok(Self {
            url: format!("{}{WELL_KNOWN}{path}", url.origin().ascii_serialization()),
            paths: [WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}{path}")],
            document: document.into(),
        })
    }

    /// The URL of the document, as challenges name it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The paths of the document: one for clients that know the whole URL of the resource, one for those that know its
    /// host.
    pub fn paths(&self) -> [&str; 2] {
        [&self.paths[0], &self.paths[1]]
    }

    /// Answers a request for one of the paths; `None` for every other path. Pages of all origins may read it.
    pub fn respond(&self, method: &Method, path: &str) -> Option<Response<Bytes>> {
        if !self.paths.iter().any(|known| known == path) {
            return None;
        }
        let mut response = Response::new(Bytes::new());
        let fields: &[(HeaderName, &'static str)] = match *method {
            Method::GET | Method::HEAD => {
                *response.body_mut() = self.document.clone();
                &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")]
            }
            Method::OPTIONS => {
                *response.status_mut() = StatusCode::NO_CONTENT;
                &[
                    (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
                    (ACCESS_CONTROL_ALLOW_HEADERS, "*, Authorization, MCP-Protocol-Version"),
                    (ACCESS_CONTROL_MAX_AGE, "86400"),
                ]
            }
            _ => {
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                &[(ALLOW, "GET, HEAD, OPTIONS")]
            }
        };
        let headers = response.headers_mut();
        for (name, value) in fields {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        Some(response)
    }
}

impl fmt::Debug for ResourceMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceMetadata").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The settings of a layer's protected resource.
#[derive(Clone, Debug)]
pub(crate) struct ResourceSettings {
    pub(crate) metadata: ResourceMetadata,
    pub(crate) required_scopes: Vec<String>,
    /// The same scopes, separated by spaces; `None` if there are none.
    scope: Option<Box<str>>,
}

impl ResourceSettings {
    /// # Errors
    ///
    /// [`ConfigError`] if the resource's URL, scopes or domain cannot be used.
    pub(crate) fn new(resource: &ProtectedResource) -> Result<Self, ConfigError> {
        let required_scopes = resource.required_scopes().to_vec();
        let scope = (!required_scopes.is_empty()).then(|| required_scopes.join(" ").into());
        Ok(Self { metadata: ResourceMetadata::new(resource)?, required_scopes, scope })
    }

    /// The scopes that a client should ask for, where a challenge names no others.
    pub(crate) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn metadata(url: &str) -> ResourceMetadata {
        let resource = ProtectedResource::new("example.authkit.app", url)
            .with_name("Notes")
            .with_required_scopes(["openid"])
            .with_scopes(["notes:write", "openid"]);
        ResourceMetadata::new(&resource).unwrap()
    }

    #[test]
    fn the_document_is_at_the_path_of_the_resource_and_at_the_root() {
        let root = "/.well-known/oauth-protected-resource";
        let cases = [
            ("https://mcp.example.com/mcp", "/mcp"),
            ("https://mcp.example.com/mcp/", "/mcp"),
            ("https://mcp.example.com", ""),
            ("https://mcp.example.com/", ""),
            ("https://mcp.example.com/a/b", "/a/b"),
        ];
        for (url, path) in cases {
            let metadata = metadata(url);
            assert_eq!(metadata.url(), format!("https://mcp.example.com{root}{path}"), "{url}");
            let own = format!("{root}{path}");
            assert_eq!(metadata.paths(), [root, own.as_str()]);
            for path in [root, &own] {
                let answer = metadata.respond(&Method::GET, path).unwrap();
                let document: Value = serde_json::from_slice(answer.body()).unwrap();
                let expected = json!({
                    "resource": url,
                    "authorization_servers": ["https://example.authkit.app"],
                    "bearer_methods_supported": ["header"],
                    "scopes_supported": ["openid", "notes:write"],
                    "resource_name": "Notes",
                });
                assert_eq!(document, expected, "{path}");
            }
            for path in [
                "/",
                "/mcp",
                "/.well-known/oauth-protected-resource/x",
                "/.well-known/openid-configuration",
            ] {
                assert!(metadata.respond(&Method::GET, path).is_none(), "{path}");
            }
        }
    }

    #[test]
    fn pages_of_every_origin_may_read_it_and_nobody_may_change_it() {
        let metadata = metadata("https://mcp.example.com/mcp");
        let cases = [
            (Method::GET, 200),
            (Method::HEAD, 200),
            (Method::OPTIONS, 204),
            (Method::POST, 405),
            (Method::DELETE, 405),
        ];
        for (method, status) in cases {
            let answer = metadata.respond(&method, metadata.paths()[1]).unwrap();
            assert_eq!(answer.status().as_u16(), status, "{method}");
            assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{method}");
        }
    }
}
