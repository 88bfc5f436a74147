use std::sync::Arc;

use authkit_session::VerifiedToken;

use crate::{
    api_key::ApiKey, bearer::Bearer, machine::Machine, oauth_client::OAuthClient,
    principal::Principal, request_state::RequestState, session::Session,
};

/// A reference to a [`Principal`] in the extensions of a request.
#[derive(Clone, Copy)]
pub(crate) enum PrincipalRef<'a> {
    Session(&'a Session),
    Bearer(&'a Bearer),
    ApiKey(&'a ApiKey),
    Machine(&'a Machine),
    Client(&'a OAuthClient),
}

/// The kinds of principals, as handlers ask for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PrincipalKind {
    Session,
    Bearer,
    ApiKey,
    Machine,
    Client,
}

impl<'a> PrincipalRef<'a> {
    /// The state that the attaching layer keeps of the request.
    pub(crate) fn state(self) -> &'a Arc<RequestState> {
        match self {
            Self::Session(session) => session.state(),
            Self::Bearer(bearer) => bearer.state(),
            Self::ApiKey(key) => key.state(),
            Self::Machine(machine) => machine.state(),
            Self::Client(client) => client.state(),
        }
    }

    pub(crate) fn to_owned(self) -> Principal {
        match self {
            Self::Session(session) => Principal::Session(session.clone()),
            Self::Bearer(bearer) => Principal::Bearer(bearer.clone()),
            Self::ApiKey(key) => Principal::ApiKey(key.clone()),
            Self::Machine(machine) => Principal::Machine(machine.clone()),
            Self::Client(client) => Principal::Client(client.clone()),
        }
    }

    pub(crate) fn subject(self) -> &'a str {
        match self {
            Self::Session(session) => session.user_id(),
            Self::Bearer(bearer) => bearer.user_id(),
            Self::ApiKey(key) => key.owner_id(),
            Self::Machine(machine) => machine.client_id(),
            Self::Client(client) => client.user_id(),
        }
    }

    pub(crate) fn user_id(self) -> Option<&'a str> {
        match self {
            Self::Session(session) => Some(session.user_id()),
            Self::Bearer(bearer) => Some(bearer.user_id()),
            Self::ApiKey(key) => key.user_id(),
            Self::Machine(_) => None,
            Self::Client(client) => Some(client.user_id()),
        }
    }

    pub(crate) fn organization_id(self) -> Option<&'a str> {
        match self {
            Self::Session(session) => session.organization_id(),
            Self::Bearer(bearer) => bearer.organization_id(),
            Self::ApiKey(key) => Some(key.organization_id()),
            Self::Machine(machine) => machine.organization_id(),
            Self::Client(client) => client.organization_id(),
        }
    }

    pub(crate) fn roles(self) -> &'a [String] {
        self.token().map(VerifiedToken::roles).unwrap_or_default()
    }

    pub(crate) fn permissions(self) -> &'a [String] {
        match self {
            Self::Session(session) => session.permissions(),
            Self::Bearer(bearer) => bearer.permissions(),
            Self::ApiKey(key) => key.permissions(),
            Self::Machine(_) | Self::Client(_) => &[],
        }
    }

    pub(crate) fn scopes(self) -> &'a [String] {
        match self {
            Self::Session(_) | Self::Bearer(_) | Self::ApiKey(_) => &[],
            Self::Machine(machine) => machine.scopes(),
            Self::Client(client) => client.scopes(),
        }
    }

    /// Whether somebody impersonates the user, as far as the credential tells.
    pub(crate) fn is_impersonated(self) -> bool {
        match self {
            Self::Session(session) => session.impersonator().is_some(),
            Self::Bearer(bearer) => bearer.impersonator().is_some(),
            Self::ApiKey(_) | Self::Machine(_) => false,
            Self::Client(client) => client.impersonator().is_some(),
        }
    }

    /// The access token of a user's session.
    pub(crate) fn token(self) -> Option<&'a VerifiedToken> {
        match self {
            Self::Session(session) => Some(session),
            Self::Bearer(bearer) => Some(bearer),
            Self::ApiKey(_) | Self::Machine(_) | Self::Client(_) => None,
        }
    }

    pub(crate) fn session(self) -> Option<&'a Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Bearer(_) | Self::ApiKey(_) | Self::Machine(_) | Self::Client(_) => None,
        }
    }
}
