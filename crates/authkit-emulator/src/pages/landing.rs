use std::fmt::{self, Display};

use axum::response::Response;
use http::StatusCode;

use super::{
    layout::{Avatar, Text, Width, page},
    sign_in::Tags,
};
use crate::state::State;

/// The page at `/`: the users, the variables to set, the endpoints.
pub(crate) fn landing(state: &State) -> Response {
    page(StatusCode::OK, "Overview", Width::Wide, &Overview(state))
}

struct Overview<'a>(&'a State);

impl Display for Overview<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(state) = self;
        let config = &state.config;
        write!(
            f,
            r#"<h1>AuthKit emulator</h1>
<p class="lead">WorkOS AuthKit in memory, on this machine only. Everything here is gone when it stops.</p>
<h2>Settings for your service</h2>
<pre>WORKOS_BASE_URL={url}
WORKOS_CLIENT_ID={client_id}
WORKOS_API_KEY={api_key}
WORKOS_ISSUER={issuer}</pre>
<h2>Users</h2>
<ul class="people">
"#,
            url = Text(&config.url),
            client_id = Text(&config.client_id),
            api_key = Text(&config.api_key),
            issuer = Text(&config.issuer),
        )?;
        for user in state.directory.users() {
            let name = user.display_name();
            writeln!(
                f,
                r#"<li>{avatar}<span class="who"><span class="name">{name}</span><span class="email">{email}</span><span class="tags">{tags}</span></span></li>"#,
                avatar = Avatar(&name),
                name = Text(&name),
                email = Text(&user.email),
                tags = Tags { user, directory: &state.directory },
            )?;
        }
        writeln!(f, "</ul>")?;
        let emulated = ENDPOINTS
            .map(|(route, purpose)| (route.replace("{client_id}", &config.client_id), purpose));
        table(
            f,
            "Emulated endpoints",
            emulated.iter().map(|(route, purpose)| (route.as_str(), *purpose)),
        )?;
        table(f, "Control", CONTROLS.into_iter())?;
        writeln!(
            f,
            r#"<p class="note">For example, two answers of 503 to the next refreshes or code exchanges:</p>
<pre>curl {url}/_emulator/faults --json '{{"kind":"status","status":503,"times":2}}'</pre>"#,
            url = Text(&config.url),
        )
    }
}

fn table<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    rows: impl Iterator<Item = (&'a str, &'a str)>,
) -> fmt::Result {
    writeln!(f, r#"<h2>{title}</h2><div class="scroll"><table>"#)?;
    for (route, purpose) in rows {
        writeln!(f, "<tr><td><code>{}</code></td><td>{}</td></tr>", Text(route), Text(purpose))?;
    }
    writeln!(f, "</table></div>")
}

const ENDPOINTS: [(&str, &str); 7] = [
    ("GET /user_management/authorize", "sign-in page"),
    (
        "POST /user_management/authenticate",
        "authorization codes, refresh tokens, passwords, organization selection",
    ),
    ("GET /sso/jwks/{client_id}", "public keys"),
    ("GET /user_management/sessions/jwks/{client_id}", "the same"),
    ("GET /user_management/sessions/logout", "sign-out"),
    ("POST /user_management/sessions/revoke", "ends a session, with the API key"),
    ("GET /user_management/users/{id}/sessions", "a user's sessions, with the API key"),
];

const CONTROLS: [(&str, &str); 20] = [
    ("GET /health", "whether it is up"),
    ("GET /_emulator/state", "counts, settings, keys, faults to come, webhooks"),
    ("DELETE /_emulator/counts", "sets the counts to 0"),
    ("GET /_emulator/clock", "the emulator's time"),
    ("POST /_emulator/clock", "{\"advance\": seconds}"),
    (
        "POST /_emulator/settings",
        "{\"token_ttl\": seconds, \"replay_grace\": seconds, \"rate_limit\": \"workos\"}",
    ),
    (
        "POST /_emulator/sessions",
        "{\"user\": address} signs in: tokens, cookie, a browser's storage state",
    ),
    ("POST /_emulator/sessions/revoke", "{\"session_id\": id}"),
    ("POST /_emulator/users", "adds a user, as in a seed"),
    ("PATCH /_emulator/users/{user}", "{\"fields\": {…}, \"claims\": {…}} of any type"),
    ("POST /_emulator/organizations", "adds an organization, as in a seed"),
    ("POST /_emulator/claims", "{\"claims\": {…}, \"organization\": id} of everybody without one"),
    ("POST /_emulator/faults", "adds a fault"),
    ("DELETE /_emulator/faults", "forgets the faults to come"),
    ("GET /_emulator/answers", "the answers that a fault can give by name"),
    (
        "POST /_emulator/connections",
        "{\"freeze\": true, \"swallow\": number} answers nothing on them",
    ),
    ("POST /_emulator/webhooks", "{\"url\": …, \"secret\": …} sends events there, signed"),
    ("POST /_emulator/events", "sends the body to all webhook endpoints"),
    ("POST /_emulator/keys", "publishes a new key; {\"sign\": true} signs with it at once"),
    ("DELETE /_emulator/keys/{kid}", "stops publishing a key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_is_documented_wherever_they_are() {
        for (control, _) in CONTROLS {
            let row = format!("| `{control}` |");
            for (file, text) in [
                ("README.md", include_str!("../../README.md")),
                ("lib.rs", include_str!("../lib.rs")),
            ] {
                assert!(text.contains(&row), "{control} is not in {file}");
            }
        }
        let routed = include_str!("../routes/control.rs").matches(".route(").count();
        let paths: std::collections::HashSet<&str> =
            CONTROLS.iter().filter_map(|(control, _)| control.split(' ').nth(1)).collect();
        // The style sheet is not a control, and /health has its route elsewhere.
        assert_eq!(paths.len(), routed, "a route that no table has, or the other way round");
    }
}
