//! Who made the browser start a sign-in.

use http::{HeaderValue, header::REFERER};
use serde::{Deserialize, Serialize};

use crate::{client_kind::text, denial::Caller, site::Site};

/// Who made the browser start a sign-in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Initiator {
    /// The user: on one of our own pages, by hand, or by agreeing on a page of ours.
    User,
    /// Another site or a sibling host, or an unknown initiator.
    AnotherSite,
}

impl Initiator {
    /// Reads it from `Sec-Fetch-Site`, or from `Referer` if the browser does not send that. Pages of the origins that
    /// sign-ins may return to are our own; only `Referer` names them, and no other site can forge it.
    ///
    /// Without both, the user typed the address, or the client is not a browser.
    pub(super) fn of(caller: Caller<'_>, site: &Site) -> Self {
        let referer = caller.headers.get(REFERER).map(HeaderValue::as_bytes);
        let is_on = |origin: &str, referer: &[u8]| {
            let rest = referer.strip_prefix(origin.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let is_returning = referer.is_some_and(|referer| {
            site.return_origins().iter().any(|origin| is_on(origin, referer))
        });
        let is_by_user = is_returning
            || match text(caller.headers, "sec-fetch-site") {
                Some(fetch_site) => matches!(fetch_site, "same-origin" | "none"),
                None => referer.is_none_or(|referer| is_on(site.origin(), referer)),
            };
        if is_by_user { Self::User } else { Self::AnotherSite }
    }
}
