use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

/// A page with our own text, one action, and at most one other link.
///
/// It shows nothing of the request except a path that was checked and encoded.
pub(crate) struct Page<'a> {
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) text: &'a str,
    pub(crate) action: PageAction<'a>,
    pub(crate) other: Option<PageLink<'a>>,
}

#[derive(Clone, Copy)]
pub(crate) struct PageLink<'a> {
    pub(crate) to: &'a str,
    pub(crate) label: &'static str,
}

pub(crate) enum PageAction<'a> {
    None,
    /// Loads the same page again.
    Reload,
    Link(PageLink<'a>),
    Post(PageLink<'a>),
    /// Loads the same address again, with its fragment in the parameter `fragment`; browsers without scripts use the
    /// link.
    TellFragment(PageLink<'a>),
    /// Posts to the address at which the page was requested; the page does not show it.
    PostHere {
        label: &'static str,
    },
}

impl Page<'_> {
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let button = match &self.action {
            PageAction::None => String::new(),
            PageAction::Reload => r#"<p><a class="button" href="">Try again</a></p>"#.to_owned(),
            PageAction::TellFragment(PageLink { to, label }) => {
                format!(
                    r#"<p><a class="button" href="{}">{label}</a></p><script>{TELL_FRAGMENT}</script>"#,
                    escape(to)
                )
            }
            PageAction::Link(PageLink { to, label }) => {
                format!(r#"<p><a class="button" href="{}">{label}</a></p>"#, escape(to))
            }
            PageAction::Post(PageLink { to, label }) => {
                format!(
                    r#"<form method="post" action="{}"><button class="button">{label}</button></form>"#,
                    escape(to)
                )
            }
            PageAction::PostHere { label } => {
                format!(r#"<form method="post"><button class="button">{label}</button></form>"#)
            }
        };
        let other = self.other.map_or_else(String::new, |PageLink { to, label }| {
            format!("<p class=\"other\"><a href=\"{}\">{label}</a></p>\n", escape(to))
        });
        let (title, text) = (self.title, prose(self.text));
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n<h1>{title}</h1>\n<p>{text}</p>\n{button}\n{other}</main>\n</body>\n</html>\n"
        );

        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let (policy, referrer) = match self.action {
            // Browsers apply `form-action` to the redirects that follow too, and a sign-out is redirected to WorkOS. With
            // `no-referrer` they would send `Origin: null`, which tells our form from nobody's.
            PageAction::Post(_) | PageAction::PostHere { .. } => (CSP_FORM, "same-origin"),
            PageAction::TellFragment(_) => (CSP_SCRIPT, "no-referrer"),
            PageAction::None | PageAction::Reload | PageAction::Link(_) => (CSP, "no-referrer"),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        headers.insert(VARY, HeaderValue::from_static("Cookie"));
        response
    }
}

/// Escapes `text` for HTML. Text between backticks becomes code.
fn prose(text: &str) -> String {
    let mut is_code = true;
    let pieces = text.split('`').map(|piece| {
        is_code = !is_code;
        let piece = escape(piece);
        if is_code { format!("<code>{piece}</code>") } else { piece }
    });
    pieces.collect()
}

/// Escapes for text and for quoted attribute values.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    })
}

macro_rules! csp {
    ($form:literal) => {
        // The hash is that of STYLE: the browser applies no other style and no script.
        concat!(
            "default-src 'none'; style-src 'sha256-6LgW06ARUe8MrRtcOdUug1TOADPo5ZR1stFvj20EfcA='; ",
            $form,
            "frame-ancestors 'none'; base-uri 'none'"
        )
    };
}
const CSP: &str = csp!("form-action 'none'; ");
const CSP_FORM: &str = csp!("");
/// The hash is that of [`TELL_FRAGMENT`].
const CSP_SCRIPT: &str =
    csp!("script-src 'sha256-fun4uVREeI0Vzc6iSExaqPBjDhCR7WW+uPWOF1inY3E='; form-action 'none'; ");

/// The query of the address is empty or begins with `?`.
const TELL_FRAGMENT: &str = "location.replace(location.pathname+(location.search||\"?\")+\"&fragment=\"+\
encodeURIComponent(location.hash.slice(1)))";

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f4f4f6;--card:#fff;--line:#e2e2e8;--text:#1b1b21;--quiet:#5a5a66;--accent:#4b49d8;\
--on-accent:#fff}\
@media(prefers-color-scheme:dark){:root{--page:#111114;--card:#1b1b20;--line:#2e2e36;--text:#f1f1f4;--quiet:#a9a9b6;\
--accent:#8c8aff;--on-accent:#111114}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--page);color:var(--text);\
font:1rem/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}\
main{width:100%;max-width:27rem;padding:2.5rem 2rem;background:var(--card);border:1px solid var(--line);\
border-radius:.9rem;text-align:center;box-shadow:0 1px 2px rgb(0 0 0/.05),0 12px 32px rgb(0 0 0/.06)}\
h1{margin:0 0 .75rem;font-size:1.35rem;line-height:1.3;letter-spacing:-.01em;text-wrap:balance}\
p{margin:0;color:var(--quiet);text-wrap:balance;overflow-wrap:anywhere}\
p+p,form{margin-top:1.75rem}\
code{color:var(--text);font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,\"Liberation Mono\",monospace}\
.other{margin-top:1.25rem;font-size:.9375rem}\
.other a{color:var(--accent);text-underline-offset:.2em}\
.button{display:inline-block;padding:.65rem 1.4rem;border:0;border-radius:.55rem;background:var(--accent);\
color:var(--on-accent);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}\
.button:hover{filter:brightness(1.08)}\
:focus-visible{border-radius:.55rem;outline:3px solid var(--accent);outline-offset:3px}";

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    const HOSTILE: &str = "/login?return_to=%2F&x=\"'><script>";

    fn page(action: PageAction<'_>) -> Response<Bytes> {
        let other = Some(PageLink { to: HOSTILE, label: "Elsewhere" });
        Page { status: StatusCode::FORBIDDEN, title: "Title", text: "Text.", action, other }
            .into_response()
    }

    #[test]
    fn the_policy_allows_our_style_and_nothing_else() {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
        let script = STANDARD.encode(digest::digest(&digest::SHA256, TELL_FRAGMENT.as_bytes()));
        assert!(CSP_SCRIPT.contains(&format!("script-src 'sha256-{script}';")), "{script}");
        assert!(!CSP.contains("script-src") && !CSP_FORM.contains("script-src"));
        for policy in [CSP, CSP_FORM, CSP_SCRIPT] {
            assert!(policy.contains(&format!("style-src 'sha256-{hash}';")), "{hash}");
            assert!(policy.starts_with("default-src 'none';"));
            assert!(!policy.contains("unsafe"));
        }
    }

    #[test]
    fn every_page_has_the_strict_headers() {
        let link = PageLink { to: "/", label: "Go" };
        // e2: browsers send `Origin: null` with a form of a page that has `no-referrer`.
        for (action, referrer) in [
            (PageAction::None, "no-referrer"),
            (PageAction::Reload, "no-referrer"),
            (PageAction::Link(link), "no-referrer"),
            (PageAction::TellFragment(link), "no-referrer"),
            (PageAction::Post(link), "same-origin"),
            (PageAction::PostHere { label: "Go" }, "same-origin"),
        ] {
            let response = page(action);
            assert_eq!(response.status(), 403);
            for (name, expected) in [
                ("content-type", "text/html; charset=utf-8"),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", referrer),
                ("cache-control", "private, no-store"),
                ("vary", "Cookie"),
            ] {
                assert_eq!(response.headers()[name], expected, "{name}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_escaped_and_code_is_code() {
        assert_eq!(prose("Put `a(&<b>)` first"), "Put <code>a(&amp;&lt;b&gt;)</code> first");
        let link = PageLink { to: HOSTILE, label: "Go" };
        for action in [PageAction::Link(link), PageAction::Post(link)] {
            let body = page(action).into_body();
            let body = std::str::from_utf8(&body).unwrap();
            let escaped = "\"/login?return_to=%2F&amp;x=&quot;&#39;&gt;&lt;script&gt;\"";
            assert_eq!(body.matches(escaped).count(), 2, "{body}");
        }
    }
}
