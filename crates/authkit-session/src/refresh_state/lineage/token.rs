use std::time::Duration;

use crate::refresh_state::{
    lineage::{index::LineageId, refused::RememberedRefusal},
    presence::PresenceMark,
};

/// A refresh token of a lineage.
#[derive(Clone, Debug)]
pub(super) struct Token<J> {
    pub(super) lineage: LineageId,
    pub(super) exchange: Option<J>,
    pub(super) refusal: Option<RememberedRefusal>,
    /// When another process's exchange delayed a refusal of it.
    pub(super) contested: Option<Duration>,
    /// When the token can be removed even if its lineage stays: its successor was sent long before.
    pub(super) forget_at: Option<Duration>,
    /// Absent if requests with the token skip the table.
    pub(super) mark: Option<PresenceMark>,
}

impl<J> Token<J> {
    pub(super) fn of(lineage: LineageId, mark: PresenceMark) -> Self {
        Self {
            lineage,
            exchange: None,
            refusal: None,
            contested: None,
            forget_at: None,
            mark: Some(mark),
        }
    }
}
