//! What the programs behind the first one do in a run.

use wdistill_train::Ranks;

use crate::error::PipelineError;
use crate::translating::Assistant;

/// Does what the first of the ranks says until its run is over.
///
/// # Errors
/// [`PipelineError::Train`] if the first one has gone.
pub fn follow(ranks: &dyn Ranks, threads: usize) -> Result<(), PipelineError> {
    let mut assistant = Assistant::new(threads);
    Ok(wdistill_train::follow(ranks, threads, &mut |question| assistant.answer(question))?)
}
