//! Mistakes in the origins and the base path of a configuration, and settings that look wrong.

use std::borrow::Cow;

use url::{Host, Url};

use crate::{
    config::{
        Config, finding::Finding, origins::parent, quoter::Quoter, setting::Setting, urls,
        warning::ConfigWarning,
    },
    config_error::ConfigProblem,
};

/// The mistake in the spelling of an origin, and what to write; `None` if browsers spell it like that.
///
/// The same rule holds for every setting that lists origins, also for those of a layer.
pub fn origin_problem(setting: Setting, origin: &str) -> Option<ConfigProblem> {
    spelling_problem(&Quoter::default(), setting, origin)
}

fn spelling_problem(quoter: &Quoter<'_>, setting: Setting, origin: &str) -> Option<ConfigProblem> {
    let invalid = |found: String, wants: String| ConfigProblem::invalid(setting, found, wants);
    let shown = quoter.quote(origin);
    let is_shown = shown.starts_with('`');
    let has = |what: &str, wants: String| {
        let wants = if is_shown { wants } else { EXAMPLE.to_owned() };
        Some(invalid(format!("has {shown}, which {what}"), wants))
    };
    if origin.is_empty() {
        return Some(invalid("has an empty origin".to_owned(), EXAMPLE.to_owned()));
    }
    if origin == "null" {
        return has("stands for every opaque origin and cannot be trusted", EXAMPLE.to_owned());
    }
    if origin.contains('*') {
        return has("has a wildcard", "write each origin".to_owned());
    }
    if !origin.contains("://") {
        return has("has no scheme", format!("write `https://{origin}`"));
    }
    let Some((url, host)) = Url::parse(origin).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some((url, host))
    }) else {
        return has("is not a URL", EXAMPLE.to_owned());
    };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let spelling = format!("{}://{host}{port}", url.scheme());
    if origin == spelling {
        return None;
    }
    let what = if url.password().is_some() || !url.username().is_empty() {
        // The origin is not quoted: it may contain a password.
        let found = "has an origin with a user name or password in it".to_owned();
        return Some(invalid(found, format!("write `{spelling}`")));
    } else if url.query().is_some() {
        "has a query"
    } else if url.fragment().is_some() {
        "has a fragment"
    } else if !matches!(url.path(), "" | "/") {
        "has a path"
    } else if origin.ends_with('/') {
        "has a slash at the end"
    } else {
        "is spelt in another way than browsers do"
    };
    has(what, format!("write `{spelling}`"))
}

/// Looks for mistakes in the origins of a configuration.
pub(super) fn problems(config: &Config, redirect_uri: Option<&Url>) -> Vec<ConfigProblem> {
    let quoter = &Quoter::new(config);
    let own = config.origins.iter().filter_map(|value| {
        let plain = parent(value).map_or(Cow::Borrowed(value.as_str()), Cow::Owned);
        spelling_problem(quoter, Setting::Origins, &plain)
            .or_else(|| web_problem(quoter, Setting::Origins, value))
            .or_else(|| wildcard_problem(quoter, value))
            .or_else(|| scheme_problem(quoter, value, redirect_uri?))
            .or_else(|| domain_problem(quoter, value, &plain, config))
    });
    let others = config.return_origins.iter().filter_map(|value| {
        spelling_problem(quoter, Setting::ReturnOrigins, value)
            .or_else(|| web_problem(quoter, Setting::ReturnOrigins, value))
    });
    own.chain(others).collect()
}

fn web_problem(quoter: &Quoter<'_>, setting: Setting, value: &str) -> Option<ConfigProblem> {
    let is_web = ["http://", "https://"].iter().any(|scheme| value.starts_with(scheme));
    (!is_web).then(|| {
        let found = format!("has {}, which is no address of a browser's page", quoter.quote(value));
        ConfigProblem::invalid(setting, found, "write one that starts with `https://`")
    })
}

/// A wildcard must be below a domain of the service: nobody owns every host under a top-level domain.
fn wildcard_problem(quoter: &Quoter<'_>, value: &str) -> Option<ConfigProblem> {
    let url = Url::parse(&parent(value)?).ok()?;
    let is_own = match url.host() {
        Some(Host::Domain(name)) => name.contains('.') || urls::is_loopback(&url),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => false,
    };
    (!is_own).then(|| {
        let found = format!(
            "has {}, whose wildcard stands for hosts that are not yours",
            quoter.quote(value)
        );
        let wants =
            "write a name of yours after the wildcard, as in `https://*.preview.example.com`";
        ConfigProblem::invalid(Setting::Origins, found, wants)
    })
}

fn scheme_problem(quoter: &Quoter<'_>, value: &str, redirect_uri: &Url) -> Option<ConfigProblem> {
    let scheme = redirect_uri.scheme();
    let has_it = value.split_once("://").is_some_and(|(found, _)| found == scheme);
    (!has_it).then(|| {
        let found =
            format!("has {}, and {} is `{scheme}://`", quoter.quote(value), Setting::RedirectUri);
        let wants = format!("write `{scheme}://`, so that one rule holds for all cookies");
        ConfigProblem::invalid(Setting::Origins, found, wants)
    })
}

