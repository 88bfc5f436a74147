//! The cookies of one browser.

use std::sync::Mutex;

use http::{HeaderMap, header};
use url::Url;

/// Keeps cookies by the rules of RFC 6265bis, and drops those that a browser would drop.
#[derive(Debug, Default)]
pub(crate) struct Jar(Mutex<Vec<Kept>>);

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    host: String,
    host_only: bool,
    path: String,
}

impl Jar {
    /// The value of a cookie; `None` if it is not kept.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let kept = self.0.lock().expect(WHOLE);
        kept.iter().find(|kept| kept.name == name).map(|kept| kept.value.clone())
    }

    /// The names of all cookies.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().expect(WHOLE).iter().map(|kept| kept.name.clone()).collect()
    }

    /// The `Cookie` field for a URL: longer paths first, as browsers send them.
    pub(crate) fn cookies_for(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        let kept = self.0.lock().expect(WHOLE);
        let mut matching: Vec<_> =
            kept.iter().filter(|kept| kept.goes_to(host, url.path())).collect();
        matching.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs = matching.iter().map(|kept| format!("{}={}", kept.name, kept.value));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// Stores or deletes the cookies that an answer from `url` sets.
    pub(crate) fn receive(&self, url: &Url, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            self.store(url, cookie.to_str().expect("our cookies are ASCII"));
        }
    }

    /// Handles a `Set-Cookie` like a browser.
    pub(crate) fn store(&self, url: &Url, field: &str) {
        let mut parts = field.split(';').map(str::trim);
        let (name, value) =
            parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie has a name");
        let mut new = Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            host_only: true,
            path: "/".to_owned(),
        };
        let (mut secure, mut gone, mut root) = (false, false, false);
        for attribute in parts {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            match name.to_ascii_lowercase().as_str() {
                "domain" => {
                    (new.host, new.host_only) = (value.trim_start_matches('.').to_owned(), false)
                }
                "path" => (new.path, root) = (value.to_owned(), value == "/"),
                "max-age" => gone = value.parse::<i64>().is_ok_and(|age| age <= 0),
                "secure" => secure = true,
                "expires" | "httponly" | "samesite" => {}
                other => panic!("an attribute that nobody knows: {other}"),
            }
        }
        // RFC 6265bis section 5.6: too large is ignored; section 4.1.3.2: what `__Host-` promises.
        let broken_promise = name.starts_with("__Host-") && !(secure && root && new.host_only);
        // Section 5.7: nobody sets cookies for hosts that are not above their own.
        let foreign = !new.goes_to(url.host_str().unwrap_or_default(), &new.path);
        if name.len() + value.len() > 4096 || broken_promise || foreign {
            return;
        }
        let mut kept = self.0.lock().expect(WHOLE);
        kept.retain(|old| {
            (&old.name, &old.host, &old.path, old.host_only)
                != (&new.name, &new.host, &new.path, new.host_only)
        });
        if !gone {
            kept.push(new);
        }
    }
}

impl Kept {
    fn goes_to(&self, host: &str, path: &str) -> bool {
        let host_matches =
            host == self.host || (!self.host_only && host.ends_with(&format!(".{}", self.host)));
        let below = path.strip_prefix(self.path.as_str()).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        host_matches && below
    }
}

const WHOLE: &str = "no test panics while it holds the jar";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_keeps_what_it_is_allowed_to() {
        let most = format!("a={}", "v".repeat(4_095));
        let more = format!("a={}", "v".repeat(4_096));
        let cases: [(&str, &[&str], &str); 11] = [
            ("one", &["a=1; Path=/; HttpOnly"], "a=1"),
            ("as large as may be", &[&most], &most),
            ("too large", &[&more], ""),
            ("too large over another", &["a=1", &more], "a=1"),
            ("replaced", &["a=1; Max-Age=9", "a=2"], "a=2"),
            ("deleted", &["a=1", "a=; Max-Age=0"], ""),
            ("the host's own and the domain's", &["a=1", "a=2; Domain=example.com"], "a=1; a=2"),
            ("another scope's deletion", &["a=1", "a=; Domain=example.com; Max-Age=0"], "a=1"),
            ("another site's", &["a=1; Domain=example.org", "b=2; Domain=x.example.com"], ""),
            ("longer paths first", &["a=1", "a=2; Path=/deep"], "a=2; a=1"),
            (
                "promises",
                &[
                    "__Host-a=1; Path=/",
                    "__Host-b=2; Path=/; Secure",
                    "__Host-c=3; Secure; Domain=example.com",
                ],
                "__Host-b=2",
            ),
        ];
        let url = Url::parse("https://app.example.com/deep/page").unwrap();
        for (name, fields, expected) in cases {
            let jar = Jar::default();
            for field in fields {
                jar.store(&url, field);
            }
            assert_eq!(jar.cookies_for(&url), expected, "{name}");
        }
    }
}
