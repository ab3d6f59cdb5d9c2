//! Writing a model of Bergamot.

use std::ops::Range;
use std::path::Path;

use wdistill_base::Problem;
use wdistill_model::tree::SlotInfo;
use wdistill_model::{
    AlignmentHead, Architecture, Config, Dense, Embeddings, FinalNorm, LinearPart, Model, NormPlacement, OutputBias,
    Shape, Slot, Table, Transformer, Vocabularies,
};
use wdistill_text::{BinaryShortlist, LexicalTable, SentencePieceModel, VocabularyPair};

use super::names::{Activations, Names, Sides};
use super::package::{self, Package};
use crate::error::FormatError;
use crate::files::items::{self, Content, Dialect, Item};
use crate::files::publish;
use crate::model_folder::ModelFolder;
use crate::toolkits::marian::{self, INTGEMM_OUTPUTS, INTGEMM_WIDTH};
use crate::toolkits::obstacles::Obstacles;
use crate::toolkits::options::{ActivationFactors, ExportOptions};
use crate::toolkits::padding::{enlarged, without_zero_start};

/// What the name of a factor of activations ends in.
const FACTOR: &str = marian::ACTIVATION_FACTOR;

/// Words from the start of the vocabulary that any sentence may have, as Firefox's shortlists have it: special tokens, and
/// what follows them.
const FIRST_WORDS: u32 = 50;

/// What stands in the way of writing a model, and what its user should know.
pub(super) fn obstacles(given: &ModelFolder, options: &ExportOptions) -> Obstacles {
    let shortened = without_zero_start(&given.model);
    let config = &shortened.as_ref().unwrap_or(&given.model).config;
    let mut obstacles = Obstacles::default();
    marian::check(config, &mut obstacles);
    let architecture = &config.architecture;
    obstacles.need(architecture.norm == NormPlacement::Post, || {
        Problem::with_hint(
            "its norms stand before the sub-layers, and Bergamot computes something else of such models",
            "a model with norm = \"post\" is translated as it is; CTranslate2 takes this one",
        )
    });
    obstacles.need(architecture.final_norm == FinalNorm::Absent, || {
        "its stacks end in a norm of their own, which no model of Bergamot has".to_string()
    });
    let width = architecture.encoder.width;
    obstacles.need(width.is_multiple_of(INTGEMM_WIDTH), || {
        format!("its width is {width}, which {INTGEMM_WIDTH} does not divide, as Bergamot's int8 products need it")
    });
    obstacles.need(config.languages.is_some(), || {
        Problem::with_hint(
            "nobody said from which language to which it translates, and its files are named after them",
            "name the languages with --languages",
        )
    });
    for (side, vocabulary) in
        [("source", &given.vocabularies.source), ("target", &given.vocabularies.target)]
    {
        if let Err(error) = vocabulary.to_sentence_piece() {
            let what = format!("there can be no .spm of the {side}");
            obstacles.problems.push(Problem::of(&error).at(what));
        }
    }
    check_factors(config, options, &mut obstacles);
    add_notes(config, options, &mut obstacles);
    obstacles
}

/// The engine ends without a word of ours where a product has no factor, if others have.
fn check_factors(config: &Config, options: &ExportOptions, obstacles: &mut Obstacles) {
    let Some(factors) = &options.activations else { return };
    let output = match config.architecture.embeddings {
        Embeddings::AllTied => Table::Source,
        Embeddings::DecoderTied => Table::Target,
        Embeddings::Separate => Table::Output,
    };
    let is_product = |slot: &Slot| match slot {
        Slot::Linear(_, part) => *part == LinearPart::Weight,
        Slot::Table(table) => *table == output,
        Slot::OutputBias | Slot::Norm(..) => false,
    };
    for SlotInfo { slot, .. } in Transformer::list(config) {
        obstacles.need(!is_product(&slot) || factors.contains_key(&slot), || {
            format!("there is no factor of activations for {slot}")
        });
    }
}

