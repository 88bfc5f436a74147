//! What is known of an opened session: signature first, then whose it is, then its time.

use crate::{
    decide::Verdict,
    payload::Payload,
    session::VerifiedSession,
    token::{
        AccessToken,
        jwt::{Jwt, Unverified},
        keys::{KeyId, KeySet, Signature},
        verified::{Claims, VerifiedToken},
    },
    user::Impersonator,
};

/// What an access token has to be, beyond its signature.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) client_id: Box<str>,
    pub(crate) issuers: Option<Vec<String>>,
    pub(crate) audiences: Option<Vec<String>>,
    /// How far clocks may be apart, in seconds.
    pub(crate) leeway: u64,
}

/// Judges what a cookie held at `now`, in Unix seconds. The session is there if its token's signature verified and
/// its user is the cookie's; what the cookie says of the user is moved into it.
pub(crate) fn verify(
    payload: &mut Payload,
    keys: Option<&KeySet>,
    rules: &Rules,
    now: u64,
) -> (Verdict, Option<VerifiedSession>) {
    let Some(keys) = keys else { return (Verdict::NoKeys, None) };
    let (claims, key) = match signed(&payload.access_token, keys) {
        Ok(signed) => signed,
        Err(verdict) => return (verdict, None),
    };
    let actor = claims.act.as_ref().map(|actor| actor.sub.as_str());
    if payload.user.as_ref().is_some_and(|user| user.id != claims.sub)
        || payload
            .impersonator
            .as_ref()
            .is_some_and(|impersonator| Some(impersonator.email.as_str()) != actor)
    {
        return (Verdict::WrongSubject, None);
    }
    if !is_ours(&claims, rules) {
        return (Verdict::NotOurs, None);
    }
    let verdict = match (when(&claims, rules.leeway, now), &payload.user) {
        (Verdict::Good | Verdict::Expiring, None) => Verdict::NoUser,
        (verdict, _) => verdict,
    };
    // The signed claim names who impersonates; the cookie only adds why.
    let impersonator = claims.act.as_ref().map(|actor| Impersonator {
        email: actor.sub.clone(),
        reason: payload.impersonator.take().and_then(|impersonator| impersonator.reason),
    });
    let access_token = payload.access_token.clone();
    let token = VerifiedToken { claims, impersonator, access_token, key };
    let session = payload.user.take().map(|user| VerifiedSession {
        token,
        user,
        authentication_method: payload.authentication_method.take(),
    });
    (verdict, session)
}

/// Judges a token that came alone, without a cookie's word on whose it is. Good for nothing unless issuers are listed.
pub(crate) fn verify_bearer(
    token: AccessToken,
    keys: Option<&KeySet>,
    rules: &Rules,
    now: u64,
) -> (Verdict, Option<VerifiedToken>) {
    if Jwt::parse(token.expose()).is_none() {
        // Not worth fetching keys for.
        return (Verdict::BadSignature, None);
    }
    let Some(keys) = keys else { return (Verdict::NoKeys, None) };
    let (claims, key) = match signed(&token, keys) {
        Ok(signed) => signed,
        Err(verdict) => return (verdict, None),
    };
    if rules.issuers.is_none() || !is_ours(&claims, rules) {
        return (Verdict::NotOurs, None);
    }
    let verdict = when(&claims, rules.leeway, now);
    let impersonator =
        claims.act.as_ref().map(|actor| Impersonator { email: actor.sub.clone(), reason: None });
    (verdict, Some(VerifiedToken { claims, impersonator, access_token: token, key }))
}

/// The claims of a token whose signature is good, and the key that verified it.
fn signed(token: &AccessToken, keys: &KeySet) -> Result<(Claims, KeyId), Verdict> {
    let jwt = Jwt::parse(token.expose()).ok_or(Verdict::BadSignature)?;
    match keys.verify(&jwt) {
        Signature::Good => jwt.claims().zip(keys.id(&jwt.kid)).ok_or(Verdict::BadSignature),
        Signature::Bad => Err(Verdict::BadSignature),
        Signature::UnknownKey => {
            let made = Unverified::of(token.expose()).iat.unwrap_or(0);
            Err(if keys.fetched_unix <= made { Verdict::UnknownKey } else { Verdict::BadSignature })
        }
    }
}

/// Whether a token is a session's and meant for us. Tokens of other kinds name a user in `sub` too.
fn is_ours(claims: &Claims, rules: &Rules) -> bool {
    let listed = |list: &Option<Vec<String>>, matches: &dyn Fn(&str) -> bool| {
        list.as_ref().is_none_or(|list| list.iter().any(|one| matches(one)))
    };
    !claims.sub.is_empty()
        && claims.sid.starts_with("session_")
        && claims.scope.is_none()
        && claims.client_id.as_deref().is_none_or(|client_id| client_id == &*rules.client_id)
        && listed(&rules.issuers, &|issuer| claims.iss.as_deref() == Some(issuer))
        && listed(&rules.audiences, &|audience| {
            claims.aud.as_ref().is_some_and(|aud| aud.contains(audience))
        })
}

/// Where `now` is in a token's time.
pub(crate) fn when(claims: &Claims, leeway: u64, now: u64) -> Verdict {
    if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(leeway)) {
        Verdict::NotYetValid
    } else if now >= claims.exp.saturating_add(leeway) {
        Verdict::Expired
    } else if claims.exp.saturating_sub(now) <= refresh_window(claims.lifetime()) {
        Verdict::Expiring
    } else {
        Verdict::Good
    }
}

/// How long before its end a token of this lifetime is refreshed, in seconds.
fn refresh_window(lifetime: u64) -> u64 {
    let window = if lifetime <= 300 { 30 } else { 60 };
    window.min(lifetime / 3)
}

#[cfg(test)]
mod tests;
