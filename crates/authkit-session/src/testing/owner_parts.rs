use std::sync::Arc;

use crate::{
    Clock, Config, CookiePassword, Revocations,
    candidate::{jwks::Jwks, reader::SessionReader},
    config::settings::{self, Checked, Settings},
    end::{SessionEnder, cut_offs::CutOffs, notice::RevocationPublisher},
    refresh::{Refresher, RefresherParts},
    refresh_state::RefreshState,
    seal::Sealer,
    tasks::Tasks,
    testing::{Workos, clock},
    upstream::client::Client,
};

/// What the owners are made of, each to be tested without an [`Authenticator`](crate::Authenticator).
pub(crate) struct OwnerParts {
    pub(crate) workos: Arc<Workos>,
    pub(crate) clock: Clock,
    pub(crate) settings: Arc<Settings>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) client: Client,
    pub(crate) state: Arc<RefreshState>,
    pub(crate) reader: Arc<SessionReader>,
    pub(crate) tasks: Tasks,
    checked: Rest,
}

/// What one owner alone takes.
struct Rest {
    coordinator: Arc<dyn crate::RefreshCoordinator>,
    hooks: crate::refresh::hook::RefreshHooks,
    revocations: Option<Arc<dyn Revocations>>,
}

impl OwnerParts {
    pub(crate) fn new(set: impl FnOnce(Config) -> Config) -> Self {
        let clock = clock();
        let workos = Workos::new(clock.clone());
        let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
        let redirect_uri = "https://app.example.com/callback";
        let config = Config::new("client_1", "sk_test_1", redirect_uri, password)
            .with_clock(clock.clone())
            .with_transport(workos.clone());
        let Checked {
            settings,
            client,
            ring,
            cache,
            revocations,
            hooks,
            coordinator,
            stale_keys,
            credential_memory: _,
        } = settings::check(set(config)).unwrap();
        let settings = Arc::new(settings);
        let sealer = Arc::new(Sealer::new(Arc::clone(&settings), ring));
        let keys = Jwks::new(client.clone(), clock.clone(), stale_keys);
        let reader = SessionReader::new(Arc::clone(&settings), Arc::clone(&sealer), keys, cache);
        Self {
            workos,
            clock,
            settings,
            sealer,
            client,
            state: Arc::new(RefreshState::new()),
            reader: Arc::new(reader),
            tasks: Tasks::new(),
            checked: Rest { coordinator, hooks, revocations },
        }
    }

    /// The cookie value of a session that WorkOS begins now, sealed in the configured format.
    pub(crate) fn sealed_session(&self, user: &str) -> String {
        let answer = self.workos.sign_in(user, serde_json::json!({}));
        let ring = self.sealer.ring();
        self.sealer.seal(answer.as_bytes(), &ring.target(None)).unwrap()
    }

    pub(crate) fn publisher(&self) -> Arc<RevocationPublisher> {
        RevocationPublisher::subscribed(
            Arc::clone(&self.settings),
            Arc::clone(&self.sealer),
            Arc::new(CutOffs::new()),
            self.checked.revocations.clone(),
        )
    }

    pub(crate) fn ender(&self) -> Arc<SessionEnder> {
        self.ender_with(self.publisher())
    }

    /// An owner that publishes through `publisher`, and hears what it is told.
    pub(crate) fn ender_with(&self, publisher: Arc<RevocationPublisher>) -> Arc<SessionEnder> {
        Arc::new(SessionEnder::new(
            Arc::clone(&self.settings),
            Arc::clone(&self.state),
            publisher,
            self.client.clone(),
            self.tasks.clone(),
        ))
    }

    pub(crate) fn refresher(self) -> Arc<Refresher> {
        Arc::new(Refresher::new(RefresherParts {
            settings: Arc::clone(&self.settings),
            state: Arc::clone(&self.state),
            client: self.client.clone(),
            coordinator: self.checked.coordinator.clone(),
            ender: self.ender(),
            hooks: self.checked.hooks,
            sealer: self.sealer,
            reader: self.reader,
            tasks: self.tasks,
        }))
    }
}
