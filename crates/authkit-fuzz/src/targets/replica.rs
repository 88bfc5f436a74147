//! Messages of other replicas, through a store that anybody may have written to: the outcome of a refresh, and a notice of a
//! revocation.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use authkit_session::{
    Claim, Coordinating, Delivery, Inbox, Notice, Publishing, RefreshCoordinator, Revocations,
    integration::Purpose,
};
use aws_lc_rs::digest;
use bytes::Bytes;
use http::HeaderValue;

use crate::{
    input::Input,
    json::{Members, quoted},
    service::{Kind, NOW, World, refresh_token, run as block_on},
    targets::{error_answer, sign_in::get},
    token,
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let store = Store::default();
    let world = World::with(|config| {
        config
            .with_refresh_coordinator(Arc::new(store.clone()))
            .with_revocations(Arc::new(store.clone()))
    });
    let is_sealed = input.flag();
    let has_notice = input.flag();
    if has_notice {
        deliver(&world, &store, &mut input, is_sealed);
    }
    let outcome = outcome(&world, &mut input, is_sealed);
    let published = outcome.bytes.clone();
    store.0.lock().unwrap_or_else(PoisonError::into_inner).outcome = Some(published);
    let expired = token::good(NOW - 400);
    let cookie = World::seal(Default::default(), World::payload(&expired).text().as_bytes());
    let cookie = HeaderValue::from_str(&format!("wos_session={cookie}")).expect("base64");
    let answer = block_on(world.send(Kind::Required, get("/page", Some(cookie))));
    error_answer::is_of_the_same_user(&answer);
    let is_absent = match outcome.whose {
        Whose::Nobodys | Whose::AnotherSessions => true,
        Whose::Ours => false,
    };
    if is_absent && !has_notice {
        // What cannot be opened counts as absent: this process makes the exchange itself.
        assert!(answer.reached && world.workos.exchanges() > 0, "{answer:?}");
    }
}

fn deliver(world: &World, store: &Store, input: &mut Input<'_>, is_sealed: bool) {
    let mut notice = Members::new([("session", quoted("session_2")), ("at", NOW.to_string())]);
    notice.edit(
        input,
        &["session", "user", "membership", "organization", "api_key", "deleted", "at"],
    );
    let text = notice.text();
    let content = if input.flag() { text.as_bytes() } else { input.bytes() };
    let sealed = if is_sealed {
        let sealed = world.replica().seal_for(Purpose::Replica, b"revocation", content);
        sealed.expect("the system has random bytes")
    } else {
        String::from_utf8_lossy(content).into_owned()
    };
    let inboxes = &store.0.lock().unwrap_or_else(PoisonError::into_inner).inboxes;
    for delivery in inboxes.iter().map(|inbox| inbox.deliver(&sealed)) {
        assert!(is_sealed || delivery == Delivery::Unreadable, "nobody sealed that: {delivery:?}");
    }
}

/// What the store has in place of an outcome.
struct Stored {
    bytes: Vec<u8>,
    whose: Whose,
}

/// For what a value was sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Whose {
    /// It was not sealed.
    Nobodys,
    /// It is another token's, or another organization's.
    AnotherSessions,
    Ours,
}

/// The outcome of another replica's exchange in the store.
fn outcome(world: &World, input: &mut Input<'_>, is_sealed: bool) -> Stored {
    let published = error_answer::answer(input);
    let mut content =
        NOW.saturating_sub(input.one_of(&[0, 30, 60, 61, u64::MAX])).to_be_bytes().to_vec();
    let words: &[&[u8]] = &[
        b"refused grant",
        b"refused organization",
        b"refused credentials",
        b"refused otherwise",
        b"",
    ];
    match input.below(3) {
        0 => content.extend([b"renewed ", &published.body[..]].concat()),
        1 => content.extend(input.one_of(words)),
        _ => content.extend(input.bytes()),
    }
    if !is_sealed {
        return Stored { bytes: content, whose: Whose::Nobodys };
    }
    if input.below(8) == 7 {
        input.mutate(&mut content);
    }
    let (token, organization, whose) = input.one_of(&[
        (refresh_token(), "@org_1", Whose::Ours),
        (refresh_token(), "@org_1", Whose::Ours),
        (refresh_token(), "@org_2", Whose::AnotherSessions),
        (refresh_token(), "", Whose::AnotherSessions),
        ("another-token", "@org_1", Whose::AnotherSessions),
    ]);
    let mut context = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec();
    context.extend(organization.as_bytes());
    let sealed = world.replica().seal_for(Purpose::Replica, &context, &content);
    Stored { bytes: sealed.expect("the system has random bytes").into_bytes(), whose }
}

/// A store that returns the given values.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    outcome: Option<Vec<u8>>,
    inboxes: Vec<Inbox>,
}

impl Store {
    fn claim(&self) -> Claim {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.outcome.clone().map_or(Claim::Alone, |it| Claim::Published(Bytes::from(it)))
    }
}

impl RefreshCoordinator for Store {
    fn claim<'a>(&'a self, _: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(async { Self::claim(self) })
    }

    fn look<'a>(&'a self, _: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(async { Self::claim(self) })
    }

    fn publish<'a>(&'a self, _: &'a str, _: Bytes) -> Coordinating<'a, ()> {
        Box::pin(async {})
    }
}

impl Revocations for Store {
    fn subscribe(&self, inbox: Inbox) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).inboxes.push(inbox);
    }

    fn publish(&self, _: Notice) -> Publishing<'_> {
        Box::pin(async { Ok(()) })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
