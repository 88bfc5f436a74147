use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::{task::JoinSet, time};

use super::{ms, s};
use crate::{
    Clock, Config, CookiePassword, Reason, RefreshCoordinator, RefreshToken,
    decide::{
        reason::RefusalKind::{Challenge, ChallengeDocuments, Unavailable},
        refresh_outcome::ApiRefusal,
    },
    log_limit::EventLog,
    refresh::{
        refresh_answer::RefreshAnswer,
        replicas::{ClaimStatus, PublishedOutcome, SharedExchange},
    },
    testing::{
        Browser, Endpoint, OwnerParts, Reply, Rotation, Service, Together, Trouble, Workos, clock,
    },
};

/// Two processes of one service, which refresh together.
struct Replicas {
    all: [Service; 2],
    store: Together,
}

impl Replicas {
    fn new(set: impl Fn(usize, Config) -> Config) -> Self {
        let clock = clock();
        let workos = Workos::new(clock.clone());
        let coordinators: [_; 2] = Together::of(&clock);
        let store = coordinators[0].clone();
        let mut process = 0;
        let all = coordinators.map(|coordinator| {
            let service = Service::with(workos.clone(), clock.clone(), |config| {
                set(process, config.with_refresh_coordinator(Arc::new(coordinator)))
            });
            process += 1;
            service
        });
        Self { all, store }
    }

    /// The browser of a user whose session has expired.
    async fn expired(&self) -> Browser {
        let browser = self.all[0].sign_in("user_a").await;
        time::sleep(s(310)).await;
        browser
    }

    fn refreshes(&self) -> usize {
        self.all[0].refreshes()
    }
}

fn replicas() -> Replicas {
    Replicas::new(|_, config| config)
}

#[tokio::test(start_paused = true)]
async fn two_processes_make_one_exchange() {
    let replicas = replicas();
    let browser = replicas.expired().await;
    replicas.all[0].workos.rotate(Rotation::Strict);
    replicas.all[0].workos.usually(Endpoint::Authenticate, Reply::Usual(ms(300)));
    let mut set = JoinSet::new();
    for n in 0..300 {
        let (service, mut browser) = (replicas.all[n % 2].clone(), browser.clone());
        set.spawn(async move {
            let token =
                service.fetch(&mut browser).await.session().access_token().expose().to_owned();
            // Its cookie is good at the other process too.
            (token, browser)
        });
    }
    let mut tokens = Vec::new();
    for (n, (token, mut browser)) in set.join_all().await.into_iter().enumerate() {
        let session = replicas.all[n % 2].get(&mut browser).await.session();
        assert_eq!(session.access_token().expose(), token);
        tokens.push(token);
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "one session");
    assert_eq!(replicas.refreshes(), 1);
}

