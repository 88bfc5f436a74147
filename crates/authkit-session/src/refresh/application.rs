use std::{sync::Arc, time::Duration};

use crate::{
    candidate::{cookies::Seen, verify::verify},
    core::Core,
    decide::Verdict,
    payload::Payload,
    refresh::{
        examine,
        exchange::Flight,
        hook::{RefreshHook, RefreshedSession, Ruling},
    },
    refresh_state::Pair,
    session::VerifiedSession,
};

impl Flight {
    /// What the application says of a new session. It is asked later about one that cannot be verified yet, which
    /// nobody lets in before.
    pub(super) async fn ask_application(
        &self,
        core: &Arc<Core>,
        hook: &RefreshHook,
        pair: &Pair,
    ) -> Ruling {
        let session_id = pair.session_id.as_deref().unwrap_or_default();
        let remember = |ruling| {
            let now = core.settings.clock().monotonic();
            core.hooks.remember(session_id, pair.id.made, ruling, now);
        };
        let renewed = examine(core, pair, Duration::ZERO, Seen::default()).await;
        match (renewed.verdict, renewed.session) {
            (Verdict::Good | Verdict::Expiring, Some(session)) => {
                let previous = self.previous(core);
                let ruling = hook.ask(RefreshedSession { session, previous }).await;
                remember(ruling);
                ruling
            }
            (_, _) => {
                remember(Ruling::Undecided);
                Ruling::Keep
            }
        }
    }

    fn previous(&self, core: &Core) -> Option<Arc<VerifiedSession>> {
        let mut payload = Payload::parse(&self.plaintext).ok()?;
        let (keys, now) = (core.jwks.current(), core.settings.clock().unix());
        let (_, session) = verify(&mut payload, keys.as_deref(), &core.settings.rules, now);
        session.map(Arc::new)
    }
}
