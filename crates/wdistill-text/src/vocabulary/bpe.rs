//! Learning BPE (Sennrich et al. 2016). The library `tokenizers` does it, with the feature `learn`.

use wdistill_base::Problem;

/// Pieces by number and merges by rank.
pub(super) type Learnt = (Vec<String>, Vec<(String, String)>);

/// A merge seen less often than this would only memorise one word.
#[cfg(feature = "learn")]
const MINIMUM_PAIR_COUNT: u64 = 2;

/// Learns up to `size` pieces, the characters of `alphabet` among them, from words with their counts.
///
/// # Errors
/// What the library says.
#[cfg(feature = "learn")]
pub(super) fn learn(
    words: Vec<(String, u32)>,
    alphabet: std::collections::HashSet<char>,
    size: usize,
) -> Result<Learnt, Problem> {
    use tokenizers::models::bpe::{BPE, BpeTrainer};
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .min_frequency(MINIMUM_PAIR_COUNT)
        .vocab_size(size)
        .initial_alphabet(alphabet)
        // The trainer's limit is the first length that is too long.
        .max_token_length(Some(super::train::LONGEST_PIECE + 1))
        .build();
    let words = words.into_iter().map(|(word, count)| (word.into(), u64::from(count))).collect();
    let mut model = BPE::default();
    // The trainer has no setting for its number of threads that is not global.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| error.to_string())?;
    pool.install(|| trainer.do_train(&words, &mut model)).map_err(|error| error.to_string())?;
    let mut numbered: Vec<(String, u32)> = model.get_vocab().into_iter().collect();
    numbered.sort_unstable_by_key(|&(_, number)| number);
    // The model shows its merges only in its serialised form.
    let mut value = serde_json::to_value(model).map_err(|error| error.to_string())?;
    let merges = serde_json::from_value(value["merges"].take());
    let pieces = numbered.into_iter().map(|(piece, _)| piece).collect();
    Ok((pieces, merges.map_err(|error| error.to_string())?))
}

/// Without the library.
///
/// # Errors
/// Always.
#[cfg(not(feature = "learn"))]
pub(super) fn learn(
    _: Vec<(String, u32)>,
    _: std::collections::HashSet<char>,
    _: usize,
) -> Result<Learnt, Problem> {
    Err(Problem::with_hint(
        "this build cannot learn BPE",
        "build it with the feature `learn` of wdistill-text",
    ))
}
