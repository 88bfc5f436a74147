//! The browsers: one for each session.

use std::time::Duration;

use crate::{
    candidate::verify::refresh_window,
    decide::reason::RefusalKind,
    simulation::{
        Simulation,
        random::Random,
        replica::{Answer, AnswerKind},
        workos::Minted,
    },
};

/// All browsers, and their answers.
pub(super) struct Browsers {
    simulation: Simulation,
    browsers: Vec<Browser>,
    random: Random,
    pub(super) answers: AnswerCounts,
}

/// The pair in a browser's cookie.
struct Browser {
    cookie: Minted,
    is_signed_out: bool,
}

/// The numbers of answers that browsers got.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct AnswerCounts {
    pub(super) requests: u64,
    pub(super) unavailable: u64,
    pub(super) cut_off: u64,
    pub(super) signed_out: u64,
}

impl Browsers {
    /// Users who signed in at any time within the last lifetime of a token.
    pub(super) fn new(simulation: Simulation) -> Self {
        let mut random = Random::new();
        let lifetime = simulation.lifetime.as_secs();
        let browsers = (0..simulation.sessions)
            .map(|_| {
                let at = u32::try_from(random.below(lifetime)).unwrap();
                Browser { cookie: Minted { number: 0, at }, is_signed_out: false }
            })
            .collect();
        Self { simulation, browsers, random, answers: AnswerCounts::default() }
    }

    pub(super) fn cookies(&self) -> impl Iterator<Item = Minted> {
        self.browsers.iter().map(|browser| browser.cookie)
    }

    /// The cookie that a browser sends, unless its user was redirected to sign in.
    pub(super) fn cookie(&self, session: u32) -> Option<Minted> {
        let browser = &self.browsers[session as usize];
        (!browser.is_signed_out).then_some(browser.cookie)
    }

    /// A random number below this one.
    pub(super) fn pick(&mut self, of: u64) -> u64 {
        self.random.below(of)
    }

    /// When a browser sends its next requests that matter: requests before the session is due for a refresh change nothing.
    pub(super) fn asks_next(&mut self, session: u32, now: Duration) -> Duration {
        let lifetime = self.simulation.lifetime.as_secs();
        let made = u64::from(self.browsers[session as usize].cookie.at);
        // Wall-clock time at the start of the simulation is the lifetime of a token.
        let due = Duration::from_secs(made.saturating_sub(refresh_window(lifetime)));
        let pause = self.random.about(BETWEEN);
        now.max(due) + pause
    }

    pub(super) fn answered(&mut self, answers: impl IntoIterator<Item = Answer>) {
        for answer in answers {
            let browser = &mut self.browsers[answer.session as usize];
            self.answers.requests += 1;
            if let Some(cookie) = answer.cookie {
                browser.cookie = cookie;
            }
            match answer.kind {
                AnswerKind::Admitted => {}
                AnswerKind::CutOff => self.answers.cut_off += 1,
                AnswerKind::Refused(reason) => match reason.kind() {
                    RefusalKind::Unavailable => self.answers.unavailable += 1,
                    RefusalKind::Challenge | RefusalKind::ChallengeDocuments => {
                        self.answers.signed_out += u64::from(!browser.is_signed_out);
                        browser.is_signed_out = true;
                    }
                },
            }
        }
    }
}

/// The time between a browser's requests, on average.
const BETWEEN: Duration = Duration::from_secs(30);
