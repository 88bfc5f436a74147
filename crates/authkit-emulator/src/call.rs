use bytes::Bytes;
use http::request::Parts;

use crate::{
    endpoint::Endpoint,
    fields::Fields,
    grant::Grant,
    state::{CodeOutcome, State},
};

/// The endpoint, grant, user, session and organization of a request, as far as they are known before it is processed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    pub(crate) grant: Option<Grant>,
    pub(crate) user_id: Option<String>,
    pub(crate) session_id: Option<String>,
    /// The organization that the request names, else the session's.
    pub(crate) organization_id: Option<String>,
}

impl Call {
    pub(crate) fn read(endpoint: Endpoint, head: &Parts, body: &Bytes, state: &State) -> Self {
        let mut call =
            Self { endpoint, grant: None, user_id: None, session_id: None, organization_id: None };
        let query = Fields::of_query(head.uri.query().unwrap_or_default());
        // An unreadable body counts as empty here; the route answers with the error.
        let body = Fields::parse(&head.headers, body).unwrap_or_else(|_| Fields::of_query(""));
        match endpoint {
            Endpoint::Authenticate => call.exchange(&body, state),
            Endpoint::Revoke => call.session(body.get("session_id"), state),
            Endpoint::Logout => call.session(query.get("session_id"), state),
            Endpoint::Sessions => {
                call.user_id = head.uri.path().split('/').nth(3).map(str::to_owned);
            }
            Endpoint::Authorize => {
                let chosen = body.get("user").or_else(|| body.get("email"));
                call.user(chosen.or_else(|| query.get("login_hint")), state);
                let organization_id = body.get("organization").or(query.get("organization_id"));
                call.organization_id = organization_id.map(str::to_owned);
            }
            Endpoint::Jwks
            | Endpoint::ApiKeyValidation
            | Endpoint::ConnectJwks
            | Endpoint::ConnectToken
            | Endpoint::Introspection => {}
        }
        call
    }

    fn exchange(&mut self, body: &Fields, state: &State) {
        self.grant = body.get("grant_type").and_then(Grant::of);
        match self.grant {
            Some(Grant::RefreshToken) => {
                let token = body.get("refresh_token").and_then(|token| state.sessions.token(token));
                self.session(token.map(|token| token.session_id()), state);
            }
            Some(Grant::AuthorizationCode) => {
                let code = body.get("code").and_then(|code| state.codes.code(code, state.now()));
                if let Some(CodeOutcome::SignIn { user_id, organization_id, .. }) =
                    code.map(|code| &code.outcome)
                {
                    self.user_id = Some(user_id.clone());
                    self.organization_id = organization_id.clone();
                }
            }
            Some(Grant::Password) => self.user(body.get("email"), state),
            Some(Grant::OrganizationSelection | Grant::EmailVerification) => {
                let token = body.get("pending_authentication_token");
                let pending = token.and_then(|token| state.codes.pending(token, state.now()));
                self.user_id = pending.map(|pending| pending.user_id.clone());
            }
            None => {}
        }
        if let Some(organization_id) = body.get("organization_id") {
            self.organization_id = Some(organization_id.to_owned());
        }
    }

    fn session(&mut self, id: Option<&str>, state: &State) {
        if let Some(session) = id.and_then(|id| state.sessions.get(id)) {
            self.session_id = Some(session.id.clone());
            self.user_id = Some(session.user_id.clone());
            self.organization_id = session.organization_id.clone();
        }
    }

    fn user(&mut self, named: Option<&str>, state: &State) {
        let user = named.and_then(|named| state.directory.user_named(named));
        self.user_id = user.map(|user| user.id.clone());
    }
}
