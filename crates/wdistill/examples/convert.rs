//! Reads a model of any toolkit and writes it for CTranslate2 with int8 weights.
//!
//!     cargo run --release -p wdistill --example convert -- MODEL FOLDER

#![allow(clippy::print_stdout)] // An example shows what it finds.

use wdistill::{Format, ImportOptions, ModelFolder, Numbers, export, import, toolkits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder] = &arguments[..] else { return Err("expected MODEL FOLDER".into()) };
    let (model, folder) = (model.as_ref(), folder.as_ref());
    let model = match Format::detect(model)? {
        Format::Wdistill => ModelFolder::load(model)?,
        _ => {
            let imported = import(model, &ImportOptions::default())?;
            imported.notes.iter().for_each(|note| println!("{}: {note}", imported.format.name()));
            imported.folder
        }
    };
    let notes = export(&model, toolkits::CTRANSLATE2, &Numbers::Int8.into(), folder)?;
    notes.iter().for_each(|note| println!("CTranslate2: {note}"));
    Ok(())
}
