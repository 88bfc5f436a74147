//! The content of a sealed session: JSON, in each SDK's spelling.
//!
//! 1. A session is an object with an `access_token`: one string that is not empty. Anything else is [`NotASession`].
//! 2. `refresh_token` is [`Held`]: any value but a string counts as none, and the session lasts as long as its token.
//! 3. `user` counts by its `id`, which is compared with the signed `sub`. Everything else is [`Display`] data: the rest of
//!    the user, `authentication_method`, and `impersonator`, since the signed `act` says who impersonates.
//! 4. Rewriting a session keeps each member that WorkOS's answer does not replace, byte for byte, even if it cannot be
//!    read here.

mod answer;
mod names;
mod object;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use zeroize::Zeroizing;

pub(crate) use self::answer::Answer;
use self::{
    names::Field,
    object::{MemberName, MemberValue, Object},
};
use crate::{
    json,
    seal::{KeyStyle, SealFormat},
    strictness::{Display, Held, OddValues, Spelt, Strict},
    token::RefreshToken,
    user::{Impersonator, UserFields},
};

/// The opened value holds no session: it is not an object, or has no access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotASession;

/// The session of an opened cookie, read in place. Nothing in it is verified yet.
pub(crate) struct Payload<'a> {
    pub(crate) access_token: Cow<'a, str>,
    pub(crate) refresh_token: Option<RefreshToken>,
    /// `None` also if the member is not a user as WorkOS writes it.
    pub(crate) user: Option<UserFields<'a>>,
    pub(crate) impersonator: Option<Impersonator>,
    pub(crate) authentication_method: Option<Cow<'a, str>>,
    /// The fields that cannot be read.
    pub(crate) odd: OddValues,
}

impl<'a> Payload<'a> {
    /// Reads either spelling. An absent, a `null` and an empty refresh token are treated alike.
    ///
    /// # Errors
    ///
    /// [`NotASession`].
    pub(crate) fn parse(plaintext: &'a [u8]) -> Result<Self, NotASession> {
        #[derive(Default)]
        struct SessionFields<'a> {
            access_token: Strict<Cow<'a, str>>,
            refresh_token: Held<Cow<'a, str>>,
            user: Display<Spelt<'a>>,
            impersonator: Display<Spelt<'a>>,
            authentication_method: Display<Cow<'a, str>>,
        }

        let mut fields = SessionFields::default();
        let plaintext = str::from_utf8(plaintext).map_err(|_| NotASession)?;
        json::members(plaintext, |name, value| match Field::of(&name.text()) {
            Some(Field::AccessToken) => fields.access_token.read(value),
            Some(Field::RefreshToken) => fields.refresh_token.read(value),
            Some(Field::User) => fields.user.read(value),
            // Ruby 6 writes `null` like this.
            Some(Field::Impersonator) if value == r#""null""# => {}
            Some(Field::Impersonator) => fields.impersonator.read(value),
            Some(Field::AuthenticationMethod) => fields.authentication_method.read(value),
            Some(
                Field::OrganizationId
                | Field::OauthTokens
                | Field::AuthorizationCode
                | Field::SealedSession,
            )
            | None => {}
        })
        .ok_or(NotASession)?;
        let access_token = fields.access_token.value(NotASession)?;
        let access_token = access_token.filter(|it| !it.is_empty()).ok_or(NotASession)?;

