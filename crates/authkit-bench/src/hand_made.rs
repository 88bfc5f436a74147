use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use foldhash::fast::RandomState;
use http::{HeaderMap, header::COOKIE};

/// A cache as an application writes it: a map from the whole cookie to the session and its expiry.
pub struct HandMade {
    sessions: RwLock<HashMap<String, Known, RandomState>>,
}

struct Known {
    /// In Unix seconds.
    expiry: u64,
    /// Stands for the user and the claims.
    session: Arc<str>,
}

impl HandMade {
    /// A cache that holds this cookie.
    pub fn with(cookie: &str) -> Self {
        let known = Known { expiry: u64::MAX, session: "user_1".into() };
        let sessions = RwLock::new(HashMap::from_iter([(cookie.to_owned(), known)]));
        Self { sessions }
    }

    /// The session of a request, which must be known.
    pub fn authenticate(&self, headers: &HeaderMap) -> Arc<str> {
        let cookies = str::from_utf8(headers[COOKIE].as_bytes()).expect("the sample is text");
        let cookie = cookies
            .split(';')
            .find_map(|pair| pair.trim_start().strip_prefix("wos_session="))
            .expect("the sample has the cookie");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.get(cookie).expect("the sample is known");
        assert!(known.expiry > now.as_secs(), "the sample has not expired");
        Arc::clone(&known.session)
    }
}
