use serde_json::{Value, json};
use url::Url;

/// The state of a browser that holds one session cookie, in the format of Playwright's `storageState`.
pub(crate) fn storage_state(name: &str, value: &str, app_url: &str) -> Result<Value, String> {
    let url = Url::parse(app_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| format!("{app_url} is not the http(s) URL of an application"))?;
    let size = name.len() + value.len();
    if size > MOST_BYTES {
        return Err(format!(
            "the cookie has {size} bytes, and browsers drop those of more than {MOST_BYTES}"
        ));
    }
    Ok(json!({
        "cookies": [{
            "name": name,
            "value": value,
            "domain": url.host_str(),
            "path": "/",
            "expires": -1,
            "httpOnly": true,
            "secure": url.scheme() == "https",
            "sameSite": "Lax",
        }],
        "origins": [],
    }))
}

/// The most that browsers accept for name and value together, in bytes.
const MOST_BYTES: usize = 4_096;
