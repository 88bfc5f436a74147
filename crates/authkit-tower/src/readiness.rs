//! Readiness of an inner service that is not going to be called.

use std::mem;

/// Replaces `service` by a clone that is not ready, and drops the ready one.
///
/// Readiness can be a permit or a buffer slot that other requests wait for (`tower::limit`, `tower::buffer`). A service
/// that answers by itself, or waits for WorkOS, must not keep it.
pub(crate) fn give_back<S: Clone>(service: &mut S) {
    let unready = service.clone();
    drop(mem::replace(service, unready));
}
