use http::StatusCode;

use super::Cause;
use crate::{resource::ResourceSettings, site::Site};

/// The schemes of `WWW-Authenticate`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    Cookie,
    /// With a bearer token; the request had none.
    Bearer,
    /// With a bearer token other than the request's.
    AnotherBearer,
}

/// Whether signing in helps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignInOffer {
    Offered,
    /// This layer accepts no session.
    Useless,
}

/// The settings of a layer that its challenges need.
#[derive(Clone, Copy)]
pub(crate) struct Challenge<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) offer: SignInOffer,
    /// The protected resource whose metadata says where tokens come from.
    pub(crate) resource: Option<&'a ResourceSettings>,
}

impl From<Scheme> for Challenge<'_> {
    fn from(scheme: Scheme) -> Self {
        Self { scheme, offer: SignInOffer::Offered, resource: None }
    }
}

impl Challenge<'_> {
    /// The `WWW-Authenticate` field of a 401, which must have one (RFC 9110 section 11.6.1), of a 403 for a token that is not
    /// enough, and of a 400 for several.
    ///
    /// RFC 6750 section 3 requires at least one parameter, and no `error` if the request had no token. The error for "signed
    /// in too long ago" is that of RFC 9470 section 3; `resource_metadata` is that of RFC 9728 section 5.1.
    pub(super) fn field(self, cause: &Cause, status: StatusCode, site: &Site) -> Option<String> {
        if !matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
        ) {
            return None;
        }
        let Self { scheme, resource, .. } = self;
        let error = match (cause, scheme) {
            (Cause::SignInAgain { max_age, .. }, _) => format!(
                r#", error="insufficient_user_authentication", max_age="{}""#,
                max_age.as_secs()
            ),
            (Cause::Challenge { .. }, Scheme::AnotherBearer) => {
                r#", error="invalid_token""#.to_owned()
            }
            (Cause::Challenge { .. }, Scheme::Cookie | Scheme::Bearer) => String::new(),
            (
                Cause::Forbidden | Cause::InsufficientScope { .. } | Cause::OtherPrincipal { .. },
                Scheme::AnotherBearer,
            ) => r#", error="insufficient_scope""#.to_owned(),
            (Cause::RepeatedCredentials, _) => r#", error="invalid_request""#.to_owned(),
            (
                Cause::Forbidden
                | Cause::InsufficientScope { .. }
                | Cause::OtherPrincipal { .. }
                | Cause::Unavailable { .. }
                | Cause::CrossOrigin(_)
                | Cause::Misconfigured(_),
                _,
            ) => return None,
        };
        let scope = match cause {
            Cause::InsufficientScope { scope } => Some(&**scope),
            Cause::Challenge { .. } => resource.and_then(ResourceSettings::scope),
            Cause::SignInAgain { .. }
            | Cause::Forbidden
            | Cause::OtherPrincipal { .. }
            | Cause::RepeatedCredentials
            | Cause::Unavailable { .. }
            | Cause::CrossOrigin(_)
            | Cause::Misconfigured(_) => None,
        };
        let scope = scope.map(|scope| format!(r#", scope="{scope}""#)).unwrap_or_default();
        let metadata = resource.map(|resource| resource.metadata.url());
        let metadata =
            metadata.map(|url| format!(r#", resource_metadata="{url}""#)).unwrap_or_default();
        Some(match scheme {
            Scheme::Cookie => format!(r#"Cookie cookie-name="{}"{error}"#, site.cookie_name()),
            Scheme::Bearer | Scheme::AnotherBearer => {
                format!(r#"Bearer realm="{}"{error}{scope}{metadata}"#, site.origin())
            }
        })
    }
}
