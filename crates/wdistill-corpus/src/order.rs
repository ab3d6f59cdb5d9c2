//! Batches of a mixture of corpora, epoch after epoch, in an order that can be resumed.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use wdistill_base::{Random, mix, parallel};
use wdistill_text::{BatchSettings, EncodedCorpus, shuffled_batches};

use crate::chunks::Part;
use crate::error::CorpusError;
use crate::modifiers::{Modification, Modified, Modifiers};

/// Pairs that are shuffled together, in memory; an epoch of more has several blocks.
pub const PAIRS_OF_A_BLOCK: f64 = 262_144.0;

/// What is learned from for some time.
#[derive(Clone)]
pub struct MixtureStage {
    /// The last update that it counts for; none for the last stage, which has no end.
    pub until: Option<u64>,
    /// What an epoch has.
    pub parts: Vec<Part>,
}

/// What a training learns from, in stages.
#[derive(Clone)]
pub struct Mixture {
    stages: Vec<MixtureStage>,
}

impl Mixture {
    /// The same parts from the first update to the last.
    pub fn of(parts: Vec<Part>) -> Mixture {
        Mixture { stages: vec![MixtureStage { until: None, parts }] }
    }

    /// Several stages.
    ///
    /// # Panics
    /// If the updates at which stages end do not rise, or any but the last has no end.
    pub fn in_stages(stages: Vec<MixtureStage>) -> Mixture {
        let (last, others) = stages.split_last().expect("a mixture has a stage");
        assert!(last.until.is_none(), "the last stage has no end");
        assert!(
            others.iter().map(|stage| stage.until).is_sorted_by(|one, two| one < two)
                && others.iter().all(|stage| stage.until.is_some()),
            "stages end one after the other"
        );
        Mixture { stages }
    }

    /// The stages.
    pub fn stages(&self) -> &[MixtureStage] {
        &self.stages
    }

    fn stage_of(&self, update: u64) -> usize {
        let is_over = |stage: &MixtureStage| stage.until.is_some_and(|until| until < update);
        self.stages.iter().take_while(|stage| is_over(stage)).count()
    }
}

/// Where an order stands; goes into a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The stage of the mixture, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stage: u64,
    /// The epoch of the stage, from 0.
    pub epoch: u64,
    /// The block of the epoch, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub block: u64,
    /// Batches of this block that were already given.
    pub offset: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How large an epoch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochSize {
    /// Its batches.
    pub batches: u64,
    /// Tokens of its targets, with their ends.
    pub target_tokens: u64,
}

/// How many pairs were changed in each way.
pub type Modifications = BTreeMap<Modification, u64>;

/// A chunk that a block has pairs of. A weight above 1 makes several of one chunk, so that a pair's copies are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    part: usize,
    chunk: usize,
    copy: u64,
}

/// Pairs of a block, and their batches.
struct Block {
    stage: u64,
    epoch: u64,
    number: u64,
    pairs: EncodedCorpus,
    /// In which ways a pair was changed, by its number.
    modified: HashMap<usize, Vec<Modification>>,
    batches: Vec<Vec<usize>>,
}

/// Batches over epoch after epoch, without end.
///
/// An epoch has the pairs of each part as often as its weight says: pair `i` in epoch `e`, with weight `w`,
///
/// `floor(u_i + (e + 1) w) - floor(u_i + e w)` times,
///
/// where `u_i`, between 0 and 1, follows from the seed: a weight of 0.5 has every pair once in two epochs, half of
/// them in each. Chunks are shuffled and dealt to blocks of about [`PAIRS_OF_A_BLOCK`] pairs; a block's
/// pairs are shuffled, and made batches of, as [`shuffled_batches`] does. Everything follows from the pairs, the weights, the
/// settings, the seed and the position. Of pairs that are alternatives each epoch draws one.
pub struct Batches<'m> {
    mixture: &'m Mixture,
    settings: BatchSettings,
    seed: u64,
    position: Position,
    /// The blocks of the position's epoch, with the stage and the epoch.
    epoch: Option<(u64, u64, Vec<Vec<Entry>>)>,
    block: Option<Block>,
    /// How often a pair was given that was changed in each way.
    modified: Modifications,
}

