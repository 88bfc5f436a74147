use std::fmt::{self, Display, Write};

use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};

/// The style sheet of every page, served beside them.
pub(crate) const STYLE: &str = include_str!("style.css");

/// How wide a page is.
#[derive(Clone, Copy)]
pub(super) enum Width {
    /// A card, as on a sign-in page.
    Card,
    /// A document.
    Wide,
}

/// Wraps `content`, which is HTML, into a page with `title`, which is text.
pub(super) fn page(
    status: StatusCode,
    title: &str,
    width: Width,
    content: &impl Display,
) -> Response {
    let class = match width {
        Width::Card => "card",
        Width::Wide => "wide",
    };
    let title = Text(title);
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – AuthKit emulator</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/_emulator/style.css">
</head>
<body>
<p class="ribbon"><strong>AuthKit emulator</strong> – development only</p>
<main class="{class}">
{content}
</main>
</body>
</html>
"#
    );
    let headers = [
        // No `form-action`: browsers also apply it to the redirect after the form, which goes to the application.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(html)).into_response()
}

/// The page for a request that fails while there is no safe address to redirect the browser to.
pub(crate) fn refusal(text: &str) -> Response {
    let text = Text(text);
    let content = format!(
        r#"<h1>This request cannot go on</h1>
<p class="alert" role="alert">{text}</p>
<p class="note">The mistake is in the link or the redirect that led here: compare it with what <a href="/">this emulator</a> is set up for.</p>"#
    );
    page(StatusCode::BAD_REQUEST, "Request refused", Width::Card, &content)
}

/// The page after a sign-out that names no `return_to`.
pub(crate) fn signed_out() -> Response {
    let content = r#"<span class="tick" aria-hidden="true"></span>
<h1>You are signed out</h1>
<p class="lead">The session has ended. You can close this page.</p>"#;
    page(StatusCode::OK, "Signed out", Width::Card, &content)
}

/// Text escaped for HTML, for content and for quoted attributes.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A round mark with a person's or an organization's initials.
pub(super) struct Avatar<'a>(pub(super) &'a str);

impl Display for Avatar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self
            .0
            .split_whitespace()
            .filter_map(|word| word.chars().find(|first| first.is_alphanumeric()));
        let (first, last) = (words.next(), words.next_back());
        let initials: String =
            first.into_iter().chain(last).flat_map(char::to_uppercase).take(2).collect();
        let tone = self.0.bytes().fold(0_usize, |sum, byte| sum + usize::from(byte)) % TONES;
        write!(
            f,
            r#"<span class="avatar tone-{tone}" aria-hidden="true">{}</span>"#,
            Text(&initials)
        )
    }
}

/// The number of avatar colours in the style sheet.
const TONES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let text = Text(r#"<script>alert('x')</script> "&amp;""#).to_string();
        assert_eq!(text, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &quot;&amp;amp;&quot;");
    }

    #[test]
    fn initials_come_from_the_first_and_the_last_word() {
        for (name, initials) in [
            ("Alice Ångström", ">AÅ<"),
            ("Maria del Carmen Ruiz", ">MR<"),
            ("zoe@initech.test", ">Z<"),
            ("李 小龍", ">李小<"),
            ("(Bob)", ">B<"),
            ("", "><"),
        ] {
            assert!(Avatar(name).to_string().contains(initials), "{name}");
        }
    }
}
