use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::{
    candidate::reader::SessionReader, config::settings::Settings, end::SessionEnder,
    meter::SessionEvent, refresh_state::lineage::Ended, upstream::budget::RefreshOwner,
};

/// Ends the sessions that a request's cookies hold.
#[derive(Debug)]
pub(crate) struct SignOut {
    settings: Arc<Settings>,
    reader: Arc<SessionReader>,
    ender: Arc<SessionEnder>,
}

/// A session that has ended here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedOut {
    /// Its id, if the request's cookie could be opened: for [`Client::logout_url`](crate::Client::logout_url).
    pub session_id: Option<String>,
    /// The `Set-Cookie` values of the response.
    pub set_cookies: Vec<HeaderValue>,
}

impl SignOut {
    pub(crate) fn new(
        settings: Arc<Settings>,
        reader: Arc<SessionReader>,
        ender: Arc<SessionEnder>,
    ) -> Self {
        Self { settings, reader, ender }
    }

    /// Ends every session among a request's cookies, expired or not.
    pub(crate) fn sign_out(&self, headers: &HeaderMap) -> SignedOut {
        let cookies = &self.settings.cookies;
        let (sessions, received) = self.reader.open_all(cookies.name(), headers);
        for opened in &sessions {
            let RefreshOwner { session: id, user } = opened.owner();
            if self.ender.end(opened.token(), id) == Ended::Now {
                let Settings { log_ids, meter, .. } = &*self.settings;
                tracing::info!(
                    session = log_ids.of_any(id),
                    user = log_ids.of_any(user),
                    "signed out"
                );
                meter.session(SessionEvent::SignedOut);
            }
        }
        let claims = sessions.iter().map(|it| it.unverified());
        let issued = claims.filter_map(|claims| Some((claims.iat, claims.sid.as_deref()?)));
        // Requests were admitted with the session that was issued last.
        let session_id = issued.max().map(|(_, id)| id.to_owned());
        let mut set_cookies = cookies.delete_session(received);
        set_cookies.extend(cookies.delete_other_scope(received));
        if cookies.name() != LEFT_OVER && !self.reader.open_all(LEFT_OVER, headers).0.is_empty() {
            set_cookies.extend(cookies.delete_named(LEFT_OVER));
        }
        SignedOut { session_id, set_cookies }
    }
}

/// The cookie name of WorkOS's JavaScript SDKs. A service that has moved from one of them may have left such a cookie
/// of ours. A cookie of another service, which our passwords do not open, stays.
const LEFT_OVER: &str = "wos-session";
