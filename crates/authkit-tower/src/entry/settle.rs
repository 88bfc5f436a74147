//! Carries out what was decided about a request: whom it comes from goes into its extensions, or it is answered.

use std::sync::Arc;

use authkit_session::{Admission, Refusal, VerifiedToken};
use http::{HeaderMap, Request};

use crate::{
    bearer::{Bearer, Outcome},
    denial::{Caller, Cause},
    entry::{Outgoing, Settled},
    found::{Absence, Found},
    gate::{Gate, Presence},
    head::{self, Caching},
    session::Session,
    slot::{Cookies, Slot},
};

impl Gate {
    /// Carries out what was decided, at once or after waiting.
    pub(crate) fn settle<B>(
        self: &Arc<Self>,
        outcome: Outcome,
        request: &mut Request<B>,
    ) -> Settled {
        match outcome {
            Outcome::Session(outcome) => self.settle_session(outcome, request),
            Outcome::Bearer(outcome) => self.settle_bearer(outcome, request),
        }
    }

    fn settle_bearer<B>(
        self: &Arc<Self>,
        outcome: Result<Arc<VerifiedToken>, Refusal>,
        request: &mut Request<B>,
    ) -> Settled {
        match outcome {
            Ok(token) => {
                let slot = Slot::new(Arc::clone(self), Cookies::NoneForBearer, request.headers());
                let bearer = Bearer::new(token, Arc::clone(&slot));
                Found::replace(request.extensions_mut(), bearer);
                Ok(Outgoing(Some(slot)))
            }
            Err(refusal) => {
                let caller = Caller::of(request);
                let cause = Cause::of(&refusal, caller.client);
                match self.presence {
                    Presence::Required => Err(self.deny(&cause, caller)),
                    Presence::Optional => {
                        let slot = Slot::new(Arc::clone(self), Cookies::None, request.headers());
                        let absence = Absence::new(cause, Arc::clone(&slot));
                        Found::replace(request.extensions_mut(), absence);
                        Ok(Outgoing(Some(slot)))
                    }
                }
            }
        }
    }

    /// Cookies are left to a layer outside, if there is one.
    fn settle_session<B>(
        self: &Arc<Self>,
        outcome: Result<Admission, Refusal>,
        request: &mut Request<B>,
    ) -> Settled {
        let outer = Found::by(request.extensions()).slot().cloned();
        match outcome {
            Ok(admission) => {
                let session = Arc::clone(admission.session());
                let (slot, outgoing) = self.slot(outer, Cookies::Of(admission), request.headers());
                Found::replace(request.extensions_mut(), Session::new(session, slot));
                Ok(outgoing)
            }
            Err(refusal) => {
                let caller = Caller::of(request);
                let (cause, asker) = (Cause::of(&refusal, caller.client), caller.asker());
                match self.presence {
                    Presence::Required => {
                        let mut response = self.deny(&cause, caller);
                        if outer.is_none() {
                            let cookies = refusal.head_cookies(asker);
                            let name = &self.authkit().site().cookie_name;
                            let varies = self.varies();
                            head::write(
                                response.headers_mut(),
                                cookies,
                                name,
                                Caching::Private,
                                varies,
                            );
                        }
                        Err(response)
                    }
                    Presence::Optional => {
                        let (slot, outgoing) = self.slot(
                            outer,
                            Cookies::Without { refusal, asker },
                            request.headers(),
                        );
                        Found::replace(request.extensions_mut(), Absence::new(cause, slot));
                        Ok(outgoing)
                    }
                }
            }
        }
    }

    /// The slot of the layer outside, told of a newer session; or one of our own, whose cookies we write.
    fn slot(
        self: &Arc<Self>,
        outer: Option<Arc<Slot>>,
        cookies: Cookies,
        request: &HeaderMap,
    ) -> (Arc<Slot>, Outgoing) {
        match outer {
            Some(outer) => {
                outer.renew(cookies);
                (outer, Outgoing(None))
            }
            None => {
                let slot = Slot::new(Arc::clone(self), cookies, request);
                (Arc::clone(&slot), Outgoing(Some(slot)))
            }
        }
    }
}
