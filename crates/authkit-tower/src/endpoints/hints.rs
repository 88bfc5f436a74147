//! The parameters of `/login` that are passed on to WorkOS.
//!
//! Anybody can write such a link. Only the parameters of this module are passed on, each with its own syntax; other
//! parameters and values are ignored. If another site's link names an organization, a connection or an invitation, the
//! sign-in needs a click on our own page.

use std::time::Duration;

use authkit_session::AuthorizationRequest;
use url::form_urlencoded;

use crate::provider::Provider;

/// Passes the known parameters of a sign-in on to WorkOS.
pub(super) fn with_hints(query: &str, request: AuthorizationRequest) -> AuthorizationRequest {
    let mut connection = None;
    let request = form_urlencoded::parse(query.as_bytes())
        .filter(|(_, value)| !value.is_empty() && value.len() <= MAX_VALUE)
        .fold(request, |request, (name, value)| match (name.as_ref(), value.as_ref()) {
            ("screen_hint", hint @ ("sign-in" | "sign-up")) => request.with_screen_hint(hint),
            ("organization_id", id) => request.with_organization_id(id),
            ("login_hint", address) => request.with_login_hint(address),
            ("invitation_token", token) => request.with_invitation_token(token),
            ("prompt", prompt) => request.with_prompt(prompt),
            ("max_age", age) => match age.parse::<u32>() {
                Ok(seconds) => request.with_max_age(Duration::from_secs(seconds.into())),
                Err(_) => request,
            },
            ("provider", name) => match name.parse::<Provider>() {
                Ok(provider) => request.with_provider(provider),
                Err(_) => request,
            },
            ("connection_id", id) if is_connection_id(id) => {
                connection.get_or_insert_with(|| id.to_owned());
                request
            }
            ("domain_hint", domain) if is_domain(domain) => request.with_domain_hint(domain),
            _ => request,
        });
    match connection {
        // WorkOS accepts only one of the two, and the connection is more specific.
        Some(id) => request.with_connection_id(id),
        None => request,
    }
}

/// Whether a query has a parameter that needs a click if another site sent it: an organization or a connection to sign
/// in with, or an invitation to accept.
pub(super) fn needs_a_click(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
        let is_asked =
            matches!(name.as_ref(), "organization_id" | "connection_id" | "invitation_token");
        is_asked && !value.is_empty()
    })
}

/// Whether the text looks like the id of a connection, `conn_01E4ZCR3C56J083X43JQXF3JK5`.
fn is_connection_id(id: &str) -> bool {
    let is_id = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    id.len() <= MAX_ID
        && id.strip_prefix("conn_").is_some_and(|rest| !rest.is_empty() && is_id(rest))
}

/// Whether the text is a domain name of at least two labels (RFC 1123 section 2.1).
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label)
}

/// The longest value that is passed on to WorkOS, in bytes.
const MAX_VALUE: usize = 2048;
/// The longest id that is passed on.
const MAX_ID: usize = 64;

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::tests::authkit;

    /// The parameters of the authorization request, except those that every request has.
    fn asked(query: &str) -> Vec<(String, String)> {
        let (authkit, _) = authkit();
        let request = with_hints(query, AuthorizationRequest::new("state", "challenge"));
        let url = Url::parse(&authkit.client().authorization_url(&request)).unwrap();
        let usual = [
            "response_type",
            "client_id",
            "redirect_uri",
            "state",
            "code_challenge",
            "code_challenge_method",
        ];
        url.query_pairs()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .filter(|(name, _)| !usual.contains(&name.as_str()))
            .collect()
    }

    #[test]
    fn known_parameters_are_passed_on_in_their_own_form_and_nothing_else_is() {
        let authkit = ("provider", "authkit");
        let conn = ("connection_id", "conn_01E4ZCR3C56J083X43JQXF3JK5");
        let cases: [(&str, &[(&str, &str)]); 22] = [
            ("", &[authkit]),
            ("provider=GoogleOAuth", &[("provider", "GoogleOAuth")]),
            ("provider=authkit", &[authkit]),
            ("provider=googleoauth", &[authkit]),
            ("provider=EvilOAuth", &[authkit]),
            ("provider=GoogleOAuth%00", &[authkit]),
            ("connection_id=conn_01E4ZCR3C56J083X43JQXF3JK5", &[conn]),
            ("provider=GitHubOAuth&connection_id=conn_01E4ZCR3C56J083X43JQXF3JK5", &[conn]),
            ("connection_id=conn_01E4ZCR3C56J083X43JQXF3JK5&provider=GitHubOAuth", &[conn]),
            ("connection_id=conn_", &[authkit]),
            ("connection_id=org_01E4ZCR3C56J083X43JQXF3JK5", &[authkit]),
            ("connection_id=conn_1%26provider%3Dx", &[authkit]),
            ("domain_hint=acme.test", &[authkit, ("domain_hint", "acme.test")]),
            ("domain_hint=acme", &[authkit]),
            ("domain_hint=acme.test%2Fx", &[authkit]),
            ("domain_hint=-acme.test", &[authkit]),
            ("domain_hint=a@acme.test", &[authkit]),
            ("screen_hint=sign-up", &[authkit, ("screen_hint", "sign-up")]),
            ("screen_hint=other", &[authkit]),
            ("max_age=x", &[authkit]),
            ("redirect_uri=https%3A%2F%2Fevil.example&state=x&code_challenge=y", &[authkit]),
            ("client_id=client_2&response_type=token&provider_scopes=x", &[authkit]),
        ];
        for (query, expected) in cases {
            let asked = asked(query);
            let asked: Vec<_> =
                asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(asked, expected, "{query}");
        }
        for (name, prefix, length, is_passed_on) in [
            ("connection_id", "conn_", 64, true),
            ("connection_id", "conn_", 65, false),
            ("login_hint", "", 2_048, true),
            ("login_hint", "", 2_049, false),
        ] {
            let value = format!("{prefix}{}", "a".repeat(length - prefix.len()));
            let asked = asked(&format!("{name}={value}"));
            let is_there = asked.contains(&(name.to_owned(), value));
            assert_eq!(is_there, is_passed_on, "{name} of {length} bytes");
        }
    }
}
