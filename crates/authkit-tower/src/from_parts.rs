//! The seam for web frameworks: what a handler asks for, from the parts of a request.

use http::request::Parts;

use crate::{
    api_key::ApiKey,
    bearer::Bearer,
    denial::{Caller, Cause, Mistake},
    lookup::PrincipalLookup,
    machine::Machine,
    oauth_client::OAuthClient,
    principal::Principal,
    principal_ref::{PrincipalKind, PrincipalRef},
    session::Session,
    session_rejection::SessionRejection,
};

/// What a handler can ask for: [`Session`], [`Bearer`], [`ApiKey`], [`Machine`], [`OAuthClient`], or any of them as a
/// [`Principal`]; and an [`Option`] of a `Session` or a `Principal`.
///
/// Extractors for a web framework call it, as those for axum do. Guards call [`Require::check`](crate::Require::check).
///
/// - Each but an `Option` needs a principal. Under an optional layer with nobody signed in, the rejection
///   is that layer's challenge.
/// - `Option` is `None` if nobody is signed in. If the session cannot be checked right now, it is a rejection, never
///   `None`: an outage never looks like a signed-out user.
/// - A kind is never made from another: a `Session` where the request has an API key is a rejection, 403.
/// - Without an [`AuthKitLayer`](crate::AuthKitLayer) around the handler, everything is a rejection, 500.
///
/// # Examples
///
/// Extractors for a framework, and a type of the application that only administrators have:
///
/// ```
/// use authkit_tower::{FromParts, Require, Session, SessionRejection};
/// use bytes::Bytes;
/// use http::{Response, request::Parts};
///
/// # mod framework {
/// #     pub(crate) trait Extract: Sized {
/// #         fn extract(parts: &http::request::Parts) -> Result<Self, http::Response<bytes::Bytes>>;
/// #     }
/// # }
/// struct Auth<T>(T);
///
/// impl<T: FromParts> framework::Extract for Auth<T> {
///     fn extract(parts: &Parts) -> Result<Self, Response<Bytes>> {
///         T::from_parts(parts).map(Self).map_err(SessionRejection::into_http_response)
///     }
/// }
///
/// struct Admin(Session);
///
/// impl FromParts for Admin {
///     fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
///         Require::role("admin").check(parts)?;
///         Session::from_parts(parts).map(Self)
///     }
/// }
///
/// let (parts, ()) = http::Request::new(()).into_parts();
/// let rejection = Admin::from_parts(&parts).err().unwrap();
/// assert_eq!(rejection.response().status(), 500);
/// assert!(rejection.to_string().contains("AuthKitLayer"), "no layer ran");
/// # use framework::Extract;
/// # assert!(Auth::<Admin>::extract(&parts).is_err());
/// ```
pub trait FromParts: Sized {
    /// Reads the value from the parts of a request that an [`AuthKitLayer`](crate::AuthKitLayer) has let through.
    ///
    /// # Errors
    ///
    /// The response to send in place of the handler's.
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection>;
}

impl FromParts for Session {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        kind(parts, PrincipalKind::Session, |principal| match principal {
            PrincipalRef::Session(session) => Some(session.clone()),
            PrincipalRef::Bearer(_)
            | PrincipalRef::ApiKey(_)
            | PrincipalRef::Machine(_)
            | PrincipalRef::Client(_) => None,
        })
    }
}

impl FromParts for Bearer {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        kind(parts, PrincipalKind::Bearer, |principal| match principal {
            PrincipalRef::Bearer(bearer) => Some(bearer.clone()),
            PrincipalRef::Session(_)
            | PrincipalRef::ApiKey(_)
            | PrincipalRef::Machine(_)
            | PrincipalRef::Client(_) => None,
        })
    }
}

impl FromParts for ApiKey {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        kind(parts, PrincipalKind::ApiKey, |principal| match principal {
            PrincipalRef::ApiKey(key) => Some(key.clone()),
            PrincipalRef::Session(_)
            | PrincipalRef::Bearer(_)
            | PrincipalRef::Machine(_)
            | PrincipalRef::Client(_) => None,
        })
    }
}

impl FromParts for Machine {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        kind(parts, PrincipalKind::Machine, |principal| match principal {
            PrincipalRef::Machine(machine) => Some(machine.clone()),
            PrincipalRef::Session(_)
            | PrincipalRef::Bearer(_)
            | PrincipalRef::ApiKey(_)
            | PrincipalRef::Client(_) => None,
        })
    }
}

impl FromParts for OAuthClient {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        kind(parts, PrincipalKind::Client, |principal| match principal {
            PrincipalRef::Client(client) => Some(client.clone()),
            PrincipalRef::Session(_)
            | PrincipalRef::Bearer(_)
            | PrincipalRef::ApiKey(_)
            | PrincipalRef::Machine(_) => None,
        })
    }
}

impl FromParts for Principal {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        principal(parts).map(PrincipalRef::to_owned)
    }
}

impl FromParts for Option<Session> {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        optional(parts)
    }
}

impl FromParts for Option<Principal> {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        optional(parts)
    }
}

/// The principal of a request.
fn principal(parts: &Parts) -> Result<PrincipalRef<'_>, SessionRejection> {
    let caller = || Caller::of_parts(parts);
    match PrincipalLookup::of(&parts.extensions) {
        PrincipalLookup::Principal(principal) => Ok(principal),
        PrincipalLookup::NoPrincipal(none) => Err(SessionRejection::no_principal(none, caller())),
        PrincipalLookup::NoLayer => {
            Err(SessionRejection::without_layer(Mistake::SessionOutsideLayer, caller()))
        }
    }
}

/// The principal of a request, if `of_kind` accepts it; never one of another kind.
fn kind<T>(
    parts: &Parts,
    wanted: PrincipalKind,
    of_kind: impl FnOnce(PrincipalRef<'_>) -> Option<T>,
) -> Result<T, SessionRejection> {
    let principal = principal(parts)?;
    of_kind(principal).ok_or_else(|| {
        let cause = Cause::OtherPrincipal { wanted };
        SessionRejection::new(principal.state(), &cause, Caller::of_parts(parts))
    })
}

/// `None` if nobody is signed in, otherwise a `T` or its rejection.
fn optional<T: FromParts>(parts: &Parts) -> Result<Option<T>, SessionRejection> {
    match PrincipalLookup::of(&parts.extensions) {
        PrincipalLookup::NoPrincipal(none) if none.is_signed_out() => Ok(None),
        PrincipalLookup::Principal(_)
        | PrincipalLookup::NoPrincipal(_)
        | PrincipalLookup::NoLayer => T::from_parts(parts).map(Some),
    }
}