/// What its user should know.
fn add_notes(config: &Config, options: &ExportOptions, obstacles: &mut Obstacles) {
    let larger = larger(config, [0, 0]);
    let (architecture, words) = (&config.architecture, &config.vocabularies);
    let sizes = [
        (
            "encoder.feed_forward",
            architecture.encoder.feed_forward,
            larger.architecture.encoder.feed_forward,
        ),
        (
            "decoder.feed_forward",
            architecture.decoder.feed_forward,
            larger.architecture.decoder.feed_forward,
        ),
        ("target vocabulary", words.target, larger.vocabularies.target),
    ];
    for (name, size, larger) in sizes.into_iter().filter(|(_, size, larger)| size != larger) {
        obstacles.notes.push(
            format!("its {name} of {size} is filled up to {larger}, which changes no translation").into(),
        );
    }
    let last = architecture.decoder.layers - 1;
    if let Some(AlignmentHead { layer, head, .. }) = config.alignment
        && (layer, head) != (last, 0)
    {
        obstacles.notes.push(
            format!(
                "tags of HTML are placed by head 0 of decoder layer {last} there, and by head {head} of layer {layer} here"
            )
            .into(),
        );
    }
    if options.activations.is_none() {
        obstacles.notes.push(Problem::with_hint(
            "without factors of activations these are measured in every product, which takes longer",
            "--source FILE learns them",
        ));
    }
    if options.shortlist.is_none() {
        obstacles.notes.push(Problem::with_hint(
            "without a shortlist every step computes the logits of all words, which takes longer",
            "wdistill shortlist makes one, and --shortlist FILE takes it",
        ));
    }
}

/// The sizes that Bergamot's int8 products take: one number of hidden units for both stacks. There are rows of words for as
/// many pieces of source and target.
fn larger(config: &Config, [source, target]: [usize; 2]) -> Config {
    let Architecture { encoder, decoder, .. } = config.architecture;
    let hidden = encoder.feed_forward.max(decoder.feed_forward).next_multiple_of(INTGEMM_WIDTH);
    let with_hidden = |shape| Shape { feed_forward: hidden, ..shape };
    let (source, target) =
        (source.max(config.vocabularies.source), target.max(config.vocabularies.target));
    let (source, target) = match config.architecture.embeddings {
        Embeddings::AllTied => (source.max(target), source.max(target)),
        Embeddings::DecoderTied | Embeddings::Separate => (source, target),
    };
    let target = target.next_multiple_of(INTGEMM_OUTPUTS);
    let source = match config.architecture.embeddings {
        Embeddings::AllTied => target,
        Embeddings::DecoderTied | Embeddings::Separate => source,
    };
    Config {
        architecture: Architecture {
            encoder: with_hidden(encoder),
            decoder: with_hidden(decoder),
            output_bias: OutputBias::Present,
            ..config.architecture.clone()
        },
        vocabularies: Vocabularies { source, target, ..config.vocabularies },
        ..config.clone()
    }
}

/// Writes a folder of Firefox, with an archive of translateLocally in it.
///
/// # Errors
/// As [`export`](crate::export).
pub(super) fn write(
    given: &ModelFolder,
    options: &ExportOptions,
    folder: &Path,
) -> Result<(), FormatError> {
    let shortened = without_zero_start(&given.model);
    let model = shortened.as_ref().unwrap_or(&given.model);
    let languages = model.config.languages.as_ref().expect("no languages are an obstacle");
    let [source, target] = vocabularies(&given.vocabularies, &model.config)?;
    let pieces = [source.size(), target.size()];
    let (source, target) = (source.to_bytes(), target.to_bytes());
    let spelled = if source == target { vec![source] } else { vec![source, target] };
    let activations = match options.activations {
        Some(_) => Activations::Learnt,
        None => Activations::Measured,
    };
    let sides = if spelled.len() == 1 { Sides::Joint } else { Sides::Two };
    let names = Names::new(languages, activations, sides);
    let shortlist = options.shortlist.as_ref().map(|table| {
        shortlist(table, &given.vocabularies, &model.config.vocabularies, pieces[0]).to_bytes()
    });
    let unknown = given.vocabularies.source.unknown_id();
    let mut larger = enlarged(model, larger(&model.config, pieces));
    read_as_unknown(&mut larger, unknown, model.config.vocabularies.source..pieces[0]);
    let model = larger;
    let file = binary(&model, options.activations.as_ref());
    let package = Package { model: &model, languages, names: &names, activations };
    let mut files = vec![(names.model.clone(), file)];
    files.extend(shortlist.map(|bytes| (names.shortlist.clone(), bytes)));
    files.extend(names.vocabularies.iter().cloned().zip(spelled));
    let metadata = package.metadata(&files[0].1)?;
    files.extend(package.settings(&files));
    let archive = package.archive(&files)?;
    files.push((super::METADATA_FILE.to_string(), metadata));
    files.push(archive);
    publish(folder, files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect())
}

