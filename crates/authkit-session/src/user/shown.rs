//! What a session shows of its user, beside what its token says, and where that is until somebody asks for it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::user::{User, UserFields, UserTexts};

/// The user of a session, and how they signed in.
#[derive(Clone)]
pub(crate) enum ShownUser {
    /// Copied out of the cookie.
    Here(Box<ShownTexts>),
    /// In the cookie, which is kept.
    Kept(Arc<dyn KeptUser>),
}

/// A cookie that is kept.
pub(crate) trait KeptUser: Send + Sync {
    /// The user, whose id is `id`, and how they signed in.
    fn shown(&self, id: &str) -> &ShownFields;
}

/// A user in full, and how they signed in.
#[derive(Clone, Debug)]
pub(crate) struct ShownFields {
    pub(crate) user: User,
    pub(crate) authentication_method: Option<Box<str>>,
}

impl ShownUser {
    /// What these fields of a cookie show.
    pub(crate) fn of(user: &UserFields<'_>, authentication_method: Option<&str>) -> Self {
        Self::Here(Box::new(ShownTexts::of(user, authentication_method)))
    }

    /// The user, whose id is `id`.
    pub(crate) fn user(&self, id: &str) -> &User {
        match self {
            Self::Here(texts) => &texts.fields(id).user,
            Self::Kept(cookie) => &cookie.shown(id).user,
        }
    }

    /// How the user signed in, whose id is `id`.
    pub(crate) fn authentication_method(&self, id: &str) -> Option<&str> {
        let fields = match self {
            Self::Here(texts) => texts.fields(id),
            Self::Kept(cookie) => cookie.shown(id),
        };
        fields.authentication_method.as_deref()
    }

    /// What was copied, in full, of the user whose id is `id`.
    pub(crate) fn into_fields(self, id: &str) -> Option<Box<ShownFields>> {
        match self {
            Self::Here(texts) => {
                texts.fields(id);
                texts.fields.into_inner()
            }
            Self::Kept(_) => None,
        }
    }

    /// About how many bytes it takes in full.
    pub(crate) fn weight_in_full(&self) -> usize {
        match self {
            Self::Here(texts) => texts.texts.len() + IN_FULL,
            Self::Kept(_) => IN_FULL,
        }
    }
}

/// All texts in one, until somebody asks for the [`User`].
#[derive(Clone)]
pub(crate) struct ShownTexts {
    texts: Box<str>,
    lengths: UserTexts<u32>,
    /// The last of the texts.
    authentication_method: u32,
    email_verified: bool,
    fields: OnceLock<Box<ShownFields>>,
}

impl ShownTexts {
    fn of(user: &UserFields<'_>, authentication_method: Option<&str>) -> Self {
        let mut length = authentication_method.map_or(0, str::len);
        let _ = user.texts.as_ref().map(|_, text| length += text.as_deref().map_or(0, str::len));
        let mut all = String::with_capacity(length);
        let mut add = |text: Option<&str>| {
            text.and_then(|text| {
                all.push_str(text);
                u32::try_from(text.len()).ok()
            })
            .unwrap_or(ABSENT)
        };
        let lengths = user.texts.as_ref().map(|_, text| add(text.as_deref()));
        let authentication_method = add(authentication_method);
        Self {
            texts: all.into(),
            lengths,
            authentication_method,
            email_verified: user.email_verified,
            fields: OnceLock::new(),
        }
    }

    fn fields(&self, id: &str) -> &ShownFields {
        self.fields.get_or_init(|| {
            let mut rest = &*self.texts;
            let mut next = |length: u32| {
                let length = (length != ABSENT).then_some(length as usize)?;
                let (text, others) = rest.split_at_checked(length)?;
                rest = others;
                Some(text)
            };
            let texts = self.lengths.as_ref().map(|_, &length| next(length));
            let authentication_method = next(self.authentication_method).map(Into::into);
            let user = User::of(id.to_owned(), self.email_verified, texts);
            Box::new(ShownFields { user, authentication_method })
        })
    }
}

impl fmt::Debug for ShownUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShownUser").finish_non_exhaustive()
    }
}

/// What [`ShownFields`] take beside their texts: the fields, and what allocating a dozen texts costs.
const IN_FULL: usize = 664;
/// The length of a text that is not there.
const ABSENT: u32 = u32::MAX;
