mod service;

use std::{
    cmp::Reverse,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use authkit_session::VerifiedToken;

#[cfg(feature = "axum")]
pub(crate) use self::service::answer_without_layer;
pub use self::service::{RequireFuture, RequireService};
use crate::session::Session;

/// A route's own condition on the session: a layer for the routed service, inside an
/// [`AuthKitLayer`](crate::AuthKitLayer).
///
/// Somebody signed in who does not meet it gets 403. Nobody signed in gets what the layer outside answers, and without
/// any layer outside the answer is 500: a guard never lets through what it cannot judge.
///
/// Roles, permissions and the like are those of the access token: at most as old as the token, see
/// [`AuthKitLayer::with_max_token_age`](crate::AuthKitLayer::with_max_token_age).
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
    That(Box<dyn Fn(&Session) -> bool + Send + Sync>),
    ThatToken(Box<dyn Fn(&VerifiedToken) -> bool + Send + Sync>),
    And(Require, Require),
    Or(Require, Require),
}

impl Require {
    /// Asks for a role in the session's organization, as its main role or one of several.
    pub fn role(role: impl Into<Box<str>>) -> Self {
        Rule::Role(role.into()).into()
    }

    /// Asks for a permission, such as `audit:read`.
    pub fn permission(permission: impl Into<Box<str>>) -> Self {
        Rule::Permission(permission.into()).into()
    }

    /// Asks for a session that is in this organization (`org_…`).
    pub fn organization(id: impl Into<Box<str>>) -> Self {
        Rule::Organization(id.into()).into()
    }

    /// Asks for something that the organization has bought.
    pub fn entitlement(entitlement: impl Into<Box<str>>) -> Self {
        Rule::Entitlement(entitlement.into()).into()
    }

    /// Asks for a feature flag that is on for the user.
    pub fn feature_flag(flag: impl Into<Box<str>>) -> Self {
        Rule::FeatureFlag(flag.into()).into()
    }

    /// Asks for a sign-in (`auth_time`, not a refresh) at most this long ago; otherwise the user has to sign in again.
    ///
    /// A token that does not say when the user signed in gets 403, since signing in again would not change that.
    pub fn recent_sign_in(max_age: Duration) -> Self {
        Rule::RecentSignIn(max_age).into()
    }

    /// Keeps out whoever uses the session in the user's stead.
    pub fn not_impersonated() -> Self {
        Rule::NotImpersonated.into()
    }

    /// Asks for anything else that can be told from the session, at once and without waiting.
    ///
    /// A request with a bearer token has no session, so it does not meet this; [`that_token`](Self::that_token) may.
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

    /// Asks for anything else that can be told from the access token, a session's or a bearer token.
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

    /// Asks for both.
    pub fn and(self, other: Self) -> Self {
        Rule::And(self, other).into()
    }

    /// Asks for one of the two, or both.
    pub fn or(self, other: Self) -> Self {
        Rule::Or(self, other).into()
    }

    /// Judges a token, and the session that it is of, if it came with one.
    fn judge(
        &self,
        token: &VerifiedToken,
        session: Option<&Session>,
        now: SystemTime,
    ) -> Judgement {
        let judge = |rule: &Self| rule.judge(token, session, now);
        let has = |held: &[String], wanted: &str| held.iter().any(|one| one == wanted);
        let holds = match &*self.rule {
            Rule::Role(role) => token.role() == Some(role) || has(token.roles(), role),
            Rule::Permission(permission) => has(token.permissions(), permission),
            Rule::Organization(id) => token.organization_id() == Some(id),
            Rule::Entitlement(entitlement) => has(token.entitlements(), entitlement),
            Rule::FeatureFlag(flag) => has(token.feature_flags(), flag),
            Rule::NotImpersonated => token.impersonator().is_none(),
            Rule::That(holds) => session.is_some_and(holds),
            Rule::ThatToken(holds) => holds(token),
            Rule::RecentSignIn(max_age) => return recency(token.auth_time(), *max_age, now),
            Rule::And(one, other) => return judge(one).max(judge(other)),
            Rule::Or(one, other) => return judge(one).min(judge(other)),
        };
        if holds { Judgement::Pass } else { Judgement::Forbidden }
    }
}

fn recency(signed_in: Option<SystemTime>, max_age: Duration, now: SystemTime) -> Judgement {
    match signed_in {
        None => Judgement::Forbidden,
        // Whole seconds, as the claim has them; in the future means a few seconds of skew.
        Some(at) if now.duration_since(at).unwrap_or_default().as_secs() <= max_age.as_secs() => {
            Judgement::Pass
        }
        Some(_) => Judgement::SignInAgain(Reverse(max_age)),
    }
}

/// How a session meets a condition, from best to worst: of two, `and` takes the worse, `or` the better one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Judgement {
    Pass,
    /// The shorter the time, the worse.
    SignInAgain(Reverse<Duration>),
    Forbidden,
}

impl From<Rule> for Require {
    fn from(rule: Rule) -> Self {
        Self { rule: Arc::new(rule) }
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
            Self::RecentSignIn(max_age) => f.debug_tuple("RecentSignIn").field(max_age).finish(),
            Self::NotImpersonated => f.write_str("NotImpersonated"),
            Self::That(_) => f.write_str("That(..)"),
            Self::ThatToken(_) => f.write_str("ThatToken(..)"),
            Self::And(one, other) => f.debug_tuple("And").field(one).field(other).finish(),
            Self::Or(one, other) => f.debug_tuple("Or").field(one).field(other).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