/// A browser drops a cookie whose domain does not cover the host.
fn domain_problem(
    quoter: &Quoter<'_>,
    value: &str,
    plain: &str,
    config: &Config,
) -> Option<ConfigProblem> {
    let domain = config.cookie_domain.as_deref()?;
    let is_covered = Url::parse(plain).is_ok_and(|url| urls::is_under(&url, domain));
    (!is_covered).then(|| {
        let found = format!("has {}, which is not under the cookies' domain", quoter.quote(value));
        let wants = format!("leave it out, or leave out {}", Setting::CookieDomain);
        ConfigProblem::invalid(Setting::Origins, found, wants)
    })
}

/// Looks for mistakes in the base path.
pub(super) fn base_path_problem(
    config: &Config,
    redirect_uri: Option<&Url>,
) -> Option<ConfigProblem> {
    let base = config.base_path.as_str();
    if base.is_empty() {
        return None;
    }
    let invalid = |what: &str, wants: String| {
        let shown = Quoter::new(config).quote(base);
        Some(ConfigProblem::invalid(Setting::BasePath, format!("is {shown}, which {what}"), wants))
    };
    let segments = || base.split('/').skip(1);
    // The base path is written into cookies, links and headers as it is, and compared with what browsers send.
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if base == "/" {
        return invalid("is no prefix", "leave it out".to_owned());
    }
    if let Some(shorter) = base.strip_suffix('/').filter(|it| it.starts_with('/')) {
        return invalid("has a slash at the end", format!("write `{shorter}`"));
    }
    if !base.starts_with('/') || base.len() > LONGEST_BASE || !segments().all(is_segment) {
        let wants = "write the prefix that the proxy strips, such as `/app`: letters, digits, `-`, `.`, `_` and `~` \
                     between slashes";
        return invalid("is no plain path", wants.to_owned());
    }
    let path = redirect_uri?.path();
    if !is_below(path, base) {
        let found = format!("does not begin the path of {}, `{path}`", Setting::RedirectUri);
        let wants =
            "write the redirect URI as browsers see it, with the prefix that the proxy strips";
        return invalid(&found, wants.to_owned());
    }
    None
}

/// Whether browsers see `path` under `base`; an empty `base` stands for none.
pub(super) fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
}

/// Origins of a configuration that work but are probably mistakes.
pub(super) fn warnings(config: &Config) -> Vec<ConfigWarning> {
    let quoter = Quoter::new(config);
    let mut warnings = Vec::new();
    for value in &config.origins {
        let Some(parent) = parent(value).and_then(|parent| Url::parse(&parent).ok()) else {
            continue;
        };
        let name = parent.host_str().unwrap_or_default();
        if is_shared(name) {
            warnings.push(ConfigWarning::SharedHosts(Finding::new(
                Setting::Origins,
                format!(
                    "has {}, and customers of a hosting provider choose names there: whoever has one can sign in as the \
                     users who follow a link",
                    quoter.quote(value)
                ),
                "write a wildcard under a domain that is yours alone, or each origin",
            )));
        }
    }
    let plain =
        [(Setting::Origins, &config.origins), (Setting::ReturnOrigins, &config.return_origins)];
    for (setting, values) in plain {
        for value in values.iter().filter(|value| value.starts_with("http://")) {
            let url = parent(value).unwrap_or_else(|| value.clone());
            if !Url::parse(&url).is_ok_and(|url| urls::is_loopback(&url)) {
                warnings.push(ConfigWarning::PlainHttp(Finding::new(
                    setting,
                    format!(
                        "has {}, whose pages and cookies cross the network unencrypted",
                        quoter.quote(value)
                    ),
                    "write the `https://` origin that browsers use",
                )));
            }
        }
    }
    warnings
}

/// Whether everybody can have a name below this one. Browsers keep no cookie for it (<https://publicsuffix.org>).
pub(super) fn is_shared(domain: &str) -> bool {
    SHARED.contains(&domain)
}

const EXAMPLE: &str = "write one such as `https://admin.example.com`";

/// The best-known domains under which hosting providers let their customers choose a name.
const SHARED: [&str; 17] = [
    "amplifyapp.com",
    "appspot.com",
    "azurewebsites.net",
    "cloudfront.net",
    "deno.dev",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.app",
    "onrender.com",
    "pages.dev",
    "vercel.app",
    "web.app",
    "workers.dev",
];

