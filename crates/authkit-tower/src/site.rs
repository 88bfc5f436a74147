//! The service as browsers see it.

use std::{borrow::Cow, sync::Arc};

use authkit_session::{PublicOrigin, PublicOrigins, Settings};
use http::{HeaderMap, Uri, header::HOST};
use url::form_urlencoded;

use crate::{denial::DenialLog, endpoints::EndpointReminder, meter::LayerMeter};

/// The service as browsers see it at one of its origins: known from the configuration, never from a request's text.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    origin: Arc<PublicOrigin>,
    shared: Arc<SharedSite>,
}

/// What all origins share.
#[derive(Debug)]
struct SharedSite {
    /// The path that a proxy strips, or an empty text.
    base: String,
    root: String,
    /// The paths of login, callback and logout, in the order of [`ENDPOINTS`], as the browser sees them.
    paths: [String; 3],
    /// The same paths without the base path, as requests have them.
    request_paths: [String; 3],
    cookie_name: String,
    return_origins: Vec<String>,
    denial_log: DenialLog,
    endpoint_reminder: EndpointReminder,
    meter: LayerMeter,
}

/// One of our own endpoints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    Login,
    Callback,
    Logout,
}

impl Site {
    /// The site at the origin of the redirect URI.
    pub(crate) fn of(settings: &Settings) -> Self {
        let base = settings.base_path().to_owned();
        let paths = [settings.login_path(), settings.callback_path(), settings.logout_path()];
        let request_paths = paths.map(|path| {
            path.strip_prefix(&*base).expect("the paths were checked to be below").to_owned()
        });
        Self {
            origin: Arc::clone(settings.origins().default_origin()),
            shared: Arc::new(SharedSite {
                root: format!("{base}/"),
                paths: paths.map(str::to_owned),
                request_paths,
                base,
                cookie_name: settings.cookie_name().to_owned(),
                return_origins: settings.return_origins().to_owned(),
                denial_log: DenialLog::new(settings.clock().clone()),
                endpoint_reminder: EndpointReminder::new(settings.clock().clone()),
                meter: LayerMeter::new(),
            }),
        }
    }

    /// The site at the origin that a request names, if that origin is listed; `None` if it is this site.
    pub(crate) fn chosen(
        &self,
        origins: &PublicOrigins,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<Self> {
        if origins.is_single() {
            return None;
        }
        let origin = named_origin(origins, uri, headers)?;
        (*origin != self.origin)
            .then(|| Self { origin: origin.into_owned(), shared: Arc::clone(&self.shared) })
    }

    /// Scheme and authority, such as `https://app.example.com`.
    pub(crate) fn origin(&self) -> &str {
        self.origin.as_str()
    }

    pub(crate) fn public_origin(&self) -> &PublicOrigin {
        &self.origin
    }

    pub(crate) fn redirect_uri(&self) -> &str {
        self.origin.redirect_uri()
    }

    /// The path that a proxy strips from requests, or an empty text.
    pub(crate) fn base(&self) -> &str {
        &self.shared.base
    }

    /// The first page, the default target of browsers: `/`, or the base path and a slash.
    pub(crate) fn root(&self) -> &str {
        &self.shared.root
    }

    /// The sign-in endpoint's path, as the browser sees it.
    pub(crate) fn login(&self) -> &str {
        &self.shared.paths[0]
    }

    /// The callback's path, as the browser sees it.
    pub(crate) fn callback(&self) -> &str {
        &self.shared.paths[1]
    }

    /// The sign-out endpoint's path, as the browser sees it.
    pub(crate) fn logout(&self) -> &str {
        &self.shared.paths[2]
    }

    pub(crate) fn cookie_name(&self) -> &str {
        &self.shared.cookie_name
    }

    /// The other origins that sign-ins and sign-outs may end at.
    pub(crate) fn return_origins(&self) -> &[String] {
        &self.shared.return_origins
    }

    pub(crate) fn denial_log(&self) -> &DenialLog {
        &self.shared.denial_log
    }

    pub(crate) fn endpoint_reminder(&self) -> &EndpointReminder {
        &self.shared.endpoint_reminder
    }

    pub(crate) fn meter(&self) -> &LayerMeter {
        &self.shared.meter
    }

    /// The endpoint that some program may find at `path`, as the browser sees it: slashes at the end do not count.
    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let place = |path: &str| path.trim_end_matches('/').to_owned();
        endpoint_at(&self.shared.paths.each_ref().map(|own| place(own)), &place(path))
    }

    /// The endpoint that a request is for. The request's path has no base path.
    pub(crate) fn requested_endpoint(&self, path: &str) -> Option<Endpoint> {
        endpoint_at(&self.shared.request_paths, path)
    }

    /// Whether a router has nested endpoints below a prefix that our paths do not have: `shortened` is one of our
    /// paths, but `original` is not.
    pub(crate) fn is_nested(&self, original: &str, shortened: &str) -> bool {
        let Some(prefix) = original.strip_suffix(shortened).filter(|prefix| !prefix.is_empty())
        else {
            return false;
        };
        let knows = |path: &str| path.strip_prefix(prefix).is_some_and(|it| it.starts_with('/'));
        self.requested_endpoint(shortened).is_some() && !self.request_paths().into_iter().any(knows)
    }

    /// The paths of login, callback and logout as requests have them, without the base path.
    pub(crate) fn request_paths(&self) -> [&str; 3] {
        self.shared.request_paths.each_ref().map(String::as_str)
    }

