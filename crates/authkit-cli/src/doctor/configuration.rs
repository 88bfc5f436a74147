use std::fs;

use authkit_session::{
    Authenticator, Config, ConfigError, ConfigProblem, ConfigWarning, integration::is_loopback_host,
};
use url::Url;

use crate::{doctor::report::Report, variables};

/// Checks the variables as a service does at its start, and also what a service does not check.
pub(super) fn check(report: &mut Report, has_env_file: bool) -> Option<Authenticator> {
    for (name, meant) in variables::unread() {
        let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        report.warning("variables", format!("{name} is set, and nothing reads it{meant}"));
    }
    match Config::from_env().and_then(Authenticator::new) {
        Ok(authenticator) => {
            let settings = authenticator.settings();
            for warning in settings.warnings() {
                report.warning("variables", ConfigWarning::to_string(warning));
            }
            report.ok(
                "variables",
                format!(
                    "client id {}, origin {}, cookie {}",
                    settings.client_id(),
                    settings.public_origin(),
                    settings.cookie_name()
                ),
            );
            redirect_uri(report, settings.redirect_uri());
            for origin in settings.origins().listed() {
                report.ok(
                    "redirect",
                    format!(
                        "WorkOS has to know {origin}{}, and {origin}/, too",
                        settings.callback_path()
                    ),
                );
            }
            Some(authenticator)
        }
        Err(error) => {
            problems(report, &error, has_env_file);
            None
        }
    }
}

fn problems(report: &mut Report, error: &ConfigError, has_env_file: bool) {
    for problem in error.problems() {
        report.problem("variables", problem.to_string());
    }
    let is_missing = |problem: &ConfigProblem| matches!(problem, ConfigProblem::Missing(_));
    if !has_env_file
        && error.problems().iter().any(is_missing)
        && fs::exists(".env").unwrap_or(false)
    {
        report.warning(
            "variables",
            "there is a file `.env` here, and no service reads one by itself: call `dotenvy::dotenv()` before \
             `AuthKit::from_env`, and check it with `authkit doctor --env-file .env`",
        );
    }
}

/// Whether a redirect URI is right depends on where the service runs, which the service does not know.
fn redirect_uri(report: &mut Report, uri: &str) {
    let Ok(url) = Url::parse(uri) else { return };
    let is_local = url.host_str().is_some_and(is_loopback_host);
    let is_live =
        variables::secret("WORKOS_API_KEY").is_some_and(|key| key.starts_with("sk_live_"));
    let port = variables::value("PORT").and_then(|port| port.trim().parse::<u16>().ok());
    if is_local && is_live {
        report.warning(
            "redirect",
            "WORKOS_REDIRECT_URI is on this machine, and WORKOS_API_KEY is of the production environment: write the \
             URL that browsers use, or develop with a key `sk_test_...` and its client id",
        );
    }
    if let (true, Some(port)) =
        (is_local, port.filter(|port| Some(*port) != url.port_or_known_default()))
    {
        report.warning(
            "redirect",
            format!(
                "WORKOS_REDIRECT_URI has the port {}, and PORT is {port}: browsers come back to a port where the \
                 service does not listen; write the same port in both",
                url.port_or_known_default().unwrap_or_default()
            ),
        );
    }
    report.ok(
        "redirect",
        format!(
            "WorkOS has to know {uri} as a redirect URI and {}/ as a sign-out redirect: dashboard, Redirects",
            url.origin().ascii_serialization()
        ),
    );
}
