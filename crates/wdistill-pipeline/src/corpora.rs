//! The corpora of a recipe: which files they are, and how much of them a training has.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use wdistill_base::Problem;
use wdistill_corpus::{
    Corpus, InLanguages, Letters, Modifiers, PairFiles, Part, aligned, files_of,
};
use wdistill_formats::detectable_code;
use wdistill_model::Languages;
use wdistill_text::{Filter, VocabularyPair};
use wdistill_train::Length;

use crate::error::PipelineError;
use crate::names::{PSEUDO_DATA, TRAINING, is_a_folders};
use crate::settings::{
    CorpusRecipe, DataRecipe, FilterRecipe, LanguageCheck, ModifierRecipe, PairFormat, ScoreRecipe,
};

/// Checks of one corpus.
pub(crate) type Filters = Vec<Box<dyn Filter>>;

/// What a training learns from until an update, or to its end.
pub(crate) struct MixedParts {
    pub(crate) until: Option<Length>,
    pub(crate) parts: Vec<Part>,
}

/// Extensions of compressed files, behind which the format's stands.
const COMPRESSED: [&str; 4] = ["gz", "zst", "xz", "bz2"];

impl CorpusRecipe {
    /// Its name, if there are no others.
    pub(crate) fn name_or_only(&self) -> &str {
        self.name.as_deref().unwrap_or(TRAINING)
    }

    /// What contradicts itself, without a look at the files.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match (&self.source, &self.target, &self.file) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => {}
            _ => problems.push(Problem::with_hint(
                "expected either source and target, or file",
                "source and target are two texts that are aligned line by line; file has both sides",
            )),
        }
        if self.alignments.is_some() && self.file.is_some() {
            let hint = "two texts that are aligned line by line, source and target, may have them";
            problems.push(Problem::with_hint("a file of both sides has no alignments", hint));
        }
        if let Some(columns) = self.columns.filter(|columns| columns.contains(&0)) {
            problems.push(format!("columns is {columns:?}, expected numbers from 1").into());
        }
        for (name, value) in [("weight", self.weight), ("share", self.share)] {
            if let Some(value) = value.filter(|value| !(*value >= 0.0 && value.is_finite())) {
                problems.push(format!("{name} is {value}, expected 0 or more").into());
            }
        }
        problems.extend(self.filters.iter().flat_map(FilterRecipe::problems));
        problems.extend(self.modifiers.and_then(|modifiers| modifiers.problem()));
        if self.weight.is_some() && self.share.is_some() {
            let hint =
                "a weight counts how often an epoch has a pair, a share is a part of its pairs";
            problems.push(Problem::with_hint("it has a weight and a share, expected one", hint));
        }
        problems
    }

    /// How its file holds pairs.
    fn format_of(&self, path: &Path) -> Result<PairFormat, Problem> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let extension = |path: &Path| {
            path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase())
        };
        let mut name = path.to_path_buf();
        while extension(&name).is_some_and(|found| COMPRESSED.contains(&found.as_str())) {
            name.set_extension("");
        }
        match extension(&name).as_deref() {
            Some("tsv") => Ok(PairFormat::Tsv),
            Some("jsonl" | "ndjson") => Ok(PairFormat::Jsonl),
            Some("tmx") => Ok(PairFormat::Tmx),
            _ => Err(Problem::with_hint(
                format!("{} does not say how it holds pairs", path.display()),
                "format = \"tsv\", \"jsonl\" or \"tmx\"",
            )),
        }
    }

    /// Its files as they are now.
    fn corpus(&self, folder: &Path, recipe: Option<&Languages>) -> Result<Corpus, PipelineError> {
        let files = match (&self.source, &self.target, &self.file) {
            (Some(source), Some(target), _) => {
                let alignments = self.alignments.as_ref().map(|path| folder.join(path));
                aligned(&folder.join(source), &folder.join(target), alignments.as_deref())?
            }
            (_, _, Some(file)) => files_of(&folder.join(file))?
                .into_iter()
                .map(|path| self.pair_files(path, recipe))
                .collect::<Result<_, Problem>>()
                .map_err(|problem| self.wrong(problem))?,
            _ => unreachable!("a plan was checked"),
        };
        Ok(Corpus { name: self.name_or_only().to_string(), files, tag: self.tag.clone() })
    }

    fn wrong(&self, problem: Problem) -> PipelineError {
        let place = format!("the corpus {}", self.name_or_only());
        PipelineError::Settings { place, problems: vec![problem] }
    }

    fn pair_files(
        &self,
        path: std::path::PathBuf,
        recipe: Option<&Languages>,
    ) -> Result<PairFiles, Problem> {
        let own = || self.languages.clone();
        let of_recipe = || recipe.map(|both| [both.source.clone(), both.target.clone()]);
        let fields = || self.fields.clone().unwrap_or(["source", "target"].map(str::to_string));
        Ok(match self.format_of(&path)? {
            PairFormat::Tsv => {
                PairFiles::TabSeparated { path, columns: self.columns.unwrap_or([1, 2]) }
            }
            PairFormat::Jsonl => PairFiles::JsonLines { path, fields: fields() },
            PairFormat::Tmx => match own().or_else(of_recipe) {
                Some(languages) => PairFiles::Tmx { path, languages },
                None => {
                    let fact = format!("{} has several languages", path.display());
                    let hint = "languages = [\"en\", \"de\"] says which are source and target";
                    return Err(Problem::with_hint(fact, hint));
                }
            },
        })
    }
}

