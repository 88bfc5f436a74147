use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::{
    clock::unix_seconds,
    ids,
    state::{Directory, Session, User},
    template,
};

/// The content of an access token, except its times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) user: &'a User,
    pub(crate) session: &'a Session,
    pub(crate) organization_id: Option<&'a str>,
}

/// The claims of an access token that is issued at `issued_at`, as production's default template has them.
pub(crate) fn claims(
    subject: &Subject<'_>,
    directory: &Directory,
    issued_at: SystemTime,
    lifetime: Duration,
) -> Map<String, Value> {
    let Subject { issuer, client_id, user, session, organization_id } = *subject;
    let issued = unix_seconds(issued_at);
    let mut claims = Map::from_iter([
        ("iss".to_owned(), json!(issuer)),
        ("sub".to_owned(), json!(user.id)),
        ("sid".to_owned(), json!(session.id)),
        ("jti".to_owned(), json!(ids::ulid(issued_at))),
        ("iat".to_owned(), json!(issued)),
        ("exp".to_owned(), json!(issued.saturating_add(lifetime.as_secs()))),
        ("client_id".to_owned(), json!(client_id)),
        ("auth_time".to_owned(), json!(unix_seconds(session.signed_in_at))),
    ]);
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    let mut feature_flags = user.feature_flags.clone();
    if let Some(organization) = organization_id.and_then(|id| directory.organization(id)) {
        add("org_id", json!(organization.id));
        if let Some(membership) = directory.membership(&user.id, &organization.id) {
            add("role", json!(membership.role));
            add("roles", json!([membership.role]));
            add("permissions", json!(directory.permissions_of(&membership.role)));
        }
        if !organization.entitlements.is_empty() {
            add("entitlements", json!(organization.entitlements));
        }
        feature_flags.extend(organization.feature_flags.iter().cloned());
    }
    if !feature_flags.is_empty() {
        add("feature_flags", json!(feature_flags));
    }
    if let Some(impersonator) = &session.impersonator {
        add("act", json!({ "sub": impersonator.email }));
    }
    for (name, value) in custom(subject, directory) {
        add(&name, value);
    }
    claims
}

/// The custom claims, which win over the standard ones. Of custom claims with the same name the user's wins, then the
/// organization's, then that of all users, then the template's.
fn custom(subject: &Subject<'_>, directory: &Directory) -> Map<String, Value> {
    let organization = subject.organization_id.and_then(|id| directory.organization(id));
    let rendered =
        directory.template().map(|template| template.render(&context(subject, directory)));
    let rendered = rendered.transpose().unwrap_or_else(|problem| {
        tracing::warn!(
            problem,
            "the JWT template cannot be rendered for this user; its claims are left out"
        );
        None
    });
    let layers = [
        rendered.as_ref(),
        Some(directory.claims_for_all()),
        organization.map(|organization| &organization.claims),
        Some(&subject.user.claims),
    ];
    let claims = layers.into_iter().flatten().flatten().filter(template::may_set);
    claims.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The values that a template can refer to.
fn context(subject: &Subject<'_>, directory: &Directory) -> Value {
    let mut user = subject.user.to_json();
    user["identities"] = match &subject.user.oauth_provider {
        Some(provider) => json!({ provider: subject.user.oauth_idp_id }),
        None => json!({}),
    };
    let organization = subject.organization_id.and_then(|id| directory.organization(id));
    let membership = organization
        .and_then(|organization| directory.membership(&subject.user.id, &organization.id));
    json!({
        "user": user,
        "organization": organization.map(|organization| organization.to_json()),
        "organization_membership": membership.map(|membership| {
            json!({
                "object": "organization_membership",
                "id": membership.id(),
                "role": membership.role,
                "roles": [membership.role],
                "custom_attributes": {},
            })
        }),
    })
}
