use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    json,
    payload::{NotASession, names::Field, object::MemberValue},
    seal::KeyStyle,
    token::jwt::Unverified,
};

/// WorkOS's answer to a successful authentication. Members other than tokens are JSON, unchanged.
///
/// Source: WorkOS API reference, `POST /user_management/authenticate`.
pub(crate) struct Answer<'a> {
    pub(crate) access_token: Cow<'a, str>,
    pub(crate) refresh_token: Cow<'a, str>,
    user: Option<Cow<'a, str>>,
    impersonator: Option<Cow<'a, str>>,
    organization_id: Option<Cow<'a, str>>,
    authentication_method: Option<Cow<'a, str>>,
    pub(crate) oauth_tokens: Option<Cow<'a, str>>,
    authkit_authorization_code: Option<Cow<'a, str>>,
}

impl<'a> Answer<'a> {
    /// Reads the body of a 200. A `sealed_session` in it is not looked at: WorkOS sends none, and no SDK reads it.
    ///
    /// # Errors
    ///
    /// [`NotASession`] if it has no pair of tokens.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, NotASession> {
        let fields: AnswerFields<'a> = json::object(body).ok_or(NotASession)?;
        if fields.access_token.is_empty() || fields.refresh_token.is_empty() {
            return Err(NotASession);
        }
        let json = |raw: Option<&'a RawValue>| raw.map(|raw| Cow::Borrowed(raw.get()));
        Ok(Self {
            access_token: fields.access_token,
            refresh_token: fields.refresh_token,
            user: json(fields.user),
            impersonator: json(fields.impersonator),
            organization_id: json(fields.organization_id),
            authentication_method: json(fields.authentication_method),
            oauth_tokens: json(fields.oauth_tokens),
            authkit_authorization_code: json(fields.authkit_authorization_code),
        })
    }

    /// The same, apart from the body.
    pub(crate) fn into_owned(self) -> Answer<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Answer {
            access_token: owned(self.access_token),
            refresh_token: owned(self.refresh_token),
            user: self.user.map(owned),
            impersonator: self.impersonator.map(owned),
            organization_id: self.organization_id.map(owned),
            authentication_method: self.authentication_method.map(owned),
            oauth_tokens: self.oauth_tokens.map(owned),
            authkit_authorization_code: self.authkit_authorization_code.map(owned),
        }
    }

    /// What its token says; nothing where that cannot be read.
    pub(crate) fn claims(&self) -> Unverified {
        Unverified::of(&self.access_token)
    }

    /// What the answer says of a field; `None` if nothing.
    pub(super) fn value(&self, field: Field, style: KeyStyle) -> Option<MemberValue<'_>> {
        let json = match field {
            Field::AccessToken => return Some(MemberValue::Text(&self.access_token)),
            Field::RefreshToken => return Some(MemberValue::Text(&self.refresh_token)),
            // What is no user does not replace one.
            Field::User => self.user.as_deref().filter(|user| json::is_object(user)),
            Field::Impersonator => self.impersonator.as_deref(),
            Field::OrganizationId => self.organization_id.as_deref(),
            Field::AuthenticationMethod => self.authentication_method.as_deref(),
            Field::OauthTokens => self.oauth_tokens.as_deref(),
            Field::AuthorizationCode => self.authkit_authorization_code.as_deref(),
            Field::SealedSession => None,
        };
        json.map(|json| MemberValue::raw(json).respelt(field, style))
    }
}

#[derive(Deserialize)]
struct AnswerFields<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    refresh_token: Cow<'a, str>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    impersonator: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_or_value")]
    organization_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_or_value")]
    authentication_method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_or_value")]
    oauth_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_or_value")]
    authkit_authorization_code: Option<&'a RawValue>,
}

/// Reads a member that is present, so that `null` differs from absence.
fn null_or_value<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
