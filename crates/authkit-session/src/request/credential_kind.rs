//! Tells the kinds of credentials apart: a pure table over closed enums.
//!
//! The issuer says who made the token; then `sid` and the subject say which kind it is. A value that is not a token is
//! recognised by its form. A combination that is not in the table is no credential of any kind.
//!
//! | issuer | `sid` | subject | kind |
//! |---|---|---|---|
//! | of sessions | `session_…` | any | a user's token, sent by a program |
//! | an AuthKit domain | absent | an application | a machine's |
//! | an AuthKit domain | `app_consent_…`, or absent | a user | an OAuth application's, acting for the user |
//!
//! The table is used twice. The claims of the unverified token choose the judge, and admit nothing; the judge uses the
//! table again with the claims of the verified token.

/// The kinds of credentials in an `Authorization` field.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum CredentialKind {
    /// An access token of a user's session.
    Bearer,
    /// A customer's API key.
    ApiKey,
    /// A token of an application that acts for itself.
    Machine,
    /// A token of an OAuth application that acts for a user.
    Client,
}

/// The issuer of a token, as far as it is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum IssuerKind {
    Sessions,
    AuthKitDomain,
    /// An issuer that the layer does not know, or none.
    Stranger,
}

/// What `sid` is the id of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SidKind {
    Session,
    Consent,
    Absent,
    Other,
}

/// The subject of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SubjectKind {
    User,
    /// The application that asked for the token itself.
    Application,
    Other,
}

impl SidKind {
    pub(crate) fn of(sid: Option<&str>) -> Self {
        match sid {
            None => Self::Absent,
            Some(sid) if sid.starts_with("session_") => Self::Session,
            Some(sid) if sid.starts_with("app_consent_") => Self::Consent,
            Some(_) => Self::Other,
        }
    }
}

impl SubjectKind {
    /// A token of an application names it in `sub`, and in `client_id` if that is there. A user's names another client.
    pub(crate) fn of(sub: &str, client_id: Option<&str>) -> Self {
        let is_itself = client_id.is_none_or(|client_id| client_id == sub);
        if sub.starts_with("user_") && client_id != Some(sub) {
            Self::User
        } else if sub.starts_with("client_") && is_itself {
            Self::Application
        } else {
            Self::Other
        }
    }
}

impl CredentialKind {
    /// The kind of a token; `None` if the kind is not known.
    pub(crate) fn of_token(issuer: IssuerKind, sid: SidKind, subject: SubjectKind) -> Option<Self> {
        match (issuer, sid, subject) {
            (
                IssuerKind::Sessions,
                SidKind::Session,
                SubjectKind::User | SubjectKind::Application | SubjectKind::Other,
            ) => Some(Self::Bearer),
            (IssuerKind::AuthKitDomain, SidKind::Absent, SubjectKind::Application) => {
                Some(Self::Machine)
            }
            (IssuerKind::AuthKitDomain, SidKind::Consent | SidKind::Absent, SubjectKind::User) => {
                Some(Self::Client)
            }
            (IssuerKind::Sessions, SidKind::Consent | SidKind::Absent | SidKind::Other, _)
            | (IssuerKind::AuthKitDomain, SidKind::Session | SidKind::Other, _)
            | (IssuerKind::AuthKitDomain, SidKind::Consent, SubjectKind::Application)
            | (IssuerKind::AuthKitDomain, _, SubjectKind::Other)
            | (IssuerKind::Stranger, _, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_issuer_sid_and_subject_has_one_kind_or_none() {
        use CredentialKind::{Bearer, Client, Machine};
        use IssuerKind::{AuthKitDomain, Sessions, Stranger};
        use SidKind::{Absent, Consent, Other, Session};

        // By subject: a user, an application, anything else.
        let nobody = [None; 3];
        let rows = [
            (Sessions, Session, [Some(Bearer); 3]),
            (Sessions, Consent, nobody),
            (Sessions, Absent, nobody),
            (Sessions, Other, nobody),
            (AuthKitDomain, Session, nobody),
            (AuthKitDomain, Consent, [Some(Client), None, None]),
            (AuthKitDomain, Absent, [Some(Client), Some(Machine), None]),
            (AuthKitDomain, Other, nobody),
            (Stranger, Session, nobody),
            (Stranger, Consent, nobody),
            (Stranger, Absent, nobody),
            (Stranger, Other, nobody),
        ];
        let subjects = [SubjectKind::User, SubjectKind::Application, SubjectKind::Other];
        for (issuer, sid, kinds) in rows {
            for (subject, kind) in subjects.into_iter().zip(kinds) {
                let told = CredentialKind::of_token(issuer, sid, subject);
                assert_eq!(told, kind, "{issuer:?} {sid:?} {subject:?}");
            }
        }
    }

    #[test]
    fn ids_are_told_by_what_they_begin_with() {
        let sids = [
            (None, SidKind::Absent),
            (Some("session_1"), SidKind::Session),
            (Some("app_consent_1"), SidKind::Consent),
            (Some("app_session_1"), SidKind::Other),
            (Some("SESSION_1"), SidKind::Other),
            (Some(""), SidKind::Other),
        ];
        for (sid, kind) in sids {
            assert_eq!(SidKind::of(sid), kind, "{sid:?}");
        }
        let metadata = Some("https://app.test/client.json");
        let subjects = [
            ("user_1", None, SubjectKind::User),
            ("user_1", Some("client_1"), SubjectKind::User),
            ("user_1", metadata, SubjectKind::User),
            ("user_1", Some("user_1"), SubjectKind::Other),
            ("client_1", None, SubjectKind::Application),
            ("client_1", Some("client_1"), SubjectKind::Application),
            ("client_1", Some("client_2"), SubjectKind::Other),
            ("client_1", metadata, SubjectKind::Other),
            ("org_1", None, SubjectKind::Other),
            ("", None, SubjectKind::Other),
            ("", Some(""), SubjectKind::Other),
        ];
        for (sub, client_id, kind) in subjects {
            assert_eq!(SubjectKind::of(sub, client_id), kind, "{sub} {client_id:?}");
        }
    }
}
