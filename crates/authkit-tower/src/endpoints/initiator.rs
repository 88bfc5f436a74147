//! Who had the browser begin a sign-in.

use http::header::REFERER;
use serde::{Deserialize, Serialize};

use crate::{client_kind::text, denial::Caller, uri::Site};

/// Who had the browser begin a sign-in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Initiator {
    /// The user: on one of our own pages, by hand, or by agreeing on a page of ours.
    User,
    /// Another site or a sibling host, or it is not known who did.
    AnotherSite,
}

impl Initiator {
    /// Reads it from `Sec-Fetch-Site`, or from `Referer` if the browser does not send that.
    ///
    /// Without both, the user typed the address, or no browser sent the request.
    pub(super) fn of(caller: Caller<'_>, site: &Site) -> Self {
        let is_by_user = match text(caller.headers, "sec-fetch-site") {
            Some(fetch_site) => matches!(fetch_site, "same-origin" | "none"),
            None => caller.headers.get(REFERER).is_none_or(|referer| {
                let rest = referer.as_bytes().strip_prefix(site.origin.as_bytes());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            }),
        };
        if is_by_user { Self::User } else { Self::AnotherSite }
    }
}
