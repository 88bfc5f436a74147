use std::env;

use url::Url;

use crate::doctor::report::Report;

/// Says which proxy calls to WorkOS go through, and whether it can be used.
pub(super) fn check(report: &mut Report) {
    // In order of precedence.
    let found = NAMES.into_iter().find_map(|name| {
        let value = env::var(name).ok().filter(|value| !value.trim().is_empty())?;
        Some((name, value))
    });
    let Some((name, value)) = found else {
        report.ok("proxy", "no proxy variable is set; calls go to WorkOS directly");
        return;
    };
    // A host alone counts as an http proxy.
    let url = if value.contains("://") { value } else { format!("http://{value}") };
    let url = Url::parse(&url).ok();
    match url {
        Some(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => {
            let host = url.host_str().unwrap_or_default();
            let port = url.port_or_known_default().unwrap_or_default();
            report.ok("proxy", format!("calls to WorkOS go through {host}:{port} ({name})"));
        }
        Some(url) if url.scheme().starts_with("socks") => report.problem(
            "proxy",
            format!("{name} names a SOCKS proxy, which is not supported: write the URL of an http proxy"),
        ),
        _ => report.problem(
            "proxy",
            format!("{name} is no proxy's URL: write one such as `http://proxy.example.com:3128`, or unset it"),
        ),
    }
}

const NAMES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
