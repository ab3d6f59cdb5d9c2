//! wdistill for Python. What Python sees is described in `python/wdistill/__init__.pyi`.

mod errors;
mod models;
mod scores;
#[cfg(feature = "train")]
mod training;
mod translator;
mod waiting;

use pyo3::prelude::*;

#[pymodule]
fn _wdistill(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("WdistillError", module.py().get_type::<errors::WdistillError>())?;
    module.add_class::<translator::Translator>()?;
    module.add_class::<translator::TranslationIterator>()?;
    module.add_class::<translator::Translation>()?;
    module.add_class::<translator::Alternative>()?;
    module.add_class::<translator::AlignedSentence>()?;
    module.add_class::<scores::ScoreResult>()?;
    module.add_function(wrap_pyfunction!(models::import_model, module)?)?;
    module.add_function(wrap_pyfunction!(models::export_model, module)?)?;
    module.add_function(wrap_pyfunction!(scores::score, module)?)?;
    module.add_function(wrap_pyfunction!(scores::sentence_scores, module)?)?;
    #[cfg(feature = "train")]
    module.add_function(wrap_pyfunction!(training::distill, module)?)?;
    Ok(())
}
