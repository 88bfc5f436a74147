//! Cookies that the endpoints keep in the browser beside the session.
//!
//! Their names have a hash of the client id, the session cookie's name and the base path in them, so that several applications on one
//! host neither read nor delete each other's. A value that decides something is sealed.

use authkit_session::integration::Purpose;

use crate::authkit::AuthKit;

/// The name of this application's cookie of a kind, such as `bounces`.
///
/// `__Host-` keeps sibling hosts from planting one. Browsers accept it on https only.
pub(super) fn name(authkit: &AuthKit, kind: &str) -> String {
    let prefix = if authkit.settings().cookies().is_secure() { "__Host-" } else { "" };
    format!("{prefix}wos_{kind}_{:08x}", application(authkit))
}

/// Seals the value of the cookie `name`.
pub(super) fn seal(authkit: &AuthKit, name: &str, value: &str) -> Option<String> {
    let sealed =
        authkit.authenticator().seal_for(Purpose::Helper, name.as_bytes(), value.as_bytes());
    sealed.ok()
}

/// Opens the value of the cookie `name`.
pub(super) fn open(authkit: &AuthKit, name: &str, sealed: &[u8]) -> Option<String> {
    let sealed = std::str::from_utf8(sealed).ok().filter(|sealed| sealed.len() <= MAX_VALUE)?;
    let value = authkit.authenticator().open_for(Purpose::Helper, name.as_bytes(), sealed)?;
    String::from_utf8(value).ok()
}

/// A number that tells this application's cookies from those of others on the same host.
fn application(authkit: &AuthKit) -> u32 {
    let (client_id, site) = (authkit.settings().client_id(), authkit.site());
    hash([client_id, "\n", site.cookie_name(), site.base()].concat().as_bytes())
}

/// FNV-1a, which is enough to tell a handful of names apart.
pub(super) fn hash(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The longest sealed value that is opened, in bytes.
const MAX_VALUE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Config, CookiePassword,
        tests::{authkit, authkit_of},
    };

    #[test]
    fn a_value_that_is_longer_than_any_of_ours_is_not_opened() {
        let (authkit, _) = authkit();
        let mut longest = 0;
        for length in 0..500 {
            let value = "a".repeat(length);
            let sealed = seal(&authkit, "name", &value).unwrap();
            let opened = open(&authkit, "name", sealed.as_bytes());
            let expected = (sealed.len() <= 512).then_some(value);
            assert_eq!(opened, expected, "{} bytes", sealed.len());
            longest = longest.max(sealed.len());
        }
        assert!(longest > 512, "{longest}");
    }

    #[test]
    fn applications_on_one_host_have_cookies_of_their_own() {
        let (one, _) = authkit();
        let uri = "https://app.example.com/callback";
        let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
        let others = [
            AuthKit::new(Config::new("client_2", "sk_1", uri, password)).unwrap(),
            authkit_of(|config| config.with_cookie_name("another")).0,
        ];
        let names = others.iter().chain([&one]).map(|authkit| super::name(authkit, "bounces"));
        assert_eq!(names.collect::<std::collections::HashSet<_>>().len(), 3);
    }

    #[test]
    fn a_value_counts_under_its_own_name_alone() {
        let (authkit, _) = authkit();
        let sealed = seal(&authkit, "name", "value").unwrap();
        for (name, expected) in [("name", Some("value")), ("another", None), ("", None)] {
            let opened = open(&authkit, name, sealed.as_bytes());
            assert_eq!(opened.as_deref(), expected, "{name}");
        }
    }
}