/// SentencePiece models of both sides whose numbers are the model's.
fn vocabularies(
    pair: &VocabularyPair,
    config: &Config,
) -> Result<[SentencePieceModel; 2], FormatError> {
    let source = package::numbered(&pair.source, config.vocabularies.source)?;
    let target = package::numbered(&pair.target, config.vocabularies.target)?;
    if config.architecture.embeddings != Embeddings::AllTied {
        return Ok([source, target]);
    }
    // One table has as many words for both sides.
    let most = source.size().max(target.size());
    Ok([package::filled_up(source, most)?, package::filled_up(target, most)?])
}

/// Gives some words the embedding of the unknown word.
fn read_as_unknown(model: &mut Model<Dense<f32>>, unknown: u32, words: Range<usize>) {
    let table = &mut model.weights.embeddings.source;
    let row = table.row(unknown as usize).to_vec();
    let columns = table.columns();
    for word in words {
        table.data_mut()[word * columns..(word + 1) * columns].copy_from_slice(&row);
    }
}

/// Every sentence has the end token, whose list thus holds the words for any sentence. There is a list for every piece of the
/// source, and no word that the model does not have: a padding word may have been its last.
fn shortlist(
    table: &LexicalTable,
    pair: &VocabularyPair,
    words: &Vocabularies,
    pieces: usize,
) -> BinaryShortlist {
    let mut of_source = table.translations(&pair.source, &pair.target);
    of_source.truncate(words.source);
    of_source.resize(pieces, Vec::new());
    let always = table.of_null().iter().map(|(word, _)| *word);
    of_source[pair.source.end_id() as usize].extend(always);
    if let Some(last) = of_source.last_mut() {
        // Marian refuses a file whose last word has none.
        last.push(pair.target.end_id());
    }
    for list in &mut of_source {
        list.retain(|word| (*word as usize) < words.target);
        list.sort_unstable();
        list.dedup();
    }
    let best = of_source.iter().map(Vec::len).max().unwrap_or(0) as u32;
    BinaryShortlist { first: FIRST_WORDS.min(words.target as u32), best, of_source }
}

/// All matrices of products and all tables of words in int8.
fn binary(model: &Model<Dense<f32>>, activations: Option<&ActivationFactors>) -> Vec<u8> {
    let mut items: Vec<Item> = marian::arrays(model)
        .map(|written| match items::is_table(&written.name) {
            true => Item {
                content: Content::Quantised(written.data),
                name: written.name,
                shape: written.shape,
            },
            false => marian::item(written),
        })
        .collect();
    let factor = |name: String, factor: f32| Item {
        name: name + FACTOR,
        shape: vec![1],
        content: Content::Float32(vec![factor]),
    };
    for (slot, number) in activations.into_iter().flatten() {
        let name = marian::place(*slot, &model.config.architecture).name;
        let name = if name == marian::OUTPUT { marian::OLD_OUTPUT.to_string() } else { name };
        if matches!(slot, Slot::Table(_)) {
            // Under this name programs with shortlists once looked for it.
            items.push(factor("none".to_string(), *number));
        }
        items.push(factor(name, *number));
    }
    let settings = Content::Text(marian::settings(&model.config));
    items.push(Item { name: marian::SETTINGS.to_string(), shape: Vec::new(), content: settings });
    items::write(items, Dialect::Browsermt)
}