/// What was published of another token, or for another organization, is of no use here: not even a refusal.
#[tokio::test(start_paused = true)]
async fn an_outcome_is_for_its_token_and_its_organization_alone() {
    use PublishedOutcome::{Refreshed, Refused};

    let parts = OwnerParts::new(|config| config);
    let of = |token: &str| RefreshToken::new(token.to_owned()).hash();
    let organizations = [None, Some("org_a"), Some("org_b"), Some("org_a@")];
    let answer = Bytes::from(parts.workos.sign_in("user_a", json!({})));
    let answer = Arc::new(RefreshAnswer::parse(answer).unwrap());
    for outcome in [Refreshed(answer)].into_iter().chain(ApiRefusal::ALL.map(Refused)) {
        for published in organizations {
            let stores: [_; 2] = Together::of(&parts.clock);
            let [here, there] = stores.map(|store| Arc::new(store) as Arc<dyn RefreshCoordinator>);
            let exchange = |store, token, organization| {
                SharedExchange::new(
                    store,
                    &parts.sealer,
                    &parts.settings.log,
                    of(token),
                    organization,
                )
            };
            let own = exchange(&here, "token", published);
            assert!(matches!(own.claim().await, ClaimStatus::Alone));
            own.publish(&outcome).await;
            for asked in organizations {
                let status = exchange(&there, "token", asked).look().await;
                let is_this = match (&status, &outcome) {
                    (ClaimStatus::Published(Refreshed(got), _), Refreshed(made)) => {
                        got.body == made.body
                    }
                    (ClaimStatus::Published(Refused(got), _), Refused(made)) => got == made,
                    (_, _) => false,
                };
                assert_eq!(
                    is_this,
                    asked == published,
                    "{outcome:?}: published for {published:?}, asked for {asked:?}"
                );
            }
            let status = exchange(&there, "another token", published).look().await;
            assert!(matches!(status, ClaimStatus::Alone), "{published:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_straggler_is_given_what_another_process_got() {
    let replicas = replicas();
    let mut browser = replicas.expired().await;
    replicas.all[0].workos.rotate(Rotation::Strict);
    let mut straggler = browser.clone();
    let session = replicas.all[0].get(&mut browser).await.session();
    time::sleep(s(55)).await;
    let same = replicas.all[1].get(&mut straggler).await.session();
    assert_eq!(same.access_token().expose(), session.access_token().expose());
    assert_eq!(replicas.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_workos_refused_one_process_the_other_does_not_ask() {
    let replicas = replicas();
    let mut browser = replicas.expired().await;
    replicas.all[0].workos.revoke("session_0");
    for service in &replicas.all {
        let refused = service.fetch(&mut browser).await.refusal();
        assert_eq!(refused, (Reason::RefusedJustNow, ChallengeDocuments));
    }
    assert_eq!(replicas.refreshes(), 1);
    time::sleep(s(61)).await;
    for service in &replicas.all {
        let refused = service.fetch(&mut browser).await.refusal();
        assert_eq!(refused, (Reason::RefusedAgain, Challenge));
    }
    assert_eq!(replicas.refreshes(), 2);
}

/// Two refusals are a minute apart, whoever was given them: an incident at WorkOS that lasts less signs nobody out.
#[tokio::test(start_paused = true)]
async fn what_another_process_was_refused_within_the_minute_is_no_second_refusal() {
    let replicas = replicas();
    let browser = replicas.expired().await;
    let workos = &replicas.all[0].workos;
    let refusal = Reply::Instead(400, vec![], json!({"error": "invalid_grant"}).to_string());
    workos.usually(Endpoint::Authenticate, refusal);
    replicas.store.trouble(Some(Trouble::Hangs));
    let mut here = browser.clone();
    assert_eq!(replicas.all[0].get(&mut here).await.refusal().0, Reason::RefusedJustNow);
    time::sleep(s(20)).await;
    replicas.store.trouble(None);
    let there = replicas.all[1].get(&mut browser.clone()).await.refusal();
    assert_eq!(there.0, Reason::RefusedJustNow);
    workos.usually(Endpoint::Authenticate, Reply::Usual(ms(0)));
    time::sleep(s(41)).await;
    assert_eq!(replicas.store.published().len(), 1);
    replicas.all[0].get(&mut here).await.session();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_another_processs_exchange_may_have_caused_is_transient() {
    // One process exchanged the token, and is killed before it could tell.
    let replicas = replicas();
    let browser = replicas.expired().await;
    replicas.all[0].workos.rotate(Rotation::Strict);
    replicas.store.trouble(Some(Trouble::Forgets));
    replicas.all[0].open(&browser).await.unwrap();
    let mut after = browser.clone();
    let refused = replicas.all[1].get(&mut after).await.refusal();
    assert_eq!(refused, (Reason::Upstream, Unavailable));
    // It delays a refusal once: the store may be in wrong hands, and say so for ever (D5 of docs/cases.md).
    time::sleep(s(1)).await;
    assert_eq!(replicas.all[1].get(&mut after).await.refusal().0, Reason::RefusedJustNow);
    assert_eq!(after, browser, "kept");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_of_a_process_that_was_killed_is_made_again_within_the_replay() {
    let replicas = replicas();
    let mut browser = replicas.expired().await;
    replicas.store.trouble(Some(Trouble::Forgets));
    replicas.all[0].open(&browser).await.unwrap();
    time::sleep(s(8)).await;
    let asked = time::Instant::now();
    replicas.all[1].get(&mut browser).await.session();
    assert!(asked.elapsed() < s(2), "{:?}", asked.elapsed());
    assert_eq!(replicas.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_paused_takes_what_the_other_got() {
    let replicas = replicas();
    let mut browser = replicas.expired().await;
    let paused = browser.clone();
    replicas.all[0].workos.rotate(Rotation::Strict);
    // One process claims the exchange, and its request to WorkOS does not get anywhere for a while.
    for _ in 0..4 {
        replicas.all[0].workos.will(Endpoint::Authenticate, Reply::Hangs);
    }
    let refusal = replicas.all[0].open(&paused).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::TimedOut);
    time::sleep(s(7)).await;
    let session = replicas.all[1].get(&mut browser).await.session();
    assert_eq!(replicas.refreshes(), 5, "the claim is too old to wait for");
    // Then it gets through, and is refused: the token was spent by the other one. Whoever waits notices nothing.
    time::sleep(s(2)).await;
    let same = replicas.all[0].open(&paused).await.unwrap();
    assert_eq!(replicas.refreshes(), 6);
    assert_eq!(same.session().access_token().expose(), session.access_token().expose());
}

#[tokio::test(start_paused = true)]
async fn mr_02_a_store_in_trouble_is_done_without() {
    for trouble in [
        Trouble::Hangs,
        Trouble::Forgets,
        Trouble::Says(Bytes::new()),
        Trouble::Says(Bytes::from_static(b"\xff\xfe")),
        Trouble::Says(Bytes::from(vec![b'A'; 2 << 20])),
        Trouble::Says(Bytes::from_static(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        let replicas = replicas();
        let browser = replicas.expired().await;
        replicas.store.trouble(Some(trouble.clone()));
        for service in &replicas.all {
            let asked = time::Instant::now();
            service.fetch(&mut browser.clone()).await.session();
            assert!(asked.elapsed() < s(3), "{trouble:?}: {:?}", asked.elapsed());
        }
        assert_eq!(replicas.refreshes(), 2, "each for itself");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_published_a_minute_ago_is_no_answer_any_more() {
    for (after, exchanges) in [(59, 1), (62, 2)] {
        let replicas = replicas();
        let mut browser = replicas.expired().await;
        let mut straggler = browser.clone();
        replicas.all[0].get(&mut browser).await.session();
        let published = replicas.store.published().pop().unwrap();
        replicas.store.trouble(Some(Trouble::Says(published)));
        time::sleep(s(after)).await;
        replicas.all[1].get(&mut straggler).await;
        assert_eq!(replicas.refreshes(), exchanges, "{after} s later");
    }
}

/// Whoever could write to the store once could keep what a clock that was ahead has stamped.
#[tokio::test(start_paused = true)]
async fn an_outcome_from_the_future_is_as_old_as_it_is_early() {
    for (ahead, exchanges) in [(0, 0), (59, 0), (62, 1), (86_400, 1)] {
        let replicas = replicas();
        let service = &replicas.all[1];
        let mut browser = replicas.expired().await;
        let opened = service.authenticator.reader().read_opened(&browser.headers()).opened;
        let token = opened.unwrap().token().unwrap();
        let sealer = OwnerParts::new(|config| config).sealer;
        let store: Arc<dyn RefreshCoordinator> = Arc::new(replicas.store.clone());
        let log = Arc::new(EventLog::new(Clock::simulated(service.clock.wall() + s(ahead))));
        let answer = RefreshAnswer::parse(Bytes::from(service.workos.sign_in("user_a", json!({}))));
        SharedExchange::new(&store, &sealer, &log, token, None)
            .publish(&PublishedOutcome::Refreshed(Arc::new(answer.unwrap())))
            .await;
        service.get(&mut browser).await.session();
        assert_eq!(replicas.refreshes(), exchanges, "{ahead} s ahead");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_of_use_for_its_own_token_alone() {
    // Of another user, and of another session of the same one.
    for other in ["user_b", "user_a"] {
        let replicas = replicas();
        let mut victim = replicas.expired().await;
        let mut another = replicas.all[0].sign_in(other).await;
        time::sleep(s(310)).await;
        replicas.all[0].get(&mut another).await.session();
        let published = replicas.store.published().pop().unwrap();
        replicas.store.trouble(Some(Trouble::Says(published)));
        let session = replicas.all[1].get(&mut victim).await.session();
        assert_eq!((session.user_id(), session.session_id()), ("user_a", "session_0"));
        assert_eq!(replicas.refreshes(), 2, "its own exchange");
    }
}

/// Only who knows the password can publish an answer for a token. Still it is not believed of whom the token is.
#[tokio::test(start_paused = true)]
async fn an_answer_about_another_user_or_organization_is_not_taken_from_the_store() {
    for (user, organization) in [("user_b", "org_a"), ("user_a", "org_b")] {
        let replicas = replicas();
        let service = &replicas.all[0];
        let mut victim = service.sign_in_with("user_a", json!({ "org_id": "org_a" })).await;
        time::sleep(s(310)).await;
        let opened = service.authenticator.reader().read_opened(&victim.headers()).opened;
        let token = opened.unwrap().token().unwrap();
        let answer = service.workos.sign_in(user, json!({ "org_id": organization }));
        let sealer = OwnerParts::new(|config| config).sealer;
        let store: Arc<dyn RefreshCoordinator> = Arc::new(replicas.store.clone());
        let log = Arc::new(EventLog::new(service.clock.clone()));
        let exchange = SharedExchange::new(&store, &sealer, &log, token, Some("org_a"));
        assert!(matches!(exchange.claim().await, ClaimStatus::Alone));
        exchange
            .publish(&PublishedOutcome::Refreshed(Arc::new(
                RefreshAnswer::parse(Bytes::from(answer)).unwrap(),
            )))
            .await;

        let session = service.get(&mut victim).await.session();
        assert_eq!((session.user_id(), session.organization_id()), ("user_a", Some("org_a")));
        assert_eq!(replicas.refreshes(), 1, "its own exchange");
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_learns_nothing() {
    let replicas = replicas();
    let mut browser = replicas.expired().await;
    let session = replicas.all[0].get(&mut browser).await.session();
    assert_eq!(replicas.store.published().len(), 1);
    let contents = replicas.store.contents();
    for secret in [
        "refresh_",
        "user_a",
        "session_0",
        "example.com",
        "client_1",
        &session.access_token().expose()[..20],
    ] {
        assert!(!contents.contains(secret), "{secret} in {contents}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rolling_deploy_with_another_password_signs_nobody_out() {
    let old = || CookiePassword::new("the old password of 32 bytes or more").unwrap();
    let new = || CookiePassword::new("the new password of 32 bytes or more").unwrap();
    let replicas = Replicas::new(|process, mut config| {
        let (current, other) = if process == 0 { (old(), new()) } else { (new(), old()) };
        config.password = current;
        config.with_other_passwords([other])
    });
    let mut browser = replicas.expired().await;
    replicas.all[0].workos.rotate(Rotation::Strict);
    for round in 0..10 {
        let mut straggler = browser.clone();
        replicas.all[round % 2].get(&mut browser).await.session();
        replicas.all[(round + 1) % 2].get(&mut straggler).await.session();
        assert_eq!(replicas.refreshes(), round + 1);
        time::sleep(s(310)).await;
    }
}

/// A password that somebody else's format wants is not the current one any more.
#[tokio::test(start_paused = true)]
async fn a_cookie_whose_format_the_password_does_not_suit_is_written_in_another() {
    for (format, old) in [
        (
            crate::SealFormat::Rust,
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ),
        (crate::SealFormat::Python, "oatw2JzfvpD4OOBNGLE5n9dUStWXcGGQP81AnPADP6w="),
    ] {
        let old = || CookiePassword::new(old).unwrap();
        let new = || CookiePassword::new("the new password of 32 bytes or more").unwrap();
        let replicas = Replicas::new(|process, mut config| {
            if process == 0 {
                config.password = old();
                config.with_seal_format(format)
            } else {
                config.password = new();
                config.with_other_passwords([old()])
            }
        });
        let mut browser = replicas.expired().await;
        replicas.all[1].get(&mut browser).await.session();
        assert_eq!(replicas.refreshes(), 1, "{format}");
        replicas.all[1].get(&mut browser).await.session();
        let (reason, _) = replicas.all[0].get(&mut browser).await.refusal();
        assert_eq!(reason, Reason::UnreadableCookie, "{format}: sealed with the new password");
        assert_eq!(replicas.refreshes(), 1, "{format}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_organization_switch_is_not_taken_for_a_refresh() {
    let replicas = replicas();
    let service = &replicas.all[0];
    let mut browser = service.sign_in_with("user_a", json!({ "org_id": "org_a" })).await;
    service.workos.join("session_0", "org_b");
    let session = service.get(&mut browser).await.session();
    let headers = browser.headers();
    service.authenticator.switch_organization(&headers, &session, "org_b").await.unwrap();
    time::sleep(s(310)).await;
    // The other process, with the old cookie, is not in org_b.
    service.workos.rotate(Rotation::Strict);
    let (_, kind) = replicas.all[1].get(&mut browser).await.refusal();
    assert_eq!(kind, ChallengeDocuments);
    assert!(browser.is_signed_in());
}

/// The exchange of this token, as this process shares it with those of `store`.
fn shared(parts: &OwnerParts, store: &Together, token: &str) -> SharedExchange {
    let store: Arc<dyn RefreshCoordinator> = Arc::new(store.clone());
    let token = RefreshToken::new(token.to_owned()).hash();
    SharedExchange::new(&store, &parts.sealer, &parts.settings.log, token, None)
}

fn answer_of(parts: &OwnerParts, spaces: usize) -> PublishedOutcome {
    let answer = parts.workos.sign_in("user_a", json!({})) + &" ".repeat(spaces);
    PublishedOutcome::Refreshed(Arc::new(RefreshAnswer::parse(Bytes::from(answer)).unwrap()))
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_as_long_as_an_answer_of_workos_at_most() {
    const MOST: usize = 512 * 1024;

    let parts = OwnerParts::new(|config| config);
    let [store] = Together::of(&parts.clock);
    let exchange = shared(&parts, &store, "token");
    let mut spaces = 300_000;
    exchange.publish(&answer_of(&parts, spaces)).await;
    // Three bytes are four characters.
    spaces += MOST * 3 / 4 - store.published()[0].len() * 3 / 4;
    for (more, is_taken) in [(0, true), (1, false)] {
        let parts = OwnerParts::new(|config| config);
        let [store] = Together::of(&parts.clock);
        let exchange = shared(&parts, &store, "token");
        exchange.publish(&answer_of(&parts, spaces + more)).await;
        let length = store.published()[0].len();
        assert_eq!(length == MOST, is_taken, "{length}");
        let is_published = matches!(exchange.look().await, ClaimStatus::Published(..));
        assert_eq!(is_published, is_taken, "{length}");
    }
}

/// The pair of a session that was signed out meanwhile is nobody's.
#[tokio::test(start_paused = true)]
async fn what_ended_during_its_exchange_is_not_published() {
    let replicas = replicas();
    let service = &replicas.all[0];
    let browser = replicas.expired().await;
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(300)));
    let opening = tokio::spawn({
        let (service, browser) = (service.clone(), browser.clone());
        async move { service.open(&browser).await.map(drop) }
    });
    time::sleep(ms(100)).await;
    service.authenticator.sign_out(&browser.headers());
    assert_eq!(opening.await.unwrap().unwrap_err().reason(), Reason::SignedOut);
    assert!(service.authenticator.drain(s(5)).await);
    assert!(replicas.store.published().is_empty());
}

/// Its exchange is refused while the store comes to hold an answer about somebody else.
#[tokio::test(start_paused = true)]
async fn after_a_refusal_an_answer_about_another_user_is_not_taken_from_the_store() {
    let replicas = replicas();
    let service = &replicas.all[0];
    let victim = replicas.expired().await;
    let opened = service.authenticator.reader().read_opened(&victim.headers()).opened;
    let token = opened.unwrap().token().unwrap();
    let refusal = json!({ "error": "invalid_grant" }).to_string();
    service.workos.will(Endpoint::Authenticate, Reply::NotSent);
    service.workos.will(Endpoint::Authenticate, Reply::Instead(400, vec![], refusal));
    let opening = tokio::spawn({
        let (service, victim) = (service.clone(), victim.clone());
        async move { service.open(&victim).await.map(drop) }
    });
    time::sleep(ms(50)).await;
    let store: Arc<dyn RefreshCoordinator> = Arc::new(replicas.store.clone());
    let log = Arc::new(EventLog::new(service.clock.clone()));
    let sealer = OwnerParts::new(|config| config).sealer;
    let answer = RefreshAnswer::parse(Bytes::from(service.workos.sign_in("user_b", json!({}))));
    SharedExchange::new(&store, &sealer, &log, token, None)
        .publish(&PublishedOutcome::Refreshed(Arc::new(answer.unwrap())))
        .await;
    let refusal = opening.await.unwrap().unwrap_err();
    assert_eq!((refusal.reason(), refusal.kind()), (Reason::Upstream, Unavailable));
    assert_eq!(replicas.refreshes(), 2);
}
