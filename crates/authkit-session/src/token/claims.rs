//! The claims of an access token that are read. A claim that decides is read strictly.
//!
//! | claims | are | of another type, or there twice |
//! |---|---|---|
//! | `exp` `nbf` `iat` `sub` `sid` `iss` `client_id` `act` `org_id`; `aud` where audiences are configured | [`Strict`] | the token is refused, the reason names the claim |
//! | `role` `roles` `permissions` `entitlements` `feature_flags` `auth_time` | [`Held`] | held by nobody |
//! | any other, `scope` and `jti` too | not read | – |
//!
//! 1. Times are NumericDates (RFC 7519 section 2): JSON numbers of seconds, fractions allowed. A token is good to whole
//!    seconds: `exp`, `iat` and `auth_time` are rounded down and `nbf` up, so that a fraction never lengthens anything.
//!    A negative number, or one that no integer of 53 bits comes near, is no date.
//! 2. `exp` must be present. Any other absent claim has no effect.
//! 3. `act` names who acts for the subject (RFC 8693 section 4.1): an object with a `sub` that is not empty. Anything
//!    else is mistyped, so that no spelling of it passes for "nobody".
//! 4. An empty `org_id` names no organization, as an absent one does.
//! 5. Session tokens and tokens of Connect are told apart by `sid`. `scope` says nothing: a JWT template may set it.

use std::{borrow::Cow, num::NonZeroU32};

use crate::{
    decide::security_claim::SecurityClaim,
    json,
    strictness::{FromJson, Held, OddValues, Spelt, Strict},
    token::claim_lists::{ClaimList, ClaimLists},
};

/// The claims of a token whose security claims all have the right type.
#[derive(Clone)]
pub(crate) struct Claims {
    ids: ClaimTexts,
    pub(crate) exp: u64,
    pub(crate) iat: u64,
    pub(crate) nbf: Option<u64>,
    pub(crate) auth_time: Option<u64>,
    pub(crate) roles: ClaimList,
    pub(crate) permissions: ClaimList,
    pub(crate) entitlements: ClaimList,
    pub(crate) feature_flags: ClaimList,
}

impl Claims {
    pub(crate) fn sub(&self) -> &str {
        self.ids.get(0).unwrap_or_default()
    }

    pub(crate) fn sid(&self) -> &str {
        self.ids.get(1).unwrap_or_default()
    }

    pub(crate) fn org_id(&self) -> Option<&str> {
        self.ids.get(2)
    }

    pub(crate) fn role(&self) -> Option<&str> {
        self.ids.get(3)
    }

    /// The length of its texts without the lists, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.ids.all.len()
    }

    /// How long the token lives, in seconds.
    pub(crate) fn lifetime(&self) -> u64 {
        self.exp.saturating_sub(self.iat)
    }
}

/// Up to four texts in one string.
#[derive(Clone)]
struct ClaimTexts {
    all: Box<str>,
    /// The end of each text, if the text is present.
    ends: [Option<NonZeroU32>; 4],
}

impl ClaimTexts {
    fn new(texts: [Option<&str>; 4]) -> Self {
        let length = texts.iter().flatten().map(|text| text.len()).sum();
        let mut all = String::with_capacity(length);
        let ends = texts.map(|text| {
            all.push_str(text?);
            // One more than the end, which may be 0.
            NonZeroU32::new(u32::try_from(all.len()).ok()?.checked_add(1)?)
        });
        Self { all: all.into(), ends }
    }

    fn get(&self, n: usize) -> Option<&str> {
        let end = |n: usize| Some(self.ends.get(n).copied()??.get() as usize - 1);
        let start = (0..n).rev().find_map(end).unwrap_or(0);
        self.all.get(start..end(n)?)
    }
}

/// The claims as they are written, before their types are checked.
#[derive(Default)]
pub(crate) struct ClaimSet<'a> {
    security: SecurityClaimSet<'a>,
    auth_time: Held<NumericDate>,
    role: Held<Cow<'a, str>>,
    roles: Held<Spelt<'a>>,
    permissions: Held<Spelt<'a>>,
    entitlements: Held<Spelt<'a>>,
    feature_flags: Held<Spelt<'a>>,
}

/// The security claims of a token of any kind, as they are written.
#[derive(Default)]
pub(crate) struct SecurityClaimSet<'a> {
    pub(crate) exp: Strict<NumericDate>,
    pub(crate) nbf: Strict<NumericDate>,
    pub(crate) iat: Strict<NumericDate>,
    pub(crate) sub: Strict<Cow<'a, str>>,
    pub(crate) sid: Strict<Cow<'a, str>>,
    pub(crate) org_id: Strict<Cow<'a, str>>,
    pub(crate) act: Strict<Actor>,
    pub(crate) iss: Strict<Cow<'a, str>>,
    pub(crate) client_id: Strict<Cow<'a, str>>,
    pub(crate) aud: Strict<Audience<'a>>,
}

