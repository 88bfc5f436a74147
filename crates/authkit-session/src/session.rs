use std::{fmt, ops::Deref};

use crate::{
    token::verified::VerifiedToken,
    user::{ShownUser, User},
};

/// A session whose access token was verified: signature, time and kind.
///
/// What the token says is [`VerifiedToken`], which it dereferences to; the user is the cookie's, checked against it.
/// It cannot be made outside this crate, so holding one is proof. It has no refresh token, and its [`Debug`] output
/// shows ids only.
#[derive(Clone)]
pub struct VerifiedSession {
    pub(crate) token: VerifiedToken,
    pub(crate) user: ShownUser,
    pub(crate) authentication_method: Option<Box<str>>,
}

impl VerifiedSession {
    /// The signed-in user.
    pub fn user(&self) -> &User {
        self.user.get(self.user_id())
    }

    /// How the user signed in, in WorkOS's words (`Password`, `SSO`, …), where the cookie says so.
    pub fn authentication_method(&self) -> Option<&str> {
        self.authentication_method.as_deref()
    }
}

impl Deref for VerifiedSession {
    type Target = VerifiedToken;

    fn deref(&self) -> &VerifiedToken {
        &self.token
    }
}

impl fmt::Debug for VerifiedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedSession").field(&self.token).finish()
    }
}
