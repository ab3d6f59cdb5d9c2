//! Commands that several programs carry out together.

use std::sync::Arc;

use wdistill_train::Ranks;

use crate::settings::Common;

/// Carries out a command: this program alone.
#[cfg(not(feature = "mpi"))]
pub fn together(
    _: &Common,
    lead: impl FnOnce(Arc<dyn Ranks>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    lead(Arc::new(wdistill_train::Alone))
}

/// Carries out a command: this program alone, or as one of those that `mpirun` or `srun` has started. The first of them
/// leads, the others do what it says, and it alone speaks.
#[cfg(feature = "mpi")]
pub fn together(
    common: &Common,
    lead: impl FnOnce(Arc<dyn Ranks>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    use wdistill_train::{Mpi, dismiss, introduce};

    let (_session, ranks) = Mpi::start().map_err(anyhow::Error::msg)?;
    let ranks: Arc<dyn Ranks> = Arc::new(ranks);
    let version = format!(
        "{} {}",
        env!("CARGO_PKG_VERSION"),
        option_env!("WDISTILL_COMMIT").unwrap_or("of no known commit")
    );
    let introduced = introduce(&*ranks, &version);
    if ranks.rank() > 0 {
        #[cfg(unix)]
        crate::signals::leave_to_another();
        // The first one says what is wrong.
        return match introduced {
            Ok(()) => common.install(|| Ok(wdistill_pipeline::follow(&*ranks, common.threads())?)),
            Err(_) => Ok(()),
        };
    }
    introduced?;
    let result = lead(ranks.clone());
    dismiss(&*ranks);
    result
}
