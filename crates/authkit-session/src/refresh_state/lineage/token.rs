use std::time::Duration;

use crate::refresh_state::{
    lineage::{index::LineageId, refused::RememberedRefusal},
    lookup_filter::LookupMark,
};

/// A refresh token of a lineage.
#[derive(Clone, Debug)]
pub(super) struct Token<J> {
    pub(super) lineage: LineageId,
    pub(super) exchange: Option<J>,
    pub(super) refusal: Option<RememberedRefusal>,
    /// When a refusal of it was delayed because another process was exchanging it, too.
    pub(super) refusal_delayed_at: Option<Duration>,
    /// When the token can be removed even if its lineage stays: its successor was sent long before.
    pub(super) forget_at: Option<Duration>,
    /// Absent if requests with the token skip the table.
    pub(super) mark: Option<LookupMark>,
}

impl<J> Token<J> {
    pub(super) fn of(lineage: LineageId, mark: LookupMark) -> Self {
        Self {
            lineage,
            exchange: None,
            refusal: None,
            refusal_delayed_at: None,
            forget_at: None,
            mark: Some(mark),
        }
    }
}