impl<'a> SecurityClaimSet<'a> {
    /// Reads a claim, if it is one of these.
    pub(crate) fn read(&mut self, name: &str, value: &'a str) {
        match name {
            "exp" => self.exp.read(value),
            "nbf" => self.nbf.read(value),
            "iat" => self.iat.read(value),
            "sub" => self.sub.read(value),
            "sid" => self.sid.read(value),
            "org_id" => self.org_id.read(value),
            "act" => self.act.read(value),
            "iss" => self.iss.read(value),
            "client_id" => self.client_id.read(value),
            "aud" => self.aud.read(value),
            _ => {}
        }
    }
}

/// The claims of a token beside its [`Claims`].
pub(crate) struct CheckedClaims<'a> {
    pub(crate) claims: Claims,
    pub(crate) actor: Option<Actor>,
    pub(crate) recipient: Recipient<'a>,
    pub(crate) odd: OddValues,
}

/// The issuer and the recipients of a token.
pub(crate) struct Recipient<'a> {
    pub(crate) iss: Option<Cow<'a, str>>,
    pub(crate) client_id: Option<Cow<'a, str>>,
    /// A claim that is only read if audiences are configured.
    pub(crate) aud: Strict<Audience<'a>>,
}

impl<'a> ClaimSet<'a> {
    /// `None` where `payload` is not an object.
    pub(crate) fn read(payload: &'a str) -> Option<Self> {
        let mut set = Self::default();
        json::members(payload, |name, value| match &*name.text() {
            "auth_time" => set.auth_time.read(value),
            "role" => set.role.read(value),
            "roles" => set.roles.read(value),
            "permissions" => set.permissions.read(value),
            "entitlements" => set.entitlements.read(value),
            "feature_flags" => set.feature_flags.read(value),
            name => set.security.read(name, value),
        })?;
        Some(set)
    }

    /// The checked claims. Lists that other tokens have too are shared through `lists`.
    ///
    /// # Errors
    ///
    /// The first security claim of another type; `exp` also if it is missing.
    pub(crate) fn checked(self, lists: &ClaimLists) -> Result<CheckedClaims<'a>, SecurityClaim> {
        use SecurityClaim::{Act, ClientId, Exp, Iat, Iss, Nbf, OrgId, Sid, Sub};

        let (mut odd, security) = (OddValues::default(), self.security);
        let (sub, sid) = (security.sub.value(Sub)?, security.sid.value(Sid)?);
        let (exp, iat) = (security.exp.value(Exp)?.ok_or(Exp)?, security.iat.value(Iat)?);
        let (nbf, org_id) = (security.nbf.value(Nbf)?, named(security.org_id.value(OrgId)?));
        let auth_time = self.auth_time.value("auth_time", &mut odd);
        let role = self.role.value("role", &mut odd);
        let claims = Claims {
            ids: ClaimTexts::new([sub, sid, org_id, role].each_ref().map(Option::as_deref)),
            exp: exp.rounded_down(),
            iat: iat.map_or(0, NumericDate::rounded_down),
            nbf: nbf.map(NumericDate::rounded_up),
            auth_time: auth_time.map(NumericDate::rounded_down),
            roles: lists.read(self.roles, "roles", &mut odd),
            permissions: lists.read(self.permissions, "permissions", &mut odd),
            entitlements: lists.read(self.entitlements, "entitlements", &mut odd),
            feature_flags: lists.read(self.feature_flags, "feature_flags", &mut odd),
        };
        let actor = security.act.value(Act)?;
        let recipient = Recipient {
            iss: security.iss.value(Iss)?,
            client_id: security.client_id.value(ClientId)?,
            aud: security.aud,
        };
        Ok(CheckedClaims { claims, actor, recipient, odd })
    }
}

/// Seconds since 1970 (RFC 7519 section 2): rule 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NumericDate {
    seconds: u64,
    /// Whether a fraction of a second was cut off.
    has_fraction: bool,
}

impl NumericDate {
    pub(crate) fn rounded_down(self) -> u64 {
        self.seconds
    }

    pub(crate) fn rounded_up(self) -> u64 {
        self.seconds.saturating_add(u64::from(self.has_fraction))
    }
}

