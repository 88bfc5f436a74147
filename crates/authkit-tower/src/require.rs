//! Guards: conditions of single routes.
//!
//! 1. A guard judges what an [`AuthKitLayer`](crate::AuthKitLayer) outside it has attached; it authenticates nothing.
//! 2. A session or token that meets the condition passes.
//! 3. A user who signed in too long ago is asked to sign in again, if that is all that is missing. Everyone else who is
//!    signed in gets 403.
//! 4. If nobody is signed in, the guard sends the denial of the layer outside.
//! 5. If there is no layer outside, it sends 500. A guard never admits what it cannot evaluate.

mod service;

use std::{
    cmp::Reverse,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use authkit_session::VerifiedToken;
use http::{Extensions, request::Parts};

pub use self::service::{RequireFuture, RequireService};
use crate::{
    denial::{Caller, Cause, Mistake},
    lookup::PrincipalLookup,
    principal::Principal,
    principal_ref::PrincipalRef,
    session::Session,
    session_rejection::SessionRejection,
};

/// A guard: a condition of one route on the session. It is a layer for the routed service, inside an
/// [`AuthKitLayer`](crate::AuthKitLayer).
///
/// A user who does not meet it gets 403. If nobody is signed in, the answer is that of the layer outside. Without a layer
/// outside the answer is 500: a guard never admits what it cannot evaluate.
///
/// Roles, permissions and other claims are as old as the access token;
/// [`AuthKitLayer::with_max_token_age`](crate::AuthKitLayer::with_max_token_age) limits its age.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use authkit_tower::Require;
///
/// let admins_or_auditors = Require::role("admin").or(Require::permission("audit:read"));
/// let danger_zone = admins_or_auditors
///     .and(Require::recent_sign_in(Duration::from_secs(300)))
///     .and(Require::not_impersonated());
/// # let _ = danger_zone;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Require {
    rule: Arc<Rule>,
}

enum Rule {
    Role(Box<str>),
    Permission(Box<str>),
    Organization(Box<str>),
    Entitlement(Box<str>),
    FeatureFlag(Box<str>),
    RecentSignIn(Duration),
    NotImpersonated,
    Scope(Box<str>),
    That(Box<dyn Fn(&Session) -> bool + Send + Sync>),
    ThatToken(Box<dyn Fn(&VerifiedToken) -> bool + Send + Sync>),
    ThatPrincipal(Box<dyn Fn(&Principal) -> bool + Send + Sync>),
    And(Require, Require),
    Or(Require, Require),
}

impl Require {
    /// Requires a role in the session's organization, as the main role or one of several.
    pub fn role(role: impl Into<Box<str>>) -> Self {
        Rule::Role(role.into()).into()
    }

    /// Requires a permission, such as `audit:read`: of the user, or of the API key.
    pub fn permission(permission: impl Into<Box<str>>) -> Self {
        Rule::Permission(permission.into()).into()
    }

    /// Requires a session, a key or a token for this organization (`org_…`).
    pub fn organization(id: impl Into<Box<str>>) -> Self {
        Rule::Organization(id.into()).into()
    }

    /// Requires an entitlement of the organization.
    pub fn entitlement(entitlement: impl Into<Box<str>>) -> Self {
        Rule::Entitlement(entitlement.into()).into()
    }

    /// Requires a feature flag that is on for the user.
    pub fn feature_flag(flag: impl Into<Box<str>>) -> Self {
        Rule::FeatureFlag(flag.into()).into()
    }

    /// Requires a scope of the access token: of a machine, or of an OAuth application that acts for a user.
    ///
    /// An OAuth application that lacks nothing else gets 403 with `error="insufficient_scope"` and the scope, so that it
    /// can ask the user for more.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::Require;
    ///
    /// // Users by their permissions, applications by what they were allowed.
    /// let may_write = Require::permission("notes:write").or(Require::scope("notes:write"));
    /// # let _ = may_write;
    /// ```
    pub fn scope(scope: impl Into<Box<str>>) -> Self {
        Rule::Scope(scope.into()).into()
    }

    /// Requires a sign-in (`auth_time`, not a refresh) at most this long ago. A user whose sign-in is older has to sign in
    /// again.
    ///
    /// A token without `auth_time` gets 403: signing in again would not change that.
    pub fn recent_sign_in(max_age: Duration) -> Self {
        Rule::RecentSignIn(max_age).into()
    }

    /// Refuses impersonated users. API keys and machines cannot be impersonated, and pass.
    pub fn not_impersonated() -> Self {
        Rule::NotImpersonated.into()
    }

    /// Requires that `holds` returns true for the session. It runs within the request and must not block.
    ///
    /// Any other principal has no session and does not meet this; see [`that_token`](Self::that_token) and
    /// [`that_principal`](Self::that_principal).
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::Require;
    ///
    /// let staff = Require::that(|session| {
    ///     let user = session.user();
    ///     user.email_verified && user.email.as_ref().is_some_and(|email| email.ends_with("@example.com"))
    /// });
    /// # let _ = staff;
    /// ```
    pub fn that(holds: impl Fn(&Session) -> bool + Send + Sync + 'static) -> Self {
        Rule::That(Box::new(holds)).into()
    }

