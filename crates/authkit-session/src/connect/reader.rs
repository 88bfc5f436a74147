use std::sync::Arc;

use crate::{
    candidate::{
        jwks::Jwks,
        verify::{check_signature, is_expired, is_too_early, log_odd_claims},
    },
    config::settings::Settings,
    connect::{
        claims::{CheckedConnectClaims, ConnectClaimSet},
        domain::ConnectDomain,
        resource::ResourceAudiences,
        token::ConnectToken,
    },
    decide::{CutOffEffect, Verdict},
    end::SessionEnder,
    request::{
        credential_kind::{CredentialKind, IssuerKind, SidKind, SubjectKind},
        jwt_authenticator::{ReadToken, TokenCandidate},
    },
    token::{
        AccessToken,
        jwt::{Jwt, Unverified},
        keys::KeySet,
    },
};

/// Reads the tokens of one kind that one AuthKit domain issues for one audience.
pub(crate) struct ConnectReader {
    pub(crate) settings: Arc<Settings>,
    pub(crate) ender: Arc<SessionEnder>,
    pub(crate) domain: ConnectDomain,
    pub(crate) kind: CredentialKind,
    pub(crate) audiences: ResourceAudiences,
}

impl ConnectReader {
    /// The token, if its signature and its type are good.
    fn verify(&self, text: &str, keys: Option<&KeySet>) -> Result<ConnectToken, Verdict> {
        // A malformed token is no reason to fetch keys.
        let jwt = Jwt::parse(text).ok_or(Verdict::BadSignature)?;
        let keys = match keys {
            Some(keys) => keys,
            None => return self.may_be_ours(text).and(Err(Verdict::NoKeys)),
        };
        check_signature(&jwt, keys, || self.may_be_ours(text))?;
        let payload = jwt.payload().ok_or(Verdict::BadSignature)?;
        let set = ConnectClaimSet::read(&payload).ok_or(Verdict::BadSignature)?;
        let CheckedConnectClaims { claims, iss, sid, aud, odd } =
            set.checked().map_err(Verdict::InvalidClaim)?;
        let subject = SubjectKind::of(&claims.sub, claims.client_id.as_deref());
        let issuer = self.issuer_kind(iss.as_deref());
        let kind = CredentialKind::of_token(issuer, SidKind::of(sid.as_deref()), subject);
        let is_for_us = aud.is_some_and(|aud| self.audiences.accept(&aud));
        if kind != Some(self.kind) || !is_for_us {
            return Err(Verdict::NotOurs);
        }
        log_odd_claims(&odd, &self.settings.rules, self.settings.clock().unix());
        Ok(ConnectToken { claims, access_token: AccessToken::new(text) })
    }

    /// Reads the claims of a token whose signature is not good. They may refuse the token, and never admit it.
    fn may_be_ours(&self, text: &str) -> Result<Unverified, Verdict> {
        let unverified = Unverified::of(text);
        match self.issuer_kind(unverified.iss.as_deref()) {
            IssuerKind::AuthKitDomain => Ok(unverified),
            IssuerKind::Sessions | IssuerKind::Stranger => Err(Verdict::NotOurs),
        }
    }

    fn issuer_kind(&self, iss: Option<&str>) -> IssuerKind {
        if iss == Some(self.domain.issuer()) {
            IssuerKind::AuthKitDomain
        } else {
            IssuerKind::Stranger
        }
    }
}

impl ReadToken for ConnectReader {
    type Token = ConnectToken;

    fn read(&self, token: &str) -> TokenCandidate<ConnectToken> {
        let token = match self.verify(token, self.domain.keys().current().as_deref()) {
            Ok(token) => token,
            Err(verdict) => return TokenCandidate::without_token(verdict),
        };
        let (now, leeway) = (self.settings.clock().unix(), self.settings.rules.leeway);
        let cut_off = self.ender.cut_off(token.identity());
        let verdict = if cut_off == CutOffEffect::Ended {
            Verdict::Revoked
        } else if is_too_early(token.claims.nbf, leeway, now) {
            Verdict::NotYetValid
        } else if is_expired(token.claims.exp, leeway, now) {
            Verdict::Expired
        } else {
            Verdict::Good
        };
        let issued_at = Some(token.claims.iat);
        TokenCandidate { verdict, token: Some(token), issued_at, cut_off }
    }

    fn keys(&self) -> &Jwks {
        self.domain.keys()
    }

    fn log_id(&self, token: &ConnectToken) -> String {
        self.settings.log_ids.of(&token.claims.sub)
    }
}