/// The longest base path, in bytes.
const LONGEST_BASE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie_password::CookiePassword;

    fn config(redirect_uri: &str, origins: &[&str]) -> Config {
        let password = CookiePassword::new("v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=").unwrap();
        Config::new("client_1", "sk_test_1", redirect_uri, password).with_origins(origins.to_vec())
    }

    #[test]
    fn what_no_browser_spells_or_nobody_owns_is_refused_with_what_to_write() {
        let cases = [
            ("", "has an empty origin", "write one such as"),
            ("null", "every opaque origin", "write one such as"),
            ("app.example.com", "has no scheme", "write `https://app.example.com`"),
            ("https://app.example.com/", "a slash at the end", "write `https://app.example.com`"),
            ("https://app.example.com/x", "has a path", "write `https://app.example.com`"),
            ("https://app.example.com?x", "has a query", "write `https://app.example.com`"),
            ("https://APP.example.com", "spelt in another way", "write `https://app.example.com`"),
            ("https://app.example.com:443", "in another way", "write `https://app.example.com`"),
            ("https://u:hunter2@a.test", "a user name or password", "write `https://a.test`"),
            ("ftp://app.example.com", "no address of a browser's page", "`https://`"),
            ("http://app.example.com", "WORKOS_REDIRECT_URI", "write `https://`"),
            ("https://*", "has a wildcard", "write each origin"),
            ("https://*.com", "hosts that are not yours", "a name of yours"),
            ("https://*.localhost:8443x", "is not a URL", "write one such as"),
            ("https://*.10.0.0.1", "hosts that are not yours", "a name of yours"),
            ("https://a.*.example.com", "has a wildcard", "write each origin"),
            ("https://*.*.example.com", "has a wildcard", "write each origin"),
            ("https://pr-*.example.com", "has a wildcard", "write each origin"),
            ("https://*.preview.example.com/", "a slash at the end", "preview.example.com`"),
        ];
        let uri = "https://app.example.com/callback";
        for (origin, found, wants) in cases {
            let problems = problems(&config(uri, &[origin]), Some(&Url::parse(uri).unwrap()));
            let [problem] = &problems[..] else { panic!("{origin}: {problems:?}") };
            let finding = problem.finding();
            assert_eq!(finding.setting(), Setting::Origins, "{origin}");
            assert!(finding.found().contains(found), "{origin}: {finding}");
            assert!(finding.wants().contains(wants), "{origin}: {finding}");
            assert!(!finding.to_string().contains("hunter2"), "{finding}");
        }
        let wide = config(uri, &["https://other.test"]).with_cookie_domain("example.com");
        let problems = problems(&wide, Some(&Url::parse(uri).unwrap()));
        assert!(problems[0].to_string().contains("not under the cookies' domain"), "{problems:?}");
    }

    #[test]
    fn a_base_path_is_the_beginning_of_the_redirect_uri() {
        let uri = "https://example.com/app/callback";
        let cases = [
            ("", None),
            ("/app", None),
            ("/", Some("leave it out")),
            ("/app/", Some("write `/app`")),
            ("app", Some("such as `/app`")),
            ("//app", Some("such as `/app`")),
            ("/app;x", Some("such as `/app`")),
            ("/a%70p", Some("such as `/app`")),
            ("/..", Some("such as `/app`")),
            ("/app?x", Some("such as `/app`")),
            ("https://example.com/app", Some("such as `/app`")),
            ("/ap", Some("with the prefix that the proxy strips")),
            ("/other", Some("with the prefix that the proxy strips")),
            ("/app/callback", Some("with the prefix that the proxy strips")),
        ];
        for (base, expected) in cases {
            let config = config(uri, &[]).with_base_path(base);
            let problem = base_path_problem(&config, Some(&Url::parse(uri).unwrap()));
            let wants = problem.as_ref().map(|problem| problem.finding());
            match (wants, expected) {
                (None, None) => {}
                (Some(finding), Some(wants)) => {
                    assert!(finding.wants().contains(wants), "{base}: {finding}");
                }
                (finding, _) => panic!("{base}: {finding:?}"),
            }
        }
    }

    #[test]
    fn names_that_anybody_can_have_and_plain_http_are_warned_of() {
        let cases: [(&str, &[&str], usize); 5] = [
            ("https://a.example.com/c", &["https://b.example.com", "https://*.p.example.com"], 0),
            ("https://a.example.com/c", &["https://*.vercel.app"], 1),
            ("https://a.example.com/c", &["https://mine.vercel.app"], 0),
            ("http://localhost:3000/c", &["http://*.localhost:3000", "http://127.0.0.1:3000"], 0),
            ("http://a.test/c", &["http://b.test", "http://*.p.test.test"], 2),
        ];
        for (uri, origins, expected) in cases {
            let warnings = warnings(&config(uri, origins));
            assert_eq!(warnings.len(), expected, "{origins:?}: {warnings:?}");
        }
        let config = config("https://a.test/c", &[]).with_return_origins(["http://spa.test"]);
        assert_eq!(warnings(&config)[0].finding().setting(), Setting::ReturnOrigins);
    }
}
