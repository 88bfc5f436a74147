//! Logs denials: one line a kind and 10 seconds, however many requests others send.

use std::{fmt, time::Duration};

use authkit_session::{Setting, Settings, VerifiedToken, integration::LogLimiter};
use http::{HeaderMap, header::ORIGIN};
use tracing::{debug, error, info, warn};
use url::Url;

use super::{Caller, Cause};
use crate::{
    Clock,
    client_kind::ClientKind,
    principal_ref::{PrincipalKind, PrincipalRef},
    require::Require,
};

/// What has been logged of the denials and the sign-ins of one [`AuthKit`](crate::AuthKit), and when.
pub(crate) struct DenialLog {
    clock: Clock,
    lines: LogLimiter,
    sign_ins: LogLimiter,
    reminders: LogLimiter,
}

impl DenialLog {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            lines: LogLimiter::new(LogLimiter::PAUSE),
            sign_ins: LogLimiter::new(LogLimiter::PAUSE),
            reminders: LogLimiter::new(Duration::from_secs(3_600)),
        }
    }

    /// Logs why a request is denied. Refused sessions were already logged by authkit-session, and a guard logs its own
    /// condition.
    pub(super) fn report(&self, cause: &Cause, caller: Caller<'_>, own_origin: Option<&str>) {
        let client = caller.client;
        match cause {
            Cause::Challenge { .. }
            | Cause::SignInAgain { reason: Some(_), .. }
            | Cause::Unavailable { .. }
            | Cause::Forbidden => {}
            Cause::InsufficientScope { scope } => {
                if let Some(left_out) = self.admit("the token lacks a scope", client) {
                    info!(?client, %scope, left_out, "denied: the token lacks a scope");
                }
            }
            Cause::RepeatedCredentials => {
                if let Some(left_out) = self.admit("several Authorization fields", client) {
                    info!(
                        ?client,
                        left_out, "denied: the request has several Authorization fields"
                    );
                }
            }
            Cause::SignInAgain { max_age, reason: None } => {
                if let Some(left_out) = self.admit("the user signed in too long ago", client) {
                    info!(?client, ?max_age, left_out, "denied: the user signed in too long ago");
                }
            }
            Cause::OtherPrincipal { wanted: PrincipalKind::Session } => {
                if let Some(left_out) = self.admit("a bearer token instead of a session", client) {
                    warn!(
                        ?client,
                        left_out,
                        "denied: the handler takes a Session, and the request has a bearer token instead; take a \
                         Principal"
                    );
                }
            }
            Cause::OtherPrincipal { wanted } => {
                if let Some(left_out) = self.admit("another kind of principal", client) {
                    warn!(
                        ?client,
                        ?wanted,
                        left_out,
                        "denied: the handler takes another kind of principal than the request's; take a Principal"
                    );
                }
            }
            Cause::CrossOrigin(from) => {
                if let Some(left_out) = self.admit("another site sent the request", client) {
                    let origin = Origin::of(caller.headers);
                    warn!(
                        ?client,
                        ?from,
                        %origin,
                        own_origin,
                        left_out,
                        "denied: another site sent the request; {}",
                        origin.advice()
                    );
                }
            }
            Cause::Misconfigured(mistake) => {
                if let Some(left_out) = self.admit(mistake.text(), client) {
                    error!(?client, left_out, "denied: {}", mistake.text());
                }
            }
        }
    }

    /// Logs what a guard asked for, and what the principal has. Each refusal has a line at debug level, so that a
    /// user's complaint can be traced.
    pub(crate) fn guard_refused(
        &self,
        asked: &Require,
        principal: PrincipalRef<'_>,
        client: ClientKind,
        settings: &Settings,
    ) {
        let log_id = |id: Option<&str>| id.map(|id| settings.log_id(id)).unwrap_or_default();
        let role = principal.token().and_then(VerifiedToken::role);
        let organization = principal.organization_id();
        let session = log_id(principal.token().map(VerifiedToken::session_id));
        let user = log_id(principal.user_id());
        let key = "the session does not meet a guard's condition";
        match self.lines.admit(key, self.clock.monotonic()) {
            Some(left_out) => {
                info!(?client, %asked, role, organization, session, user, left_out, "denied: {key}");
            }
            None => debug!(?client, %asked, role, organization, session, user, "denied: {key}"),
        }
    }

    /// Explains that a handler or a guard makes a page below an optional layer require a sign-in.
    pub(crate) fn session_is_required(&self) {
        if let Some(left_out) = self.reminders.admit("nobody", self.clock.monotonic()) {
            info!(
                left_out,
                "denied: nobody is signed in, and below AuthKitLayer::optional a handler takes a Session or a guard asks \
                 for one; where everybody may come, take an Option<Session>"
            );
        }
    }

    /// Whether a line about a sign-in that ended so is due, and how many it stands for besides.
    pub(crate) fn sign_in_ended(&self, how: &'static str) -> Option<u64> {
        self.sign_ins.admit(how, self.clock.monotonic())
    }

    /// Reminds of proxies that do not take a response whose head, cookies included, is this large.
    pub(crate) fn head_is_large(&self, bytes: usize) {
        if let Some(left_out) = self.reminders.admit("large head", self.clock.monotonic()) {
            warn!(
                bytes,
                left_out,
                "a response that sets the session's cookies has a head of more than 4 KiB: nginx answers 502 in its place \
                 unless `proxy_buffer_size` is raised, to 16k"
            );
        }
    }

    /// Whether to write the line of this kind, and how many it replaces. The others are written at debug level.
    fn admit(&self, kind: &'static str, client: ClientKind) -> Option<u64> {
        let due = self.lines.admit(kind, self.clock.monotonic());
        if due.is_none() {
            debug!(?client, "denied: {kind}");
        }
        due
    }
}

impl fmt::Debug for DenialLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DenialLog")
    }
}

/// The `Origin` of a request, as far as it may be logged: only scheme, host and port.
enum Origin {
    Named(String),
    /// The browser does not say: `Origin` is absent, `null`, or no origin.
    Withheld,
}

impl Origin {
    fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
        let origin = text.and_then(|text| Url::parse(text).ok()).map(|url| url.origin());
        match origin {
            Some(origin) if origin.is_tuple() => Self::Named(origin.ascii_serialization()),
            Some(_) | None => Self::Withheld,
        }
    }

    /// Which setting allows the origin, if it should be allowed.
    fn advice(&self) -> String {
        match self {
            Self::Named(origin) => format!(
                "if this origin is one of yours, {}([\"{origin}\"]) allows it; if it is this service's own, {} names \
                 another one",
                Setting::TrustedOrigins,
                Setting::RedirectUri
            ),
            Self::Withheld => "no setting allows a request whose origin the browser does not name: if a page of yours \
                               sent it, the page's Referrer-Policy may be `no-referrer`, or it is in a sandbox"
                .to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(origin) => f.write_str(origin),
            Self::Withheld => f.write_str("not named"),
        }
    }
}
