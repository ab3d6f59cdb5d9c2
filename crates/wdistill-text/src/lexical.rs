//! Which target words translate which source words, learnt from parallel text.

use crate::compressed::packed_by_name;
use wdistill_base::{FileError, Problem, atomic_write};

use crate::error::TextError;
use crate::lines::{TextLines, lines_of, read_lines};
use crate::vocabulary::Vocabulary;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// How the null word, which stands for words that translate nothing in particular, is spelled in files.
const NULL: &str = "NULL";

/// What words of a file stand apart by.
const BLANKS: [char; 2] = [' ', '\t'];

/// Pairs of words that are gathered before the repeated ones are thrown out.
const MOST_GATHERED: usize = 1 << 24;

/// Probabilities `t(target | source)` of word translations, as IBM model 1 has them (Brown et al. 1993).
#[derive(Clone, Debug, PartialEq)]
pub struct LexicalTable {
    null: Row,
    of_source: Vec<Row>,
}

/// Target words and the probability of each.
type Row = Vec<(u32, f64)>;

impl LexicalTable {
    /// Learns from sentence pairs, without end tokens, by expectation-maximisation: each target word comes from
    /// one of its sentence's source words or from the null word,
    ///
    /// ```text
    /// p(target | source) ∝ Π_j Σ_{i=0..n} t(target_j | source_i)
    /// ```
    ///
    /// from equal probabilities on. `source_words` is the size of the source vocabulary; `said` is told how
    /// many iterations are done. Memory is about 40 bytes for each two words that occur in a pair. The same
    /// pairs give the same bits on any number of threads.
    ///
    /// # Panics
    /// If a source word is outside of the vocabulary.
    pub fn learn(
        pairs: &[(Vec<u32>, Vec<u32>)],
        source_words: usize,
        iterations: usize,
        said: &mut dyn FnMut(usize),
    ) -> Self {
        // Row 0 is the null word's.
        let mut targets: Vec<Vec<u32>> = vec![Vec::new(); source_words + 1];
        for (row, target) in co_occurrences(pairs) {
            targets[row].push(target);
        }
        // Only ratios matter to the first iteration.
        let equal = |row: &Vec<u32>| vec![1.0; row.len()];
        let mut probabilities: Vec<Vec<f64>> = targets.iter().map(equal).collect();
        for iteration in 1..=iterations {
            probabilities = expected_shares(pairs, &targets, &probabilities);
            said(iteration);
        }
        let rows = targets.into_iter().zip(probabilities);
        let mut rows = rows.map(|(targets, shares)| targets.into_iter().zip(shares).collect());
        Self { null: rows.next().unwrap_or_default(), of_source: rows.collect() }
    }

    /// The best `of_each` words of each source word, those of at least `least` probability, and the best
    /// `of_null` of the null word; of equal ones those with the lower number.
    pub fn best(&self, of_each: usize, least: f64, of_null: usize) -> Self {
        let best = |row: &Row, count: usize, least: f64| {
            let mut row: Row = row.iter().copied().filter(|(_, share)| *share >= least).collect();
            row.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
            row.truncate(count);
            row
        };
        Self {
            null: best(&self.null, of_null, 0.0),
            of_source: self.of_source.iter().map(|row| best(row, of_each, least)).collect(),
        }
    }

    /// Words and probabilities of the null word.
    pub fn of_null(&self) -> &[(u32, f64)] {
        &self.null
    }

    /// Words and probabilities of each source word, by its number.
    pub fn of_source(&self) -> &[Vec<(u32, f64)>] {
        &self.of_source
    }

    /// The words that may translate each source word: those of its row, and the word itself where the target
    /// vocabulary has it, since names and numbers are copied.
    pub fn translations(&self, source: &Vocabulary, target: &Vocabulary) -> Vec<Vec<u32>> {
        let rows = source.tokens().iter().zip(&self.of_source);
        let translations = rows.map(|(word, row)| {
            row.iter().map(|(word, _)| *word).chain(target.text_id(word)).collect()
        });
        translations.collect()
    }