impl FilterRecipe {
    fn problems(&self) -> Vec<Problem> {
        let scores = self.scores.as_ref();
        let mut problems: Vec<Problem> = Vec::new();
        if let Some(share) = self.min_letters.filter(|share| !(0.0..=1.0).contains(share)) {
            problems.push(format!("min_letters is {share}, expected a share from 0 to 1").into());
        }
        let share = scores.and_then(|scores| scores.share);
        if let Some(share) = share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
            let fact = format!("scores.share is {share}, expected more than 0, and at most 1");
            problems.push(fact.into());
        }
        let highest = scores.and_then(|scores| scores.highest);
        if let Some(highest) = highest.filter(|score| !(*score > 0.0 && score.is_finite())) {
            let fact = format!("scores.highest is {highest}, expected more than 0");
            problems.push(fact.into());
        }
        if let Some(ScoreRecipe { highest, share, .. }) = scores
            && highest.is_some() == share.is_some()
        {
            let hint = "highest is a score, share a part of the pairs";
            problems.push(Problem::with_hint("scores: expected either highest or share", hint));
        }
        problems
    }
}

impl ModifierRecipe {
    fn problem(&self) -> Option<Problem> {
        let probabilities = self.probabilities();
        let outside = |share: &&f64| !(0.0..=1.0).contains(*share);
        let share = probabilities.values().find(outside)?;
        Some(format!("modifiers: {share} is no share from 0 to 1").into())
    }
}