    /// Requires that `holds` returns true for the user's access token: the session's, or a bearer token. A principal of
    /// another kind has none and does not meet this.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::Require;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Plan {
    ///     plan: String,
    /// }
    ///
    /// let paying = Require::that_token(|token| token.claims::<Plan>().is_ok_and(|claims| claims.plan != "free"));
    /// # let _ = paying;
    /// ```
    pub fn that_token(holds: impl Fn(&VerifiedToken) -> bool + Send + Sync + 'static) -> Self {
        Rule::ThatToken(Box::new(holds)).into()
    }

    /// Requires that `holds` returns true for the principal, of whatever kind it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{Principal, Require};
    ///
    /// let only_keys = Require::that_principal(|principal| matches!(principal, Principal::ApiKey(_)));
    /// # let _ = only_keys;
    /// ```
    pub fn that_principal(holds: impl Fn(&Principal) -> bool + Send + Sync + 'static) -> Self {
        Rule::ThatPrincipal(Box::new(holds)).into()
    }

    /// Requires both.
    pub fn and(self, other: Self) -> Self {
        Rule::And(self, other).into()
    }

    /// Requires at least one of the two.
    pub fn or(self, other: Self) -> Self {
        Rule::Or(self, other).into()
    }

    /// Judges the session of a request, for guards of a web framework that has no tower layers.
    ///
    /// # Errors
    ///
    /// The response to send in place of the handler's.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{Require, SessionRejection};
    /// use bytes::Bytes;
    /// use http::{Response, request::Parts};
    ///
    /// fn auditors_only(parts: &Parts) -> Result<(), Response<Bytes>> {
    ///     Require::permission("audit:read").check(parts).map_err(SessionRejection::into_http_response)
    /// }
    /// # let (parts, ()) = http::Request::new(()).into_parts();
    /// # assert_eq!(auditors_only(&parts).unwrap_err().status(), 500);
    /// ```
    pub fn check(&self, parts: &Parts) -> Result<(), SessionRejection> {
        self.admit(|| Caller::of_parts(parts), &parts.extensions)
    }

    /// Admits a request, or rejects it.
    fn admit<'a>(
        &self,
        caller: impl FnOnce() -> Caller<'a>,
        extensions: &Extensions,
    ) -> Result<(), SessionRejection> {
        let principal = match PrincipalLookup::of(extensions) {
            PrincipalLookup::Principal(principal) => principal,
            PrincipalLookup::NoPrincipal(none) => {
                return Err(SessionRejection::no_principal(none, caller()));
            }
            PrincipalLookup::NoLayer => {
                return Err(SessionRejection::without_layer(Mistake::GuardOutsideLayer, caller()));
            }
        };
        let state = principal.state();
        let cause = match self.evaluate(principal, state.now()) {
            Evaluation::Pass => return Ok(()),
            Evaluation::SignInAgain(Reverse(max_age)) => {
                Cause::SignInAgain { max_age, reason: None }
            }
            Evaluation::Forbidden => match self.shortfall(principal, state.now()) {
                Shortfall::Scope(scope) => Cause::InsufficientScope { scope: scope.into() },
                Shortfall::Nothing | Shortfall::More => Cause::Forbidden,
            },
        };
        let caller = caller();
        if let Cause::Forbidden = cause {
            let authkit = state.authkit();
            let log = authkit.site().denial_log();
            log.guard_refused(self, principal, caller.client, authkit.settings());
        }
        Err(SessionRejection::new(state, &cause, caller))
    }

    /// Evaluates the condition for a principal. A condition on something that its kind cannot have is not met.
    fn evaluate(&self, principal: PrincipalRef<'_>, now: SystemTime) -> Evaluation {
        let evaluate = |rule: &Self| rule.evaluate(principal, now);
        let has = |held: &[String], wanted: &str| held.iter().any(|one| one == wanted);
        let token = principal.token();
        let holds = match &*self.rule {
            Rule::Role(role) => {
                token.is_some_and(|token| token.role() == Some(role))
                    || has(principal.roles(), role)
            }
            Rule::Permission(permission) => has(principal.permissions(), permission),
            Rule::Organization(id) => principal.organization_id() == Some(id),
            Rule::Entitlement(entitlement) => {
                token.is_some_and(|token| has(token.entitlements(), entitlement))
            }
            Rule::FeatureFlag(flag) => token.is_some_and(|token| has(token.feature_flags(), flag)),
            Rule::Scope(scope) => has(principal.scopes(), scope),
            Rule::NotImpersonated => !principal.is_impersonated(),
            Rule::That(holds) => principal.session().is_some_and(holds),
            Rule::ThatToken(holds) => token.is_some_and(holds),
            Rule::ThatPrincipal(holds) => holds(&principal.to_owned()),
            Rule::RecentSignIn(max_age) => {
                return recency(token.and_then(VerifiedToken::auth_time), *max_age, now);
            }
            Rule::And(one, other) => return evaluate(one).max(evaluate(other)),
            Rule::Or(one, other) => return evaluate(one).min(evaluate(other)),
        };
        if holds { Evaluation::Pass } else { Evaluation::Forbidden }
    }

    /// What the principal lacks to meet the condition.
    fn shortfall(&self, principal: PrincipalRef<'_>, now: SystemTime) -> Shortfall<'_> {
        if self.evaluate(principal, now) == Evaluation::Pass {
            return Shortfall::Nothing;
        }
        match &*self.rule {
            Rule::Scope(scope) => match principal {
                PrincipalRef::Machine(_) | PrincipalRef::Client(_) if is_scope(scope) => {
                    Shortfall::Scope(scope)
                }
                PrincipalRef::Machine(_)
                | PrincipalRef::Client(_)
                | PrincipalRef::Session(_)
                | PrincipalRef::Bearer(_)
                | PrincipalRef::ApiKey(_) => Shortfall::More,
            },
            Rule::And(one, other) => {
                one.shortfall(principal, now).and(other.shortfall(principal, now))
            }
            Rule::Or(one, other) => {
                one.shortfall(principal, now).or(other.shortfall(principal, now))
            }
            Rule::Role(_)
            | Rule::Permission(_)
            | Rule::Organization(_)
            | Rule::Entitlement(_)
            | Rule::FeatureFlag(_)
            | Rule::RecentSignIn(_)
            | Rule::NotImpersonated
            | Rule::That(_)
            | Rule::ThatToken(_)
            | Rule::ThatPrincipal(_) => Shortfall::More,
        }
    }
}