    /// Writes lines of `target source probability`; `NULL` is the null word. Marian reads such files too
    /// (`--shortlist`), but passes over the null word. Gives the words that such lines cannot hold, which are
    /// left out: source words spelled `NULL`, and words with blanks.
    ///
    /// # Errors
    /// [`TextError::File`].
    pub fn write<'v>(
        &self,
        path: &Path,
        source: &'v Vocabulary,
        target: &'v Vocabulary,
    ) -> Result<Vec<&'v str>, TextError> {
        let mut text = String::new();
        let mut left_out = Vec::new();
        let words = source.tokens().iter().map(|word| Some(word.as_str())).zip(&self.of_source);
        for (word, row) in std::iter::once((None, &self.null)).chain(words) {
            let spelled = word.unwrap_or(NULL);
            let is_good = word != Some(NULL) && !spelled.contains(BLANKS);
            for (id, share) in row {
                let translation = target.tokens()[*id as usize].as_str();
                match (is_good, translation.contains(BLANKS)) {
                    (false, _) => left_out.push(spelled),
                    (true, true) => left_out.push(translation),
                    (true, false) => {
                        writeln!(text, "{translation} {spelled} {share:.7}").expect("strings grow");
                    }
                }
            }
        }
        let bytes =
            packed_by_name(path, text.as_bytes()).map_err(FileError::when("compress", path))?;
        atomic_write(path, &bytes)?;
        left_out.sort_unstable();
        left_out.dedup();
        Ok(left_out)
    }

    /// Reads what [`Self::write`] wrote, for a model with these vocabularies.
    ///
    /// # Errors
    /// [`TextError::File`], [`TextError::InvalidUtf8`], [`TextError::LexicalTable`] with the first line that is
    /// no translation or has a word that is not in its vocabulary, or [`TextError::NoNullWord`].
    pub fn read(path: &Path, source: &Vocabulary, target: &Vocabulary) -> Result<Self, TextError> {
        Self::of_lines(read_lines(path)?, source, target)
    }

    /// Reads what [`Self::write`] wrote and has been opened; errors name `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_open(
        path: &Path,
        file: impl Read + Send,
        source: &Vocabulary,
        target: &Vocabulary,
    ) -> Result<Self, TextError> {
        Self::of_lines(lines_of(path, file)?, source, target)
    }

    fn of_lines(
        TextLines { path, lines, .. }: TextLines,
        source: &Vocabulary,
        target: &Vocabulary,
    ) -> Result<Self, TextError> {
        let mut table = Self { null: Vec::new(), of_source: vec![Vec::new(); source.size()] };
        for (line, text) in (1..).zip(&lines) {
            let (row, entry) = read_line(text, source, target)
                .map_err(|problem| TextError::LexicalTable { path: path.clone(), line, problem })?;
            match row {
                None => table.null.push(entry),
                Some(word) => table.of_source[word as usize].push(entry),
            }
        }
        match table.null.is_empty() {
            true => Err(TextError::NoNullWord { path }),
            false => Ok(table),
        }
    }
}

/// A source word, if it is not the null word, and its translation with its probability.
fn read_line(
    line: &str,
    source: &Vocabulary,
    target: &Vocabulary,
) -> Result<(Option<u32>, (u32, f64)), Problem> {
    let words: Vec<&str> = line.split(BLANKS).collect();
    let &[target_word, source_word, share] = &words[..] else {
        return Err(format!("{line:?}, expected TARGET SOURCE PROBABILITY").into());
    };
    let known = |vocabulary: &Vocabulary, word: &str, side| {
        let unknown = || {
            Problem::with_hint(
                format!("{word:?} is not in the {side} vocabulary"),
                "the file must be made with this model's vocabularies",
            )
        };
        vocabulary.id(word).ok_or_else(unknown)
    };
    let row = match source_word {
        NULL => None,
        word => Some(known(source, word, "source")?),
    };
    let probability = share.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    let probability: f64 = probability
        .ok_or_else(|| format!("probability {share:?}, expected a number from 0 to 1"))?;
    Ok((row, (known(target, target_word, "target")?, probability)))
}

/// All rows and target words that occur in one pair, rising, each once.
fn co_occurrences(pairs: &[(Vec<u32>, Vec<u32>)]) -> impl Iterator<Item = (usize, u32)> {
    let mut gathered: Vec<(u32, u32)> = Vec::new();
    let mut limit = MOST_GATHERED;
    for (source, target) in pairs {
        for row in rows(source) {
            gathered.extend(target.iter().map(|target| (row as u32, *target)));
        }
        if gathered.len() >= limit {
            gathered.sort_unstable();
            gathered.dedup();
            limit = 2 * gathered.len().max(MOST_GATHERED / 2);
        }
    }
    gathered.sort_unstable();
    gathered.dedup();
    gathered.into_iter().map(|(row, target)| (row as usize, target))
}

/// The rows of the null word and of a source's words.
fn rows(source: &[u32]) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(source.iter().map(|word| *word as usize + 1))
}

/// How often each row is expected to give each of its targets, as shares of all that the row gives.
fn expected_shares(
    pairs: &[(Vec<u32>, Vec<u32>)],
    targets: &[Vec<u32>],
    probabilities: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    // Two halves, whatever the number of threads, so that sums have one order.
    let (first, second) = pairs.split_at(pairs.len() / 2);
    let (mut counts, others) = wdistill_base::parallel::join(
        || expected_counts(first, targets, probabilities),
        || expected_counts(second, targets, probabilities),
    );
    for (row, others) in counts.iter_mut().zip(&others) {
        row.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        let total: f64 = row.iter().sum();
        if total > 0.0 {
            row.iter_mut().for_each(|count| *count /= total);
        }
    }
    counts
}

fn expected_counts(
    pairs: &[(Vec<u32>, Vec<u32>)],
    targets: &[Vec<u32>],
    probabilities: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let mut counts: Vec<Vec<f64>> = targets.iter().map(|row| vec![0.0; row.len()]).collect();
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (source, target) in pairs {
        for word in target {
            places.clear();
            for row in rows(source) {
                let place = targets[row].binary_search(word).expect("the pair was gathered");
                places.push((row, place));
            }
            let total: f64 = places.iter().map(|&(row, place)| probabilities[row][place]).sum();
            if total > 0.0 {
                for &(row, place) in &places {
                    counts[row][place] += probabilities[row][place] / total;
                }
            }
        }
    }
    counts
}