impl<'m> Batches<'m> {
    /// An order at its start.
    ///
    /// # Errors
    /// [`CorpusError::NoPairs`] for a stage without pairs, [`CorpusError::PairTooLong`] for a pair that does not fit a batch
    /// alone.
    pub fn new(
        mixture: &'m Mixture,
        settings: BatchSettings,
        seed: u64,
    ) -> Result<Batches<'m>, CorpusError> {
        for MixtureStage { parts, .. } in &mixture.stages {
            let used = || parts.iter().filter(|part| part.weight > 0.0);
            if used().all(|part| part.pairs() == 0) {
                return Err(CorpusError::NoPairs);
            }
            used().try_for_each(|part| check_lengths(part, settings.max_tokens))?;
        }
        let position = Position::default();
        let modified = Modifications::new();
        Ok(Batches { mixture, settings, seed, position, epoch: None, block: None, modified })
    }

    /// Where the order stands: the next batch is the one at this position, if its update is of the same stage.
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many of the pairs that were given had been changed, in each way.
    pub fn modified(&self) -> &Modifications {
        &self.modified
    }

    /// Takes these for the counts of all pairs that were given before.
    pub fn resume_counts(&mut self, modified: Modifications) {
        self.modified = modified;
    }

    /// Goes to a position that [`Self::position`] gave.
    ///
    /// # Errors
    /// [`CorpusError::InvalidPosition`] if there is no such batch; then the order stands where it stood. What reading brings.
    pub fn resume(&mut self, position: Position) -> Result<(), CorpusError> {
        let before = std::mem::replace(&mut self.position, position);
        let Position { epoch, block, offset, .. } = position;
        let in_stages = position.stage < self.mixture.stages.len() as u64;
        let batches = match in_stages && self.blocks() > block as usize {
            true => self.block()?.batches.len() as u64,
            false => 0,
        };
        if offset >= batches {
            self.position = before;
            return Err(CorpusError::InvalidPosition { epoch, block, offset, batches });
        }
        Ok(())
    }

    /// The next batch, for an update that is counted from 1. Never empty.
    ///
    /// # Errors
    /// What reading brings.
    pub fn next_batch(&mut self, update: u64) -> Result<EncodedCorpus, CorpusError> {
        let stage = self.mixture.stage_of(update) as u64;
        if stage > self.position.stage {
            self.position = Position { stage, ..Position::default() };
        }
        // An epoch of very small weights can have nothing.
        while self.blocks() == 0 || self.block()?.batches.is_empty() {
            self.next_block();
        }
        let offset = self.position.offset as usize;
        let block = self.block()?;
        let pairs = &block.batches[offset];
        let batch = block.pairs.select(pairs);
        let is_last = offset + 1 == block.batches.len();
        let ways = pairs.iter().filter_map(|pair| block.modified.get(pair)).flatten();
        let ways: Vec<Modification> = ways.copied().collect();
        ways.into_iter().for_each(|way| *self.modified.entry(way).or_default() += 1);
        match is_last {
            true => self.next_block(),
            false => self.position.offset += 1,
        }
        Ok(batch)
    }

    /// How large the first epoch of the first stage is; others are as large, or about as large if there are several blocks,
    /// alternatives, or weights that are no whole numbers. Reads all pairs once.
    ///
    /// # Errors
    /// What reading brings.
    pub fn size_of_an_epoch(&self) -> Result<EpochSize, CorpusError> {
        let mut order = Batches::new(self.mixture, self.settings, self.seed)?;
        let mut size = EpochSize::default();
        while order.position.epoch == 0 {
            if order.blocks() > 0 {
                let block = order.block()?;
                size.batches += block.batches.len() as u64;
                let lengths = block.pairs.lengths();
                size.target_tokens +=
                    lengths.iter().map(|length| length.target as u64).sum::<u64>();
            }
            order.next_block();
        }
        Ok(size)
    }

    fn next_block(&mut self) {
        let Position { stage, epoch, block, .. } = self.position;
        self.position = match (block as usize) + 1 < self.blocks() {
            true => Position { stage, epoch, block: block + 1, offset: 0 },
            false => Position { stage, epoch: epoch + 1, block: 0, offset: 0 },
        };
    }

    fn parts(&self) -> &'m [Part] {
        &self.mixture.stages[self.position.stage as usize].parts
    }

    /// How many blocks the position's epoch has.
    fn blocks(&mut self) -> usize {
        let Position { stage, epoch, .. } = self.position;
        if self.epoch.as_ref().is_none_or(|found| (found.0, found.1) != (stage, epoch)) {
            self.epoch = Some((stage, epoch, self.divide(epoch)));
        }
        self.epoch.as_ref().expect("it was made above").2.len()
    }

    /// The block of the position.
    fn block(&mut self) -> Result<&Block, CorpusError> {
        let Position { stage, epoch, block: number, .. } = self.position;
        let is_it =
            |block: &Block| (block.stage, block.epoch, block.number) == (stage, epoch, number);
        if !self.block.as_ref().is_some_and(is_it) {
            // First the old one's memory.
            self.block = None;
            self.blocks();
            let entries = &self.epoch.as_ref().expect("it was made above").2[number as usize];
            self.block = Some(self.read(entries)?);
        }
        Ok(self.block.as_ref().expect("it was made above"))
    }

    /// The chunks of each block of an epoch.
    fn divide(&self, epoch: u64) -> Vec<Vec<Entry>> {
        let parts = self.parts();
        let mut entries = Vec::new();
        for (part, found) in parts.iter().enumerate() {
            for chunk in found.chunks.clone() {
                let copies = 0..found.weight.max(0.0).ceil() as u64;
                entries.extend(copies.map(|copy| Entry { part, chunk, copy }));
            }
        }
        let pairs = |entry: &Entry| {
            let part = &parts[entry.part];
            let share = (part.weight - entry.copy as f64).min(1.0);
            share * part.from.chunks()[entry.chunk].pairs as f64
        };
        if entries.iter().map(pairs).sum::<f64>() > PAIRS_OF_A_BLOCK {
            let seed = Random::named(self.seed, "chunks").bits();
            Random::for_stream(seed, epoch).shuffle(&mut entries);
        }
        let mut blocks: Vec<Vec<Entry>> = Vec::new();
        let mut room = 0.0;
        for entry in entries {
            if room <= 0.0 {
                blocks.push(Vec::new());
                room = PAIRS_OF_A_BLOCK;
            }
            room -= pairs(&entry);
            blocks.last_mut().expect("it was pushed").push(entry);
        }
        blocks.iter_mut().for_each(|block| block.sort_unstable());
        blocks
    }

    fn read(&self, entries: &[Entry]) -> Result<Block, CorpusError> {
        let Position { stage, epoch, block: number, .. } = self.position;
        let mut pairs: Option<EncodedCorpus> = None;
        let mut modified = HashMap::new();
        for entry in entries {
            let part = &self.parts()[entry.part];
            let chunk = part.from.read(entry.chunk)?;
            let chosen = self.chosen(part, entry, &chunk);
            let pairs = pairs.get_or_insert_with(|| chunk.empty_like());
            match &part.modifiers {
                None => pairs.append(&chunk, chosen),
                Some(modifiers) => {
                    let changed = self.changed(part, modifiers, entry, &chosen)?;
                    append_changed(pairs, &chunk, &chosen, changed, &mut modified);
                }
            }
        }
        let pairs = pairs.expect("a block has chunks");
        let mut random = Random::for_stream(self.seed_of_block(), epoch);
        let batches =
            shuffled_batches(&pairs.lengths(), pairs.groups(), self.settings, &mut random);
        Ok(Block { stage, epoch, number, pairs, modified, batches })
    }

    /// The first block of the first stage has the seed itself.
    fn seed_of_block(&self) -> u64 {
        let Position { stage, block, .. } = self.position;
        match (stage, block) {
            (0, 0) => self.seed,
            _ => Random::named(self.seed, &format!("stage {stage}, block {block}")).bits(),
        }
    }

    /// What modifiers make of the chosen pairs of a chunk, in this epoch.
    fn changed(
        &self,
        part: &Part,
        modifiers: &Modifiers,
        entry: &Entry,
        chosen: &[usize],
    ) -> Result<Vec<Option<Modified>>, CorpusError> {
        let Position { stage, epoch, .. } = self.position;
        let Entry { chunk, copy, .. } = *entry;
        let place =
            format!("{}, stage {stage}, epoch {epoch}, chunk {chunk}, copy {copy}", part.name);
        let seed = Random::named(self.seed, &place).bits();
        let [sources, targets] = part.from.text(chunk)?.expect("what has modifiers has its text");
        Ok(parallel::map_at_least(64, chosen, |&pair| {
            let random = Random::for_stream(seed, pair as u64);
            modifiers.modify(&sources[pair], &targets[pair], random)
        }))
    }

    /// Which pairs of a chunk the epoch has.
    fn chosen(&self, part: &Part, entry: &Entry, chunk: &EncodedCorpus) -> Vec<usize> {
        let seed = Random::named(self.seed, &part.name).bits();
        let epoch = self.position.epoch as f64;
        // Apart, so that a whole number stays one however many epochs there were.
        let (whole, share) = (part.weight.floor(), part.weight.fract());
        let copies = |group: usize| {
            let number = (entry.chunk as u64) << 32 | group as u64;
            let start = (mix(seed ^ mix(number)) >> 11) as f64 / (1u64 << 53) as f64;
            let until = |epochs: f64| (start + epochs * share).floor();
            (whole + until(epoch + 1.0) - until(epoch)) as u64
        };
        let groups = chunk.groups();
        (0..chunk.len()).filter(|&pair| copies(groups[pair]) > entry.copy).collect()
    }
}

