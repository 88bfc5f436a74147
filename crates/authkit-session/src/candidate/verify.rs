//! Verifies an opened session: first the signature, then whom the token was issued for, then its times.

use std::time::Duration;

use crate::{
    decide::{Verdict, security_claim::SecurityClaim},
    log_limit::LogLimiter,
    payload::Payload,
    session::VerifiedSession,
    strictness::OddValues,
    token::{
        AccessToken,
        claim_lists::ClaimLists,
        claims::{Actor, CheckedClaims, ClaimSet, Claims, Recipient},
        jwt::{Jwt, Unverified},
        keys::{KeyId, KeySet, Signature},
        verified::VerifiedToken,
    },
    user::{Impersonator, shown::ShownUser},
};

/// The conditions on an access token, beyond its signature.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) client_id: Box<str>,
    pub(crate) issuers: Option<Vec<String>>,
    pub(crate) audiences: Option<Vec<String>>,
    /// How far clocks may be apart, in seconds.
    pub(crate) leeway: u64,
    /// The lists that verified tokens share in memory.
    pub(crate) lists: ClaimLists,
    /// When the log last named claims and fields that were ignored.
    pub(crate) odd_values: LogLimiter,
}

impl Rules {
    /// The least time between two log lines about an ignored claim or field.
    pub(crate) const ODD_VALUES: Duration = Duration::from_secs(60);
}

/// Verifies the content of a cookie at `now`, in Unix seconds. Returns the session if its token's signature verified
/// and its user is the cookie's; moves the user's data out of `payload` into it.
pub(crate) fn verify(
    payload: &mut Payload<'_>,
    keys: Option<&KeySet>,
    rules: &Rules,
    now: u64,
) -> (Verdict, Option<VerifiedSession>) {
    let token = &*payload.access_token;
    let signed = match (keys, Jwt::parse(token)) {
        (None, _) => may_be_ours(token, rules).and(Err(Verdict::NoKeys)),
        (Some(_), None) => may_be_ours(token, rules).and(Err(Verdict::BadSignature)),
        (Some(keys), Some(jwt)) => signed_claims(token, &jwt, keys, rules),
    };
    let SignedClaims { claims, actor, issued_for, odd, key } = match signed {
        Ok(signed) => signed,
        Err(verdict) => return (verdict, None),
    };
    let named = actor.as_ref().map(|actor| actor.sub.as_str());
    if payload.user.as_ref().is_some_and(|user| *user.id != *claims.sub())
        || payload
            .impersonator
            .as_ref()
            .is_some_and(|impersonator| Some(impersonator.email.as_str()) != named)
    {
        return (Verdict::WrongSubject, None);
    }
    if issued_for == IssuedFor::Others {
        return (Verdict::NotOurs, None);
    }
    log_odd_claims(&odd, rules, now);
    log_odd_fields(&payload.odd, rules, now);
    let verdict = match (verdict_by_times(&claims, rules.leeway, now), &payload.user) {
        (Verdict::Good | Verdict::Expiring, None) => Verdict::NoUser,
        (verdict, _) => verdict,
    };
    // The signed claim names the impersonator; the cookie only adds the reason.
    let impersonator = actor.map(|Actor { sub: email }| {
        let reason = payload.impersonator.take().and_then(|impersonator| impersonator.reason);
        Box::new(Impersonator { email, reason })
    });
    let session = payload.user.take().map(|user| VerifiedSession {
        token: VerifiedToken { claims, impersonator, access_token: AccessToken::new(token), key },
        shown: ShownUser::of(&user, payload.authentication_method.as_deref()),
        remembered: None,
    });
    (verdict, session)
}

/// Verifies a token that came without a cookie. Refuses every token unless issuers are configured.
pub(crate) fn verify_bearer(
    token: AccessToken,
    keys: Option<&KeySet>,
    rules: &Rules,
    now: u64,
) -> (Verdict, Option<VerifiedToken>) {
    // A malformed token is no reason to fetch keys.
    let signed = match (Jwt::parse(token.expose()), keys) {
        (None, _) => Err(Verdict::BadSignature),
        (Some(_), None) => may_be_ours(token.expose(), rules).and(Err(Verdict::NoKeys)),
        (Some(jwt), Some(keys)) => signed_claims(token.expose(), &jwt, keys, rules),
    };
    let SignedClaims { claims, actor, issued_for, odd, key } = match signed {
        Ok(signed) => signed,
        Err(verdict) => return (verdict, None),
    };
    if rules.issuers.is_none() || issued_for == IssuedFor::Others {
        return (Verdict::NotOurs, None);
    }
    log_odd_claims(&odd, rules, now);
    let verdict = verdict_by_times(&claims, rules.leeway, now);
    let impersonator =
        actor.map(|Actor { sub: email }| Box::new(Impersonator { email, reason: None }));
    (verdict, Some(VerifiedToken { claims, impersonator, access_token: token, key }))
}

/// The content of a token with a good signature.
struct SignedClaims {
    claims: Claims,
    actor: Option<Actor>,
    issued_for: IssuedFor,
    odd: OddValues,
    /// The key that verified it.
    key: KeyId,
}

/// Whether a token belongs to a session and was issued for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum IssuedFor {
    Us,
    Others,
}