impl DataRecipe {
    /// Everything that is wrong with the corpora and their mixtures, without a look at the files.
    /// `back` is the name of pairs that were translated back, if there are such.
    pub(crate) fn corpora_problems(&self, back: Option<&'static str>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.train.is_empty() {
            problems.push("train has no corpus".into());
        }
        let found = self.filters.problems().into_iter();
        problems.extend(found.map(|problem| problem.at("filters")));
        problems.extend(self.modifiers.problem());
        let mut names: BTreeSet<&str> = [PSEUDO_DATA].into_iter().chain(back).collect();
        for corpus in &self.train {
            let name = corpus.name_or_only();
            let found = corpus.problems().into_iter();
            problems.extend(found.map(|problem| problem.at(format!("corpus {name}"))));
            if !is_a_folders(name) {
                let problem = format!("the name {name:?} of a corpus cannot be a folder's");
                problems.push(problem.into());
            }
            if !names.insert(name) {
                let fact = format!("two corpora are called {name}");
                problems.push(Problem::with_hint(fact, "name = \"...\" gives each a name"));
            }
        }
        let shares = self.train.iter().filter(|corpus| corpus.share.is_some()).count();
        if shares != 0 && shares != self.train.len() {
            problems.push("some corpora have a share and some have none".into());
        }
        if shares > 0 && self.train.iter().all(|corpus| corpus.share == Some(0.0)) {
            problems.push("the shares of all corpora are 0".into());
        }
        problems.extend(self.stage_problems(&names));
        problems
    }

    fn stage_problems(&self, names: &BTreeSet<&str>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut last = Length::Updates(0);
        for (index, stage) in self.stages.iter().enumerate() {
            let number = index + 1;
            let is_last = number == self.stages.len();
            match stage.until_update {
                None if !is_last => problems.push(Problem::with_hint(
                    format!("stage {number} has no end"),
                    "until_update = ... is the last update that it counts for",
                )),
                Some(_) if is_last => problems.push(Problem::with_hint(
                    format!("stage {number}, the last one, has an end"),
                    "it counts to the end of the training; leave until_update out",
                )),
                Some(until) if until.is_zero() || until.is_longer(last) == Some(false) => problems
                    .push(
                        format!("stage {number} ends at update {until}, expected more than {last}")
                            .into(),
                    ),
                _ => {}
            }
            last = stage.until_update.unwrap_or(last);
            for (name, weight) in &stage.weights {
                if !names.contains(name.as_str()) {
                    let names: Vec<&str> = names.iter().copied().collect();
                    problems.push(Problem::with_hint(
                        format!("stage {number} has a weight for {name}, which is no corpus"),
                        format!("expected one of {}", names.join(", ")),
                    ));
                }
                if !(*weight >= 0.0 && weight.is_finite()) {
                    let problem =
                        format!("stage {number}: weight {weight} of {name}, expected 0 or more");
                    problems.push(problem.into());
                }
            }
        }
        problems
    }

    /// The corpora, with the files that there are now.
    ///
    /// # Errors
    /// [`PipelineError::Corpus`] for paths that name nothing, [`PipelineError::Settings`] for a file whose format nothing says.
    pub(crate) fn corpora(&self) -> Result<Vec<Corpus>, PipelineError> {
        let languages = self.languages.as_ref();
        self.train.iter().map(|corpus| corpus.corpus(&self.folder, languages)).collect()
    }

    /// The checks of each corpus.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] for a check of languages that nothing names, or that cannot be told from others.
    pub(crate) fn filters(&self) -> Result<Vec<Filters>, PipelineError> {
        self.train.iter().map(|corpus| self.by_text(corpus)).collect()
    }

    /// The checks of a corpus that need nothing but the text of a pair.
    fn by_text(&self, corpus: &CorpusRecipe) -> Result<Filters, PipelineError> {
        let FilterRecipe { min_letters, other_languages, .. } = self.filters_of(corpus);
        let mut filters: Filters = Vec::new();
        if let Some(least) = *min_letters {
            filters.push(Box::new(Letters { least }));
        }
        if *other_languages == Some(LanguageCheck::LeaveOut) {
            let problem = |fact: &str| {
                let hint =
                    "`languages = { source = \"en\", target = \"de\" }` under [data] names them";
                corpus.wrong(Problem::with_hint(fact, hint))
            };
            let Some(Languages { source, target }) = &self.languages else {
                return Err(problem(
                    "other_languages is \"leave-out\", and nothing names the languages",
                ));
            };
            let codes = detectable_code(source).zip(detectable_code(target));
            let filter = codes.and_then(|(source, target)| InLanguages::new([source, target]));
            let fact = format!("{source} and {target} cannot both be told from other languages");
            filters.push(Box::new(filter.ok_or_else(|| problem(&fact))?));
        }
        Ok(filters)
    }

    /// What a training learns from, of these parts: each with its weight or share, one stage after the other, each with its
    /// end.
    ///
    /// # Errors
    /// [`PipelineError::Settings`] if subwords are to be sampled, and a vocabulary is a list of words.
    pub(crate) fn in_stages(
        &self,
        mut parts: Vec<Part>,
        vocabularies: &Arc<VocabularyPair>,
    ) -> Result<Vec<MixedParts>, PipelineError> {
        let recipe = |name: &str| self.train.iter().find(|corpus| corpus.name_or_only() == name);
        let share = |part: &Part| recipe(&part.name).and_then(|corpus| corpus.share);
        let shared = || parts.iter().filter_map(|part| Some((share(part)?, part.pairs() as f64)));
        let shares: f64 = shared().map(|(share, _)| share).sum();
        let pairs: f64 = shared().map(|(_, pairs)| pairs).sum();
        for part in &mut parts {
            let given = recipe(&part.name).and_then(|corpus| corpus.weight);
            let by_share = share(part).map(|share| share / shares * pairs / part.pairs() as f64);
            part.weight = given.or(by_share).unwrap_or(part.weight);
        }
        for part in &mut parts {
            let corpus = recipe(&part.name);
            part.modifiers =
                corpus.map(|corpus| self.modifiers(corpus, vocabularies)).transpose()?.flatten();
        }
        if self.stages.is_empty() {
            return Ok(vec![MixedParts { until: None, parts }]);
        }
        let stages = self.stages.iter().map(|stage| {
            let mut parts = parts.clone();
            for part in &mut parts {
                part.weight = stage.weights.get(&part.name).copied().unwrap_or(part.weight);
            }
            MixedParts { until: stage.until_update, parts }
        });
        Ok(stages.collect())
    }

    /// What changes the pairs of a corpus, if anything does.
    fn modifiers(
        &self,
        corpus: &CorpusRecipe,
        vocabularies: &Arc<VocabularyPair>,
    ) -> Result<Option<Arc<Modifiers>>, PipelineError> {
        let recipe = corpus.modifiers.unwrap_or(self.modifiers);
        if recipe.is_empty() {
            return Ok(None);
        }
        let probabilities = recipe.probabilities();
        let longest = self.max_sentence_tokens;
        match Modifiers::new(probabilities, vocabularies.clone(), longest) {
            Some(modifiers) => Ok(Some(Arc::new(modifiers))),
            None => Err(corpus.wrong(Problem::with_hint(
                "subword_sampling needs subwords, and a vocabulary of the teacher is a list of whole words",
                "leave it out, or train a teacher with a vocabulary that is learned here",
            ))),
        }
    }

    /// What of the mixture decides the result of a training; none if every pair is there once in every epoch.
    pub(crate) fn decisive_mixture(&self) -> Option<serde_json::Value> {
        let has_weight = |corpus: &CorpusRecipe| {
            corpus.share.is_some() || corpus.weight.is_some_and(|weight| weight != 1.0)
        };
        let weights: Vec<_> = self
            .train
            .iter()
            .map(|corpus| (corpus.name_or_only(), corpus.weight, corpus.share))
            .collect();
        let modifiers: Vec<ModifierRecipe> =
            self.train.iter().map(|corpus| corpus.modifiers.unwrap_or(self.modifiers)).collect();
        let is_plain = self.stages.is_empty()
            && !self.train.iter().any(has_weight)
            && modifiers.iter().all(ModifierRecipe::is_empty);
        (!is_plain).then(|| json!([weights, self.stages, modifiers]))
    }
}
