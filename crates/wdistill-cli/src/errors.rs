//! How errors are printed.

use std::error::Error;
use std::io;

use wdistill_base::{ContentError, FileError, Hinted, Problem};
use wdistill_formats::FormatError;
use wdistill_generator::GrowError;
use wdistill_metrics::MetricsError;
use wdistill_model::ConfigError;
use wdistill_pipeline::PipelineError;
use wdistill_runtime::{TokenError, TooWide, TranslateError, TranslatorError};
use wdistill_search::SearchError;
use wdistill_text::TextError;
use wdistill_train::TrainError;

/// An error with all that led to it, and the hint of the outermost of these that has one.
pub fn as_problem(error: &anyhow::Error) -> Problem {
    Problem { fact: format!("error: {error:#}"), hint: error.chain().find_map(hint) }
}

/// The hint of an error of any kind that may have one.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    fn of<E: Error + Hinted + 'static>(error: &(dyn Error + 'static)) -> Option<String> {
        error.downcast_ref::<E>().and_then(E::hint)
    }
    let kinds = [
        of::<Problem>,
        of::<PipelineError>,
        of::<TrainError>,
        of::<TranslateError>,
        of::<TranslatorError>,
        of::<TokenError>,
        of::<TooWide>,
        of::<SearchError>,
        of::<FormatError>,
        of::<TextError>,
        of::<ConfigError>,
        of::<GrowError>,
        of::<MetricsError>,
        #[cfg(feature = "serve")]
        of::<wdistill_serve::CatalogueError>,
        #[cfg(feature = "serve")]
        of::<wdistill_serve::ServeError>,
        #[cfg(feature = "serve")]
        of::<wdistill_serve::ModelError>,
        of::<ContentError>,
        of::<FileError>,
        of::<io::Error>,
    ];
    kinds.iter().find_map(|hint| hint(error))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_hint_of_an_error_inside_another_is_found() {
        let inner = io::Error::other(Problem::with_hint("it is cut short", "make it anew"));
        let error = Err::<(), _>(inner).context("cannot read a.gz").unwrap_err();
        let expected =
            Problem::with_hint("error: cannot read a.gz: it is cut short", "make it anew");
        assert_eq!(as_problem(&error), expected);
        let error = anyhow::Error::from(PipelineError::from(FileError {
            action: "read",
            path: "a.gz".into(),
            error: io::Error::other(Problem::with_hint("it is cut short", "make it anew")),
        }));
        assert_eq!(as_problem(&error), expected);
        let error = anyhow::anyhow!("it is too late");
        assert_eq!(as_problem(&error), Problem::from("error: it is too late"));
    }
}