/// Adds chosen pairs of a chunk, those that were changed in their new form, and notes which these are.
fn append_changed(
    pairs: &mut EncodedCorpus,
    chunk: &EncodedCorpus,
    chosen: &[usize],
    changed: Vec<Option<Modified>>,
    modified: &mut HashMap<usize, Vec<Modification>>,
) {
    let new = changed.iter().flatten();
    let new = pairs.like(new.map(|pair| (&pair.source[..], &pair.target[..])));
    let mut next = 0;
    for (&pair, changed) in chosen.iter().zip(changed) {
        match changed {
            None => pairs.append(chunk, [pair]),
            Some(changed) => {
                modified.insert(pairs.len(), changed.ways);
                pairs.append(&new, [next]);
                next += 1;
            }
        }
    }
}

fn check_lengths(part: &Part, max_tokens: usize) -> Result<(), CorpusError> {
    let chunks = part.from.chunks();
    let Some(found) = part.chunks.clone().find(|&chunk| chunks[chunk].longest > max_tokens) else {
        return Ok(());
    };
    let before = |chunk: Range<usize>| chunks[chunk].iter().map(|chunk| chunk.pairs).sum::<usize>();
    let lengths = part.from.read(found)?.lengths();
    let (index, length) = lengths
        .iter()
        .enumerate()
        .find(|(_, length)| length.longest() > max_tokens)
        .expect("the chunk has a pair of this length");
    Err(CorpusError::PairTooLong {
        part: part.name.clone(),
        number: before(part.chunks.start..found) + index + 1,
        source_length: length.source,
        target_length: length.target,
        max_tokens,
    })
}