        let mut odd = OddValues::default();
        let refresh_token = fields.refresh_token.value("refresh_token", &mut odd);
        let user = fields.user.value("user", &mut odd);
        let impersonator = fields.impersonator.value("impersonator", &mut odd);
        let impersonator = impersonator.and_then(|Spelt(json)| {
            let read = Impersonator::read(json, &mut odd);
            if read.is_none() {
                odd.note("impersonator");
            }
            read
        });
        Ok(Self {
            access_token,
            refresh_token: refresh_token.filter(|it| !it.is_empty()).map(RefreshToken::new),
            user: user.and_then(|Spelt(json)| UserFields::read(json, &mut odd)),
            impersonator,
            authentication_method: fields
                .authentication_method
                .value("authentication_method", &mut odd),
            odd,
        })
    }

    /// Writes the session that `answer` starts, with the fields that the SDK of `format` writes on sign-in.
    ///
    /// Every format gets the authentication method: not every SDK writes it, but the others ignore it.
    pub(crate) fn fresh(format: SealFormat, answer: &Answer<'_>) -> Zeroizing<Vec<u8>> {
        use Field::{
            AccessToken, AuthenticationMethod, Impersonator, OrganizationId, RefreshToken, User,
        };

        let fields: &[Field] = match format {
            SealFormat::Ruby | SealFormat::Go | SealFormat::Rust | SealFormat::Python => {
                &[AccessToken, RefreshToken, User, Impersonator, AuthenticationMethod]
            }
            SealFormat::Ruby6 => &[
                AccessToken,
                RefreshToken,
                User,
                Impersonator,
                OrganizationId,
                AuthenticationMethod,
            ],
            SealFormat::Node => &[
                OrganizationId,
                User,
                AccessToken,
                RefreshToken,
                AuthenticationMethod,
                Impersonator,
            ],
        };
        let style = format.key_style();
        let mut new = Object::default();
        for &field in fields {
            let absent = match (format, field) {
                (SealFormat::Ruby6, Impersonator) => Some(MemberValue::raw(r#""null""#)),
                (SealFormat::Ruby6, OrganizationId) => Some(MemberValue::raw("null")),
                _ => None,
            };
            if let Some(value) =
                answer.value(field, style).filter(|value| !value.is_null()).or(absent)
            {
                new.push(MemberName::Ours(field.name(style)), value);
            }
        }
        new.to_json()
    }

    /// Writes the session that `answer` continues: `old` with tokens, user and impersonator replaced.
    ///
    /// Other members of the answer are taken over only if `old` had them; members that only `old` has stay. Keys are
    /// spelt in `style`, or as they were; metadata and keys that are not WorkOS's stay as they are.
    ///
    /// # Errors
    ///
    /// [`NotASession`] if `old` is not an object.
    pub(crate) fn refreshed(
        old: &[u8],
        answer: &Answer<'_>,
        style: Option<KeyStyle>,
    ) -> Result<Zeroizing<Vec<u8>>, NotASession> {
        let old = str::from_utf8(old).ok().and_then(Object::parse).ok_or(NotASession)?;
        let outer = style.unwrap_or_else(|| old.outer_style());
        let inner = style.or_else(|| old.user_style()).unwrap_or(outer);
        let mut new = Object::default();
        for (key, value) in old.members() {
            let Some(field) = Field::of(&key.text()) else {
                new.push(*key, value.clone());
                continue;
            };
            let ended = field == Field::Impersonator && value.names_an_impersonator();
            let value = match answer.value(field, inner) {
                Some(answered) => answered,
                None if ended => continue,
                None if style.is_some() => value.respelt(field, inner),
                None => value.clone(),
            };
            new.push(MemberName::Ours(field.name(outer)), value);
        }
        for field in [Field::RefreshToken, Field::User, Field::Impersonator] {
            if !old.has(field)
                && let Some(value) = answer.value(field, inner)
            {
                new.push(MemberName::Ours(field.name(outer)), value);
            }
        }
        Ok(new.to_json())
    }

    /// Removes what no SDK reads and what makes cookies too large for browsers; `None` if there is nothing to remove.
    pub(crate) fn slimmed(plaintext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut object = Object::parse(str::from_utf8(plaintext).ok()?)?;
        let removed =
            object.remove(&[Field::SealedSession, Field::OauthTokens, Field::AuthorizationCode]);
        removed.then(|| object.to_json())
    }
}
