//! The data of a session that comes from the cookie and not from the token: the user, and how the user signed in. It is
//! built when somebody asks for it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::user::{User, UserFields, UserTexts};

/// The user of a session, and how they signed in.
#[derive(Clone)]
pub(crate) enum ShownUser {
    /// As texts that were copied from the cookie.
    Here(Box<ShownTexts>),
    /// In the cookie, which the cache keeps.
    Kept(Arc<dyn KeptUser>),
}

/// A cookie that the cache keeps.
pub(crate) trait KeptUser: Send + Sync {
    /// The user with this id, and how the user signed in.
    fn shown(&self, id: &str) -> &ShownFields;
}

/// A user, and how the user signed in.
#[derive(Clone, Debug)]
pub(crate) struct ShownFields {
    pub(crate) user: User,
    pub(crate) authentication_method: Option<Box<str>>,
}

impl ShownUser {
    /// Copies these fields of a cookie.
    pub(crate) fn of(user: &UserFields<'_>, authentication_method: Option<&str>) -> Self {
        Self::Here(Box::new(ShownTexts::of(user, authentication_method)))
    }

    /// The user with this id.
    pub(crate) fn user(&self, id: &str) -> &User {
        match self {
            Self::Here(texts) => &texts.fields(id).user,
            Self::Kept(cookie) => &cookie.shown(id).user,
        }
    }

    /// How the user with this id signed in.
    pub(crate) fn authentication_method(&self, id: &str) -> Option<&str> {
        let fields = match self {
            Self::Here(texts) => texts.fields(id),
            Self::Kept(cookie) => cookie.shown(id),
        };
        fields.authentication_method.as_deref()
    }

    /// The copied data of the user with this id; `None` if the data is in a cookie that the cache keeps.
    pub(crate) fn into_fields(self, id: &str) -> Option<Box<ShownFields>> {
        match self {
            Self::Here(texts) => {
                texts.fields(id);
                texts.fields.into_inner()
            }
            Self::Kept(_) => None,
        }
    }

    /// The approximate size in memory, in bytes, once the user has been built.
    pub(crate) fn weight_in_full(&self) -> usize {
        match self {
            Self::Here(texts) => texts.texts.len() + IN_FULL,
            Self::Kept(_) => IN_FULL,
        }
    }
}

/// All texts in one allocation, from which the [`User`] is built when somebody asks for it.
#[derive(Clone)]
pub(crate) struct ShownTexts {
    texts: Box<str>,
    lengths: UserTexts<u32>,
    /// The length of the last text.
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

/// The approximate size of [`ShownFields`] without the texts, in bytes: the fields, and the overhead of a dozen
/// allocations.
const IN_FULL: usize = 664;
/// Stands for the length of an absent text.
const ABSENT: u32 = u32::MAX;