    /// A path and query of a request, as the browser sees it.
    pub(crate) fn browser_path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        if self.base().is_empty() { path.into() } else { format!("{}{path}", self.base()).into() }
    }

    /// The address of the sign-in endpoint, with these query parameters.
    pub(crate) fn login_url(&self, parameters: &[(&str, &str)]) -> String {
        if parameters.is_empty() {
            return self.login().to_owned();
        }
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("{}?{query}", self.login())
    }
}

/// In the order of a site's paths.
const ENDPOINTS: [Endpoint; 3] = [Endpoint::Login, Endpoint::Callback, Endpoint::Logout];

fn endpoint_at(paths: &[String; 3], path: &str) -> Option<Endpoint> {
    let position = paths.iter().position(|own| own == path)?;
    Some(ENDPOINTS[position])
}

/// The listed origin that a request names by its target's authority (`:authority` in HTTP/2) or by `Host`. `None` if it
/// names none, or a different one by each (RFC 9110 section 7.2 requires them to be equal).
fn named_origin<'o>(
    origins: &'o PublicOrigins,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Cow<'o, Arc<PublicOrigin>>> {
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(origins.choose(host.to_str().ok()?)),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    let target = uri.authority().map(|authority| origins.choose(authority.as_str()));
    match (target, host) {
        (Some(target), Some(host)) => (target == host).then_some(target),
        (target, host) => target.or(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Config, CookiePassword,
        tests::{Fields, authkit, authkit_of, headers},
    };

    #[test]
    fn endpoints_are_found_at_their_exact_path() {
        let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
        let uri = "https://app.example.com/app/auth/callback";
        let prefixed = |_| Config::new("client_1", "sk_1", uri, password).with_base_path("/app");
        let (plain, prefixed) = (authkit().0, authkit_of(prefixed).0);
        let (plain, prefixed) = (plain.site(), prefixed.site());
        for (site, path, expected) in [
            (plain, "/login", Some(Endpoint::Login)),
            (plain, "/callback", Some(Endpoint::Callback)),
            (plain, "/logout", Some(Endpoint::Logout)),
            (plain, "/login/", None),
            (plain, "/", None),
            (plain, "", None),
            (prefixed, "/login", Some(Endpoint::Login)),
            (prefixed, "/auth/callback", Some(Endpoint::Callback)),
            (prefixed, "/logout", Some(Endpoint::Logout)),
            (prefixed, "/app/login", None),
            (prefixed, "/callback", None),
        ] {
            assert_eq!(site.requested_endpoint(path), expected, "{path}");
        }
        assert_eq!(prefixed.endpoint("/app/login"), Some(Endpoint::Login));
        assert_eq!(prefixed.endpoint("/app/login/"), Some(Endpoint::Login));
        assert_eq!(prefixed.endpoint("/login"), None);
    }

    #[test]
    fn the_host_of_a_request_chooses_its_site_and_nothing_else_does() {
        let listed = ["https://b.example.com", "https://*.preview.example.com"];
        let (authkit, _) = authkit_of(|config| config.with_origins(listed));
        let (app, b, evil) =
            ("https://app.example.com", "https://b.example.com", "https://evil.example");
        let preview = "https://x.preview.example.com";
        let cases: &[(&str, &str, Fields<'_>, &str)] = &[
            ("nothing", "/", &[], app),
            ("Host", "/", &[("host", "b.example.com")], b),
            ("Host of a wildcard", "/", &[("host", "x.preview.example.com")], preview),
            (":authority or absolute form", "https://b.example.com/", &[], b),
            ("absolute form, plain", "http://b.example.com/", &[], b),
            ("both alike", "https://b.example.com/", &[("host", "B.example.com:443")], b),
            ("both, apart", "https://b.example.com/", &[("host", "x.preview.example.com")], app),
            (
                "both, one of them not ours",
                "https://evil.example/",
                &[("host", "b.example.com")],
                app,
            ),
            (
                "both, the other not ours",
                "https://b.example.com/",
                &[("host", "evil.example")],
                app,
            ),
            ("not listed", "/", &[("host", "evil.example")], app),
            ("not listed, absolute", evil, &[], app),
            ("two fields", "/", &[("host", "b.example.com"), ("host", "b.example.com")], app),
            ("two in one", "/", &[("host", "b.example.com, evil.example")], app),
            ("a list", "/", &[("host", "evil.example,b.example.com")], app),
            ("forwarded", "/", &[("x-forwarded-host", "b.example.com")], app),
            ("Forwarded", "/", &[("forwarded", "host=b.example.com")], app),
            (
                "forwarded beside Host",
                "/",
                &[("host", "evil.example"), ("x-forwarded-host", "b.example.com")],
                app,
            ),
            ("Origin and Referer", "/", &[("origin", b), ("referer", b)], app),
            ("not text", "/", &[("host", "b.example.com\u{ff}")], app),
        ];
        for (name, uri, fields, expected) in cases {
            let uri: Uri = uri.parse().unwrap();
            let chosen = authkit.at(&uri, &headers(fields));
            assert_eq!(chosen.site().origin(), *expected, "{name}");
            assert_eq!(chosen.site().redirect_uri(), format!("{expected}/callback"), "{name}");
            assert!(chosen.is(&authkit), "{name}");
        }
    }

    /// The warm path of a service with one origin reads no `Host`.
    #[test]
    fn one_origin_is_borrowed_whatever_a_request_names() {
        let (authkit, _) = authkit();
        for host in ["app.example.com", "evil.example"] {
            let chosen = authkit.at(&Uri::from_static("/"), &headers(&[("host", host)]));
            assert!(matches!(chosen, Cow::Borrowed(_)), "{host}");
        }
    }
}
