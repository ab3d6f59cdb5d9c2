//! How long the sentences of a plan's texts are.

use wdistill_base::Random;
use wdistill_corpus::files_of;
use wdistill_formats::{load_vocabularies, native};
use wdistill_model::Vocabularies;
use wdistill_text::{
    EncodedCorpus, LineReader, PairLength, SpecialTokens, VocabularyPair, sorted_batches,
};

use crate::data::{HeldOut, conventions};
use crate::error::PipelineError;
use crate::plan::{Plan, VocabularyOrigin};
use crate::settings::SourceRecipe;

/// Pairs of a text whose tokens are counted, drawn by chance.
const SAMPLE: usize = 2000;

/// Tokens of a word between blanks, where the subwords are still to be learned: 1.30 and 1.33 for English and German captions
/// with 8,000 subwords, whose punctuation stands at the words.
const TOKENS_OF_A_WORD: f64 = 1.3;

/// Bytes of a token at most, for scripts without blanks.
const BYTES_OF_A_TOKEN: f64 = 6.0;

/// An encoded pair has a number of this size for each of its tokens but the ends, and two for its lengths.
const BYTES_OF_AN_ID: f64 = 4.0;

/// Batches that there are at least among made-up sentences.
const BATCHES: usize = 8;

/// The lengths of a text.
pub struct Lengths {
    /// Pairs of the text, as far as the limits keep them.
    pub pairs: f64,
    /// Tokens of some of its pairs, each side with its end.
    pub sample: Vec<PairLength>,
    /// Bytes of both sides.
    pub bytes: u64,
}

/// What is known of a plan's texts before they are encoded.
pub struct Texts {
    /// Sizes of the vocabularies.
    pub vocabularies: Vocabularies,
    /// Text to learn from.
    pub training: Lengths,
    /// Pairs of it that an epoch of the first stage has.
    pub epoch: f64,
    /// Lines of the source language alone that the teacher translates.
    pub monolingual: f64,
    /// Lines of the target language alone that are translated back.
    pub back: f64,
    /// Text to judge a training by.
    pub validation: Lengths,
    /// More texts that its validations tell of.
    pub other_validations: Vec<Lengths>,
    /// Texts to judge finished systems by.
    pub tests: Vec<Lengths>,
    /// Whether tokens were counted, or guessed from words.
    counted: bool,
}

/// Lines of texts of one language.
fn lines_of(plan: &Plan, texts: &[SourceRecipe]) -> Result<usize, PipelineError> {
    let mut lines = 0;
    for source in texts {
        for file in files_of(&plan.data.folder.join(&source.file))? {
            let mut reader = LineReader::open(&file)?;
            while reader.next_line()?.is_some() {}
            lines += reader.count();
        }
    }
    Ok(lines)
}

/// The text to learn from, and how many of its pairs an epoch of the first stage has.
fn training(
    plan: &Plan,
    vocabularies: Option<&VocabularyPair>,
) -> Result<(Lengths, f64), PipelineError> {
    let mut sampler = Sampler::new();
    let mut weighted = 0.0;
    for ((corpus, recipe), weight) in
        plan.data.corpora()?.iter().zip(&plan.data.train).zip(plan.weights_in(0).corpora)
    {
        let before = sampler.seen;
        corpus.for_each(|_, pair| {
            sampler.take(&pair.source, &pair.target);
            Ok::<_, PipelineError>(())
        })?;
        // An epoch with shares has as many pairs as there are.
        let weight = if recipe.share.is_some() { 1.0 } else { weight };
        let scores = plan.data.filters_of(recipe).scores.as_ref();
        let kept = scores.and_then(|scores| scores.share).unwrap_or(1.0);
        weighted += weight * kept * (sampler.seen - before) as f64;
    }
    let all = sampler.seen as f64;
    let training = sampler.lengths(vocabularies).within(plan);
    if training.sample.is_empty() {
        let problem = "no line of the training text that was looked at is within the limits";
        let (place, problems) = ("data.train".to_string(), vec![problem.into()]);
        return Err(PipelineError::Settings { place, problems });
    }
    let epoch = weighted * training.pairs / all.max(1.0);
    Ok((training, epoch))
}

impl Texts {
    /// Reads them.
    ///
    /// # Errors
    /// [`PipelineError::Text`], [`PipelineError::Format`].
    pub fn read(plan: &Plan) -> Result<Texts, PipelineError> {
        let known = match &plan.vocabulary {
            VocabularyOrigin::Teacher(folder) => {
                let config = native::load_config(folder)?;
                Some((load_vocabularies(folder, &config)?, config.vocabularies))
            }
            VocabularyOrigin::Files(source, target) => {
                let pair = VocabularyPair::open(source, target)?;
                let sizes = conventions(&pair);
                Some((pair, sizes))
            }
            VocabularyOrigin::Learned { .. } => None,
        };
        let vocabularies = match (&known, &plan.vocabulary) {
            (Some((_, sizes)), _) => *sizes,
            (None, VocabularyOrigin::Learned { settings, .. }) => {
                Vocabularies::shared(settings.size)
            }
            (None, _) => unreachable!("files are read"),
        };
        let pair = known.as_ref().map(|(pair, _)| pair);
        let read = |files| {
            let text = HeldOut::read(&plan.data.folder, files)?.text;
            let mut sampler = Sampler::new();
            let lines = text.source.lines.iter().zip(&text.target.lines);
            lines.for_each(|(source, target)| sampler.take(source, target));
            Ok::<_, PipelineError>(sampler.lengths(pair))
        };
        let (training, epoch) = training(plan, pair)?;
        let back = plan.back_translation.as_ref().map_or(&[][..], |recipe| &recipe.sources);
        let others = plan.data.other_validations.values();
        let tests = plan.data.test.iter().chain(plan.data.other_tests.values());
        Ok(Texts {
            vocabularies,
            epoch,
            training,
            monolingual: lines_of(plan, &plan.pseudo_data.sources)? as f64,
            back: lines_of(plan, back)? as f64,
            validation: read(&plan.data.validation)?,
            other_validations: others.map(read).collect::<Result<_, _>>()?,
            tests: tests.map(read).collect::<Result<_, _>>()?,
            counted: pair.is_some(),
        })
    }