/// Whether a challenge can name the scope: it must be a scope token of RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn recency(signed_in: Option<SystemTime>, max_age: Duration, now: SystemTime) -> Evaluation {
    match signed_in {
        None => Evaluation::Forbidden,
        // The claim has whole seconds. A time in the future is a clock difference of some seconds.
        Some(at) if now.duration_since(at).unwrap_or_default().as_secs() <= max_age.as_secs() => {
            Evaluation::Pass
        }
        Some(_) => Evaluation::SignInAgain(Reverse(max_age)),
    }
}

/// How a session meets a condition, from best to worst: `and` takes the worse of two, `or` the better.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Evaluation {
    Pass,
    /// A shorter greatest age is worse.
    SignInAgain(Reverse<Duration>),
    Forbidden,
}

/// What a principal lacks to meet a condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shortfall<'a> {
    Nothing,
    /// A scope that its token could have; if it lacks several, the first.
    Scope(&'a str),
    /// Something that no scope makes good.
    More,
}

impl Shortfall<'_> {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::More, _) | (_, Self::More) => Self::More,
            (Self::Nothing, needed) | (needed @ Self::Scope(_), _) => needed,
        }
    }

    fn or(self, other: Self) -> Self {
        match self {
            Self::More => other,
            Self::Nothing | Self::Scope(_) => self,
        }
    }
}

impl From<Rule> for Require {
    fn from(rule: Rule) -> Self {
        Self { rule: Arc::new(rule) }
    }
}

/// The guard's condition, as logs show it.
impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.rule {
            Rule::Role(name) => write!(f, "role `{name}`"),
            Rule::Permission(name) => write!(f, "permission `{name}`"),
            Rule::Organization(id) => write!(f, "organization `{id}`"),
            Rule::Entitlement(name) => write!(f, "entitlement `{name}`"),
            Rule::FeatureFlag(name) => write!(f, "feature flag `{name}`"),
            Rule::Scope(name) => write!(f, "scope `{name}`"),
            Rule::RecentSignIn(max_age) => write!(f, "a sign-in of the last {max_age:?}"),
            Rule::NotImpersonated => f.write_str("no impersonation"),
            Rule::That(_) | Rule::ThatToken(_) | Rule::ThatPrincipal(_) => {
                f.write_str("a condition of the application")
            }
            Rule::And(one, other) => write!(f, "({one} and {other})"),
            Rule::Or(one, other) => write!(f, "({one} or {other})"),
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => f.debug_tuple("Role").field(name).finish(),
            Self::Permission(name) => f.debug_tuple("Permission").field(name).finish(),
            Self::Organization(id) => f.debug_tuple("Organization").field(id).finish(),
            Self::Entitlement(name) => f.debug_tuple("Entitlement").field(name).finish(),
            Self::FeatureFlag(name) => f.debug_tuple("FeatureFlag").field(name).finish(),
            Self::Scope(name) => f.debug_tuple("Scope").field(name).finish(),
            Self::RecentSignIn(max_age) => f.debug_tuple("RecentSignIn").field(max_age).finish(),
            Self::NotImpersonated => f.write_str("NotImpersonated"),
            Self::That(_) => f.write_str("That(..)"),
            Self::ThatToken(_) => f.write_str("ThatToken(..)"),
            Self::ThatPrincipal(_) => f.write_str("ThatPrincipal(..)"),
            Self::And(one, other) => f.debug_tuple("And").field(one).field(other).finish(),
            Self::Or(one, other) => f.debug_tuple("Or").field(one).field(other).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
