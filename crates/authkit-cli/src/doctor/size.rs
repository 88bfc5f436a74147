use authkit_session::{CookiePassword, SealFormat, Settings, inspect};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{doctor::report::Report, variables};

/// Seals a session of a user with this many permissions, to check whether browsers and proxies accept it, and names the
/// formats that the password suits.
pub(super) fn check(report: &mut Report, settings: &Settings, permissions: usize) {
    // The variables were valid a moment ago; a file may have changed since.
    let Some(password) = variables::secret("WORKOS_COOKIE_PASSWORD") else { return };
    let Ok(password) = CookiePassword::new(password) else { return };
    let format = variables::value("WORKOS_SEAL_FORMAT").and_then(|word| word.parse().ok());
    let format: SealFormat = format.unwrap_or_default();

    let suits = |format: &SealFormat| inspect::seal(*format, &password, b"").is_ok();
    let suited: Vec<_> =
        SealFormat::ALL.iter().copied().filter(suits).map(SealFormat::as_str).collect();
    report.ok("password", format!("suits the formats {}", suited.join(", ")));

    let Ok(sealed) = inspect::seal(format, &password, session(permissions).to_string().as_bytes())
    else {
        return;
    };
    let bytes = settings.cookie_name().len() + 1 + sealed.len();
    let sample =
        format!("the session of a user with {permissions} permissions takes {bytes} bytes");
    if bytes > MOST {
        report.problem(
            "size",
            format!(
                "{sample}, more than browsers and proxies take ({MOST}): leave claims out of the JWT template in the \
                 WorkOS dashboard"
            ),
        );
    } else if bytes > ONE_COOKIE {
        report.warning(
            "size",
            format!(
                "{sample}, so that it is set in parts: leave claims out of the JWT template, or give nginx \
                 `proxy_buffer_size 16k` and `large_client_header_buffers 4 16k`"
            ),
        );
    } else {
        report.ok("size", format!("{sample}; browsers take {ONE_COOKIE} in one cookie"));
    }
}

/// WorkOS's answer for a user with long names.
fn session(permissions: usize) -> Value {
    let permissions: Vec<_> = (0..permissions).map(|n| format!("department-{n:03}:read")).collect();
    let claims = json!({
        "iss": "https://api.workos.com/user_management/client_01HXYZ0123456789ABCDEFGHJK",
        "sub": "user_01HXYZ0123456789ABCDEFGHJK",
        "sid": "session_01HXYZ0123456789ABCDEFGHJK",
        "jti": "01HXYZ0123456789ABCDEFGHJK",
        "org_id": "org_01HXYZ0123456789ABCDEFGHJK",
        "role": "administrator",
        "roles": ["administrator"],
        "permissions": permissions,
        "iat": 1_800_000_000,
        "exp": 1_800_000_300,
    });
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = json!({ "alg": "RS256", "kid": "sso_oidc_key_pair_01HXYZ0123456789ABCDEFGHJK" });
    let signature = URL_SAFE_NO_PAD.encode([0; 256]);
    json!({
        "access_token": format!("{}.{}.{signature}", part(header.to_string()), part(claims.to_string())),
        "refresh_token": "r".repeat(25),
        "user": {
            "object": "user",
            "id": "user_01HXYZ0123456789ABCDEFGHJK",
            "email": "wilhelmina.featherstonehaugh@subsidiary.example.com",
            "email_verified": true,
            "first_name": "Wilhelmina",
            "last_name": "Featherstonehaugh",
            "profile_picture_url": format!("https://workoscdn.com/images/v1/{}", "p".repeat(80)),
            "last_sign_in_at": "2026-01-01T00:00:00.000Z",
            "external_id": null,
            "metadata": {},
            "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": "2026-01-01T00:00:00.000Z",
        },
    })
}

/// Name, `=` and value of one cookie (RFC 6265bis section 5.6 counts without the `=`).
const ONE_COOKIE: usize = 4096;
/// The largest session that is set, in parts.
const MOST: usize = 7 * 1024;
