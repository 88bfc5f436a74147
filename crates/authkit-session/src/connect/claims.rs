//! The claims of an access token of an AuthKit domain. A claim that decides is read strictly.

use std::borrow::Cow;

use crate::{
    decide::security_claim::SecurityClaim,
    json,
    strictness::{FromJson, Held, OddValues},
    token::claims::{Actor, Audience, NumericDate, SecurityClaimSet, named},
};

/// The claims of a token whose security claims all have the right type.
#[derive(Clone)]
pub(crate) struct ConnectClaims {
    pub(crate) sub: String,
    pub(crate) client_id: Option<String>,
    pub(crate) org_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) exp: u64,
    pub(crate) iat: u64,
    pub(crate) nbf: Option<u64>,
    pub(crate) impersonator: Option<String>,
}

/// The claims of a token beside its [`ConnectClaims`].
pub(crate) struct CheckedConnectClaims<'a> {
    pub(crate) claims: ConnectClaims,
    pub(crate) iss: Option<Cow<'a, str>>,
    pub(crate) sid: Option<Cow<'a, str>>,
    pub(crate) aud: Option<Audience<'a>>,
    pub(crate) odd: OddValues,
}

/// The claims as they are written, before their types are checked.
#[derive(Default)]
pub(crate) struct ConnectClaimSet<'a> {
    security: SecurityClaimSet<'a>,
    scope: Held<Scopes>,
}

impl<'a> ConnectClaimSet<'a> {
    /// `None` where `payload` is not an object.
    pub(crate) fn read(payload: &'a str) -> Option<Self> {
        let mut set = Self::default();
        json::members(payload, |name, value| match &*name.text() {
            "scope" => set.scope.read(value),
            name => set.security.read(name, value),
        })?;
        Some(set)
    }

    /// # Errors
    ///
    /// The security claim that is not of its type.
    pub(crate) fn checked(self) -> Result<CheckedConnectClaims<'a>, SecurityClaim> {
        use SecurityClaim::{Act, Aud, ClientId, Exp, Iat, Iss, Nbf, OrgId, Sid, Sub};

        let (mut odd, security) = (OddValues::default(), self.security);
        let claims = ConnectClaims {
            sub: security.sub.value(Sub)?.unwrap_or_default().into_owned(),
            client_id: security.client_id.value(ClientId)?.map(Cow::into_owned),
            org_id: named(security.org_id.value(OrgId)?).map(Cow::into_owned),
            scopes: self.scope.value("scope", &mut odd).map(|Scopes(all)| all).unwrap_or_default(),
            exp: security.exp.value(Exp)?.ok_or(Exp)?.rounded_down(),
            iat: security.iat.value(Iat)?.map_or(0, NumericDate::rounded_down),
            nbf: security.nbf.value(Nbf)?.map(NumericDate::rounded_up),
            impersonator: security.act.value(Act)?.map(|Actor { sub }| sub),
        };
        Ok(CheckedConnectClaims {
            claims,
            iss: security.iss.value(Iss)?,
            sid: security.sid.value(Sid)?,
            aud: security.aud.value(Aud)?,
            odd,
        })
    }
}

/// `scope`: a text of words between spaces (RFC 8693 section 4.2), or a list of them.
struct Scopes(Vec<String>);

impl FromJson<'_> for Scopes {
    fn from_json(json: &str) -> Option<Self> {
        match json::text(json) {
            Some(text) => Some(Self(text.split_ascii_whitespace().map(str::to_owned).collect())),
            None => Vec::from_json(json).map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_is_a_text_of_words_or_a_list_of_them() {
        let cases: [(&str, Option<&[&str]>); 9] = [
            (r#""reports:read openid""#, Some(&["reports:read", "openid"])),
            (r#""  a   b ""#, Some(&["a", "b"])),
            (r#""""#, Some(&[])),
            (r#"["a","b c"]"#, Some(&["a", "b c"])),
            ("[]", Some(&[])),
            (r#"["a",1]"#, None),
            ("1", None),
            ("{}", None),
            ("true", None),
        ];
        for (json, expected) in cases {
            let scopes = Scopes::from_json(json).map(|Scopes(all)| all);
            assert_eq!(
                scopes.as_deref(),
                expected
                    .map(|all| all.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
                    .as_deref(),
                "{json}"
            );
        }
    }
}