    /// What the lengths rest on.
    pub fn note(&self) -> String {
        let Lengths { pairs, sample, .. } = &self.training;
        let how = match self.counted {
            true => "counted".to_string(),
            false => format!(
                "guessed as {TOKENS_OF_A_WORD} a word, since the subwords are not learned yet"
            ),
        };
        format!(
            "training text: {pairs:.0} pairs of {:.1} source and {:.1} target tokens, {how}, in {} of them",
            mean(sample, |length| length.source),
            mean(sample, |length| length.target),
            sample.len()
        )
    }
}

/// Draws pairs of a text that passes by, each as likely as any other (Vitter, 1985, algorithm R).
struct Sampler {
    random: Random,
    seen: u64,
    bytes: u64,
    drawn: Vec<[String; 2]>,
}

impl Sampler {
    fn new() -> Sampler {
        let random = Random::named(1, "pairs whose tokens are counted");
        Sampler { random, seen: 0, bytes: 0, drawn: Vec::new() }
    }

    fn take(&mut self, source: &str, target: &str) {
        let pair = || [source, target].map(str::to_string);
        self.seen += 1;
        self.bytes += (source.len() + target.len() + 2) as u64;
        if self.drawn.len() < SAMPLE {
            self.drawn.push(pair());
        } else if let Some(place) = self.drawn.get_mut(self.random.below(self.seen) as usize) {
            *place = pair();
        }
    }

    fn lengths(&self, vocabularies: Option<&VocabularyPair>) -> Lengths {
        let tokens = |line: &str, target: bool| match vocabularies {
            Some(pair) if target => pair.target.encode(line).len() + 1,
            Some(pair) => pair.source.encode(line).len() + 1,
            None => guessed_tokens(line) + 1,
        };
        let length = |[source, target]: &[String; 2]| PairLength {
            source: tokens(source, false),
            target: tokens(target, true),
        };
        let sample = self.drawn.iter().map(length).collect();
        Lengths { pairs: self.seen as f64, sample, bytes: self.bytes }
    }
}

impl Lengths {
    /// Without the pairs that the plan's limits leave out of the training text.
    fn within(mut self, plan: &Plan) -> Lengths {
        let all = self.sample.len();
        let data = &plan.data;
        self.sample.retain(|PairLength { source, target }| {
            let (short, long) = (source.min(target), source.max(target));
            *long <= data.max_sentence_tokens
                && *long as f64 <= *short as f64 * data.max_length_ratio
        });
        self.pairs *= self.sample.len() as f64 / all.max(1) as f64;
        self
    }

    /// Bytes that its pairs take on the disk, once they are encoded, with their text.
    pub fn stored(&self) -> u64 {
        let tokens = mean(&self.sample, |length| length.source + length.target);
        self.bytes + (self.pairs * tokens * BYTES_OF_AN_ID) as u64
    }

    /// Mean target tokens of a pair.
    pub fn target_tokens(&self) -> f64 {
        mean(&self.sample, |length| length.target)
    }

    /// Made-up pairs of these lengths: at least so many that they fill several batches of `max_tokens`; and these batches, in
    /// a random order.
    pub fn made_up(
        &self,
        vocabularies: &Vocabularies,
        max_tokens: usize,
    ) -> (EncodedCorpus, Vec<Vec<usize>>) {
        let mean = mean(&self.sample, |length| length.source.max(length.target)).max(1.0);
        let wanted = ((BATCHES * max_tokens) as f64 / mean).ceil() as usize;
        let count = wanted.max(self.sample.len()).min(self.pairs.ceil() as usize);
        let mut random = Random::named(1, "made-up sentences");
        let mut words = |count: usize, size: usize| -> Vec<u32> {
            (1..count).map(|_| random.below(size as u64) as u32).collect()
        };
        let pairs: Vec<_> = (0..count)
            .map(|index| self.sample[index % self.sample.len()])
            .map(|PairLength { source, target }| {
                (words(source, vocabularies.source), words(target, vocabularies.target))
            })
            .collect();
        let pairs = pairs.iter().map(|(source, target)| (&source[..], &target[..]));
        let ends = SpecialTokens::native;
        let corpus = EncodedCorpus::from_pairs(ends(), ends(), pairs);
        let mut batches = sorted_batches(&corpus.lengths(), max_tokens);
        random.shuffle(&mut batches);
        (corpus, batches)
    }
}

/// Tokens of a line whose subwords are not learned yet.
fn guessed_tokens(line: &str) -> usize {
    let words = line.split_whitespace().count() as f64 * TOKENS_OF_A_WORD;
    words.max(line.len() as f64 / BYTES_OF_A_TOKEN).round() as usize
}

fn mean(sample: &[PairLength], side: impl Fn(&PairLength) -> usize) -> f64 {
    sample.iter().map(side).sum::<usize>() as f64 / sample.len().max(1) as f64
}
