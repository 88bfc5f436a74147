use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use crate::ids;

/// Authorization codes, and sign-ins that wait for a further step.
#[derive(Default)]
pub(crate) struct Codes {
    codes: HashMap<String, Code>,
    pending: HashMap<String, Pending>,
}

#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) outcome: CodeOutcome,
    /// The S256 challenge that the verifier must match, if the sign-in used PKCE.
    pub(crate) challenge: Option<String>,
    expires_at: SystemTime,
}

/// The outcome of the exchange of a code.
#[derive(Clone)]
pub(crate) enum CodeOutcome {
    SignIn {
        user_id: String,
        organization_id: Option<String>,
        method: String,
    },
    /// Chosen on the sign-in page: 400 `invalid_grant`.
    Refused,
    /// Chosen on the sign-in page: 503.
    Unavailable,
}

/// A sign-in that stopped with a 403, and continues with another grant.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) user_id: String,
    pub(crate) step_up: StepUp,
    expires_at: SystemTime,
}

/// The step that a sign-in waits for.
#[derive(Clone)]
pub(crate) enum StepUp {
    Organization,
    /// The code that production would send by mail.
    Verification {
        code: String,
    },
}

impl StepUp {
    pub(crate) fn verification() -> Self {
        let number = u32::from_be_bytes(ids::random_bytes()) % 1_000_000;
        Self::Verification { code: format!("{number:06}") }
    }
}

impl Codes {
    pub(crate) fn issue(
        &mut self,
        outcome: CodeOutcome,
        challenge: Option<String>,
        now: SystemTime,
    ) -> String {
        self.codes.retain(|_, code| code.expires_at > now);
        let id = ids::ulid(now);
        self.codes.insert(id.clone(), Code { outcome, challenge, expires_at: now + CODE_LIFETIME });
        id
    }

    pub(crate) fn code(&self, id: &str, now: SystemTime) -> Option<&Code> {
        self.codes.get(id).filter(|code| code.expires_at > now)
    }

    pub(crate) fn spend(&mut self, id: &str) {
        self.codes.remove(id);
    }

    pub(crate) fn suspend(&mut self, user_id: &str, step_up: StepUp, now: SystemTime) -> String {
        self.pending.retain(|_, pending| pending.expires_at > now);
        let token = ids::secret_token();
        let pending =
            Pending { user_id: user_id.to_owned(), step_up, expires_at: now + CODE_LIFETIME };
        self.pending.insert(token.clone(), pending);
        token
    }

    pub(crate) fn pending(&self, token: &str, now: SystemTime) -> Option<&Pending> {
        self.pending.get(token).filter(|pending| pending.expires_at > now)
    }

    /// The latest verification code of a user.
    pub(crate) fn verification_code(&self, user_id: &str, now: SystemTime) -> Option<&str> {
        let of_user = self
            .pending
            .values()
            .filter(|pending| pending.user_id == user_id && pending.expires_at > now);
        of_user
            .filter_map(|pending| match &pending.step_up {
                StepUp::Verification { code } => Some((pending.expires_at, code)),
                StepUp::Organization => None,
            })
            .max_by_key(|(expires_at, _)| *expires_at)
            .map(|(_, code)| code.as_str())
    }

    pub(crate) fn resume(&mut self, token: &str) {
        self.pending.remove(token);
    }
}

const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);
