//! The list of toolkits: what each says of itself, and that none is forgotten elsewhere.

use std::collections::HashSet;
use std::path::Path;

use wdistill_formats::{Format, Numbers, TOOLKITS, toolkit};
use wdistill_model::{
    Architecture, Config, Embeddings, FinalNorm, OutputBias, Transformer, Vocabularies,
};

#[test]
fn every_toolkit_is_found_by_its_key() {
    let keys: HashSet<&str> = TOOLKITS.iter().map(|toolkit| toolkit.key()).collect();
    assert_eq!(keys.len(), TOOLKITS.len());
    for known in TOOLKITS.iter().copied() {
        assert!(toolkit(known.key()) == Some(known), "{}", known.key());
        let writes = !known.numbers().is_empty();
        assert_eq!(known.takes().is_empty(), !writes, "{}", known.name());
        // Bergamot has nothing but int8.
        let first = if known.key() == "bergamot" { Numbers::Int8 } else { Numbers::Float32 };
        assert!(!writes || known.numbers()[0] == first, "{}", known.name());
    }
    assert!(toolkit("opennmt").is_none());
}

/// Slots that share an array are parts of it; no two others have one place.
#[test]
fn no_two_slots_lie_in_one_place() {
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    architecture.final_norm = FinalNorm::Present;
    architecture.embeddings = Embeddings::Separate;
    architecture.output_bias = OutputBias::Present;
    let config = Config::new(architecture.clone(), Vocabularies::shared(20)).unwrap();
    for toolkit in TOOLKITS {
        let mut places = HashSet::new();
        for slot in Transformer::list(&config) {
            let place = toolkit.place(slot.slot, &architecture);
            let new = places.insert((place.name.clone(), place.part));
            assert!(new, "{}: {} in {place:?}", toolkit.name(), slot.slot);
        }
    }
}

#[test]
fn every_toolkit_has_fuzz_targets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let targets: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for toolkit in TOOLKITS {
        let start = format!("{}_", toolkit.key());
        assert!(targets.iter().any(|target| target.starts_with(&start)), "no {start}*");
    }
}

#[test]
fn a_folder_without_a_model_names_what_would_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = Format::detect(folder.path()).unwrap_err().to_string();
    for toolkit in TOOLKITS {
        let expected = format!("{} ({})", toolkit.known_by(), toolkit.name());
        assert!(error.contains(&expected), "{error}");
    }
}