fn signed_claims(
    token: &str,
    jwt: &Jwt<'_>,
    keys: &KeySet,
    rules: &Rules,
) -> Result<SignedClaims, Verdict> {
    check_signature(jwt, keys, || may_be_ours(token, rules))?;
    let key = keys.id(&jwt.kid).ok_or(Verdict::BadSignature)?;
    let payload = jwt.payload().ok_or(Verdict::BadSignature)?;
    let claims = ClaimSet::read(&payload).ok_or(Verdict::BadSignature)?;
    let CheckedClaims { claims, actor, recipient, odd } =
        claims.checked(&rules.lists).map_err(Verdict::InvalidClaim)?;
    let issued_for = issued_for(&claims, recipient, rules).map_err(Verdict::InvalidClaim)?;
    Ok(SignedClaims { claims, actor, issued_for, odd, key })
}

/// Checks the signature alone. If it is not good, `may_be_ours` reads the unverified claims: whether the token can be
/// ours, and when it was issued.
pub(crate) fn check_signature(
    jwt: &Jwt<'_>,
    keys: &KeySet,
    may_be_ours: impl FnOnce() -> Result<Unverified, Verdict>,
) -> Result<(), Verdict> {
    match keys.verify(jwt) {
        Signature::Good => Ok(()),
        Signature::Bad => may_be_ours().and(Err(Verdict::BadSignature)),
        Signature::UnknownKey => {
            let issued_at = may_be_ours()?.iat.unwrap_or(0);
            let keys_may_be_older = keys.fetched_unix <= issued_at;
            Err(if keys_may_be_older { Verdict::UnknownKey } else { Verdict::BadSignature })
        }
    }
}

/// Reads the claims of a token whose signature is not good. They may refuse the token, and never admit it.
///
/// # Errors
///
/// [`Verdict::NotOurs`] if it names another client, or an issuer that is not configured.
fn may_be_ours(token: &str, rules: &Rules) -> Result<Unverified, Verdict> {
    let unverified = Unverified::of(token);
    let is_our_client = unverified.client_id.as_deref().is_none_or(|it| it == &*rules.client_id);
    let is_our_issuer = unverified.iss.as_deref().is_none_or(|it| is_listed(it, rules));
    if is_our_client && is_our_issuer { Ok(unverified) } else { Err(Verdict::NotOurs) }
}

/// Whether a token belongs to a session and was issued for us. Tokens of other kinds name a user in `sub` too.
fn issued_for(
    claims: &Claims,
    recipient: Recipient<'_>,
    rules: &Rules,
) -> Result<IssuedFor, SecurityClaim> {
    let Recipient { iss, client_id, aud } = recipient;
    let is_for_audience = match &rules.audiences {
        None => true,
        Some(audiences) => {
            let aud = aud.value(SecurityClaim::Aud)?;
            aud.is_some_and(|aud| audiences.iter().any(|audience| aud.contains(audience)))
        }
    };
    let is_ours = !claims.sub().is_empty()
        && claims.sid().starts_with("session_")
        && client_id.is_none_or(|client_id| client_id == *rules.client_id)
        && (rules.issuers.is_none() || iss.is_some_and(|iss| is_listed(&iss, rules)))
        && is_for_audience;
    Ok(if is_ours { IssuedFor::Us } else { IssuedFor::Others })
}

/// Whether an issuer is configured; every issuer counts if none are.
fn is_listed(issuer: &str, rules: &Rules) -> bool {
    rules.issuers.as_ref().is_none_or(|issuers| issuers.iter().any(|one| one == issuer))
}

pub(crate) fn log_odd_claims(odd: &OddValues, rules: &Rules, now: u64) {
    for &claim in odd.names() {
        if let Some(left_out) = rules.odd_values.admit(claim, Duration::from_secs(now)) {
            tracing::warn!(
                claim,
                left_out,
                "this claim is not of its type, so the session does not have what it grants; see the JWT template"
            );
        }
    }
}

fn log_odd_fields(odd: &OddValues, rules: &Rules, now: u64) {
    for &field in odd.names() {
        if let Some(left_out) = rules.odd_values.admit(field, Duration::from_secs(now)) {
            tracing::warn!(field, left_out, "a field of a session's cookie is not of its type");
        }
    }
}

/// The verdict on a token by its times, `nbf` and `exp`.
pub(crate) fn verdict_by_times(claims: &Claims, leeway: u64, now: u64) -> Verdict {
    if is_too_early(claims.nbf, leeway, now) {
        Verdict::NotYetValid
    } else {
        verdict_by_expiry(claims.exp, claims.lifetime(), leeway, now)
    }
}

/// The verdict on a token by its expiry at `exp`. `lifetime` is in seconds.
pub(crate) fn verdict_by_expiry(exp: u64, lifetime: u64, leeway: u64, now: u64) -> Verdict {
    if is_expired(exp, leeway, now) {
        Verdict::Expired
    } else if exp.saturating_sub(now) <= refresh_window(lifetime) {
        Verdict::Expiring
    } else {
        Verdict::Good
    }
}

pub(crate) fn is_too_early(nbf: Option<u64>, leeway: u64, now: u64) -> bool {
    nbf.is_some_and(|nbf| nbf > now.saturating_add(leeway))
}

pub(crate) fn is_expired(exp: u64, leeway: u64, now: u64) -> bool {
    now >= exp.saturating_add(leeway)
}

/// How long before its end a token of this lifetime is refreshed, in seconds.
pub(crate) fn refresh_window(lifetime: u64) -> u64 {
    let window = if lifetime <= 300 { 30 } else { 60 };
    window.min(lifetime / 3)
}

#[cfg(test)]
mod tests;