impl FromJson<'_> for NumericDate {
    fn from_json(json: &str) -> Option<Self> {
        // `parse` accepts more than JSON numbers; the first character distinguishes them from other values.
        if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return None;
        }
        if let Ok(seconds) = json.parse() {
            return Some(Self { seconds, has_fraction: false });
        }
        let seconds: f64 = json.parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an f64 of this range is a u64, but for its fraction"
        )]
        (0.0..=MOST_SECONDS)
            .contains(&seconds)
            .then(|| Self { seconds: seconds as u64, has_fraction: seconds.fract() > 0.0 })
    }
}

/// Who acts for the subject: rule 3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Actor {
    pub(crate) sub: String,
}

impl FromJson<'_> for Actor {
    fn from_json(json: &str) -> Option<Self> {
        let mut sub = Strict::<String>::default();
        json::members(json, |name, value| {
            if name.text() == "sub" {
                sub.read(value);
            }
        })?;
        let sub = sub.value(()).ok()?.filter(|sub| !sub.is_empty())?;
        Some(Self { sub })
    }
}

/// `aud`: one value or a list (RFC 7519 section 4.1.3).
#[derive(Clone, Debug)]
pub(crate) enum Audience<'a> {
    One(Cow<'a, str>),
    Many(Vec<String>),
}

impl Audience<'_> {
    pub(crate) fn contains(&self, audience: &str) -> bool {
        self.any(|one| one == audience)
    }

    /// Whether the audience includes `wanted`.
    pub(crate) fn any(&self, wanted: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(one) => wanted(one),
            Self::Many(many) => many.iter().any(|one| wanted(one)),
        }
    }
}

impl<'a> FromJson<'a> for Audience<'a> {
    fn from_json(json: &'a str) -> Option<Self> {
        let one = Cow::from_json(json).map(Self::One);
        one.or_else(|| Vec::from_json(json).map(Self::Many))
    }
}

/// An id; `None` if it is empty.
pub(crate) fn named<T: AsRef<str>>(id: Option<T>) -> Option<T> {
    id.filter(|id| !id.as_ref().is_empty())
}

/// The largest number of seconds for which a fraction can be told: 2^53 - 1.
const MOST_SECONDS: f64 = 9_007_199_254_740_991.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_number_of_seconds_that_may_have_a_fraction() {
        let cases = [
            ("0", Some((0, 0))),
            ("-0", Some((0, 0))),
            ("1800000000", Some((1_800_000_000, 1_800_000_000))),
            ("1800000000.0", Some((1_800_000_000, 1_800_000_000))),
            ("1800000000.25", Some((1_800_000_000, 1_800_000_001))),
            ("1.8e9", Some((1_800_000_000, 1_800_000_000))),
            ("18446744073709551615", Some((u64::MAX, u64::MAX))),
            ("18446744073709551616", None),
            ("1e300", None),
            ("1e999", None),
            ("-1", None),
            ("-0.5", None),
            (r#""1800000000""#, None),
            ("true", None),
            ("[1800000000]", None),
            ("{}", None),
        ];
        for (json, expected) in cases {
            let date = NumericDate::from_json(json);
            let rounded = date.map(|date| (date.rounded_down(), date.rounded_up()));
            assert_eq!(rounded, expected, "{json}");
        }
    }

    #[test]
    fn texts_are_told_from_absent_ones() {
        let all = [None, Some(""), Some("a"), Some("\u{e4}bc")];
        for first in all {
            for second in all {
                for third in all {
                    let texts = [first, second, third, first];
                    let kept = ClaimTexts::new(texts);
                    assert_eq!([0, 1, 2, 3].map(|n| kept.get(n)), texts);
                }
            }
        }
    }

    #[test]
    fn an_actor_is_an_object_that_names_somebody() {
        let named =
            [r#"{"sub":"a"}"#, r#"{"act":{"sub":"b"},"sub":"a"}"#, r#"{"\u0073ub":"\u0061"}"#];
        for json in named {
            assert_eq!(Actor::from_json(json), Some(Actor { sub: "a".to_owned() }), "{json}");
        }
        let unnamed = [
            "{}",
            r#"{"sub":null}"#,
            r#"{"sub":""}"#,
            r#"{"sub":1}"#,
            r#"{"sub":["a"]}"#,
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"\u0073ub":"a","sub":null}"#,
            r#"{"Sub":"a"}"#,
            r#"[{"sub":"a"}]"#,
            r#"["a"]"#,
            r#""a""#,
            "false",
            "0",
            "[]",
        ];
        for json in unnamed {
            assert_eq!(Actor::from_json(json), None, "{json}");
        }
    }
}
