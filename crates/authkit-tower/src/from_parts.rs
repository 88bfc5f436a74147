//! The seam for web frameworks: what a handler asks for, from the parts of a request.

use http::request::Parts;

use crate::{
    denial::{Caller, Cause, Mistake},
    lookup::PrincipalLookup,
    principal::Principal,
    session::Session,
    session_rejection::SessionRejection,
};

/// What a handler can ask for: [`Session`] or [`Principal`], or an [`Option`] of one.
///
/// Extractors for a web framework are written over it; those for axum are. Guards are written over
/// [`Require::check`](crate::Require::check).
///
/// - `Session` and `Principal` need a user who is signed in. Under an optional layer with nobody signed in, the rejection
///   is that layer's challenge.
/// - `Option` is `None` if nobody is signed in. If the session cannot be checked right now, it is a rejection, never
///   `None`: an outage never looks like a signed-out user.
/// - A `Session` is never made from a bearer token: that is a rejection, 403.
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
    /// Reads it from the parts of a request that an [`AuthKitLayer`](crate::AuthKitLayer) has let through.
    ///
    /// # Errors
    ///
    /// The response to send in place of the handler's.
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection>;
}

impl FromParts for Session {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        let caller = || Caller::of_parts(parts);
        Err(match PrincipalLookup::of(&parts.extensions) {
            PrincipalLookup::Session(session) => return Ok(session.clone()),
            PrincipalLookup::Bearer(bearer) => {
                SessionRejection::new(bearer.state(), &Cause::NotByBearer, caller())
            }
            PrincipalLookup::NoPrincipal(none) => SessionRejection::no_principal(none, caller()),
            PrincipalLookup::NoLayer => {
                SessionRejection::without_layer(Mistake::SessionOutsideLayer, caller())
            }
        })
    }
}

impl FromParts for Principal {
    fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        let caller = || Caller::of_parts(parts);
        Err(match PrincipalLookup::of(&parts.extensions) {
            PrincipalLookup::Session(session) => return Ok(Self::Session(session.clone())),
            PrincipalLookup::Bearer(bearer) => return Ok(Self::Bearer(bearer.clone())),
            PrincipalLookup::NoPrincipal(none) => SessionRejection::no_principal(none, caller()),
            PrincipalLookup::NoLayer => {
                SessionRejection::without_layer(Mistake::SessionOutsideLayer, caller())
            }
        })
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

/// `None` if nobody is signed in, otherwise a `T` or its rejection.
fn optional<T: FromParts>(parts: &Parts) -> Result<Option<T>, SessionRejection> {
    match PrincipalLookup::of(&parts.extensions) {
        PrincipalLookup::NoPrincipal(none) if none.is_signed_out() => Ok(None),
        PrincipalLookup::Session(_)
        | PrincipalLookup::Bearer(_)
        | PrincipalLookup::NoPrincipal(_)
        | PrincipalLookup::NoLayer => T::from_parts(parts).map(Some),
    }
}
