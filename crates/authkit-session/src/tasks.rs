use std::sync::Arc;

use crate::core::Core;

/// A task of ours that goes on when the request that started it is gone; counted, so that a shutdown can wait for it.
pub(crate) struct Task {
    core: Arc<Core>,
}

impl Task {
    pub(crate) fn begin(core: &Arc<Core>) -> Self {
        core.tasks.send_modify(|tasks| *tasks += 1);
        Self { core: Arc::clone(core) }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.core.tasks.send_modify(|tasks| *tasks -= 1);
    }
}
