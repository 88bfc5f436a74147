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

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::testing::OwnerParts;

    /// What is left over from one of WorkOS's SDKs goes as well; a cookie that another service sealed does not.
    #[test]
    fn a_sign_out_deletes_what_the_browser_holds_of_ours() {
        let parts = OwnerParts::new(|config| config);
        let sign_out =
            SignOut::new(Arc::clone(&parts.settings), Arc::clone(&parts.reader), parts.ender());
        let sealed = parts.sealed_session("user_1");
        let (session, left_over) =
            (format!("wos_session={sealed}"), format!("wos-session={sealed}"));
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            (&session, &["wos_session"]),
            (&left_over, &["wos-session"]),
            (&format!("{session}; {left_over}"), &["wos_session", "wos-session"]),
            (&format!("{session}; wos-session=of_another_service"), &["wos_session"]),
            ("wos_session=unreadable", &["wos_session"]),
        ];
        for (cookies, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(cookies).unwrap());
            let set_cookies = sign_out.sign_out(&headers).set_cookies;
            let names = set_cookies.iter().map(|field| field.to_str().unwrap());
            let names: Vec<_> = names.filter_map(|field| Some(field.split_once('=')?.0)).collect();
            assert_eq!(names, expected, "{cookies}");
        }
    }
}
