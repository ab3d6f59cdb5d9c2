//! Batches of mixtures: every pair in its turn, positions that survive, blocks.

use std::sync::Arc;

use proptest::prelude::*;
use wdistill_corpus::{
    Alternative, Batches, Chunks, CorpusError, InMemory, Mixture, MixtureStage, Modification,
    Modifiers, PAIRS_OF_A_BLOCK, PairStore, Part, Position, Probabilities, StoreWriter,
};
use wdistill_text::{
    BatchSettings, EncodedCorpus, Link, SpecialTokens, SubwordModel, Vocabulary, VocabularyPair,
    VocabularySettings,
};

/// Pairs whose first source id is their number.
fn corpus(lengths: &[(usize, usize)]) -> EncodedCorpus {
    let pairs: Vec<(Vec<u32>, Vec<u32>)> = lengths
        .iter()
        .enumerate()
        .map(|(number, (source, target))| {
            let ids = |length: &usize| vec![number as u32 + 300; *length - 1];
            (ids(source), ids(target))
        })
        .collect();
    let special = SpecialTokens::native();
    let rows = pairs.iter().map(|(source, target)| (&source[..], &target[..]));
    EncodedCorpus::from_pairs(special.clone(), special, rows)
}

/// 200 pairs of 2 to 31 tokens.
fn many() -> EncodedCorpus {
    let lengths: Vec<_> = (0..200).map(|i| (2 + i * 7 % 30, 2 + i * 11 % 30)).collect();
    corpus(&lengths)
}

fn part(name: &str, corpus: EncodedCorpus, weight: f64) -> Part {
    Part { weight, ..Part::whole(name, Arc::new(InMemory::new(corpus))) }
}

fn batches(mixture: &Mixture, max_tokens: usize, seed: u64) -> Batches<'_> {
    Batches::new(mixture, BatchSettings { max_tokens }, seed).unwrap()
}

/// Numbers of a batch's pairs.
fn numbers(batch: &EncodedCorpus) -> Vec<u32> {
    (0..batch.len()).map(|pair| batch.pair(pair).0[0] - 300).collect()
}

/// The pairs of the epoch at which an order stands, and the order at the next one.
fn epoch(order: &mut Batches<'_>) -> Vec<u32> {
    let number = order.position().epoch;
    let mut pairs = Vec::new();
    while order.position().epoch == number {
        pairs.extend(numbers(&order.next_batch(1).unwrap()));
    }
    pairs.sort_unstable();
    pairs
}

#[test]
fn a_pair_that_fits_no_batch_is_named() {
    let mixture = Mixture::of(vec![part("news", corpus(&[(3, 2), (2, 11), (12, 2)]), 1.0)]);
    let error = Batches::new(&mixture, BatchSettings { max_tokens: 10 }, 1).err().unwrap();
    match error {
        CorpusError::PairTooLong { part, number, source_length, target_length, max_tokens } => {
            assert_eq!((&*part, number), ("news", 2));
            assert_eq!((source_length, target_length, max_tokens), (2, 11, 10));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn no_pairs_are_an_error() {
    for parts in [vec![part("a", corpus(&[]), 1.0)], vec![part("a", many(), 0.0)]] {
        let mixture = Mixture::of(parts);
        let error = Batches::new(&mixture, BatchSettings { max_tokens: 64 }, 1).err().unwrap();
        assert!(matches!(error, CorpusError::NoPairs), "{error}");
    }
}

#[test]
fn weights_say_how_often_an_epoch_has_a_pair() {
    let parts = vec![
        part("once", corpus(&[(3, 3); 40]), 1.0),
        part("half", corpus(&[(4, 4); 400]), 0.25),
        part("more", corpus(&[(5, 5); 100]), 2.5),
    ];
    let mixture = Mixture::of(parts);
    let mut order = batches(&mixture, 60, 3);
    let (mut quarter, mut more) = (vec![0; 400], vec![0; 100]);
    for number in 0..8 {
        let mut counts = [0; 3];
        while order.position().epoch == number {
            let batch = order.next_batch(1).unwrap();
            for index in 0..batch.len() {
                let source = batch.pair(index).0;
                let pair = (source[0] - 300) as usize;
                match source.len() {
                    3 => counts[0] += 1,
                    4 => (counts[1], quarter[pair]) = (counts[1] + 1, quarter[pair] + 1),
                    _ => (counts[2], more[pair]) = (counts[2] + 1, more[pair] + 1),
                }
            }
        }
        assert_eq!(counts[0], 40, "epoch {number}");
        // 100 and 250 on average, with deviations of 9 and 5.
        assert!((60..140).contains(&counts[1]) && (230..270).contains(&counts[2]), "{counts:?}");
    }
    // In eight epochs each pair has had its share, none less and none more.
    assert!(quarter.iter().all(|count| *count == 2), "{quarter:?}");
    assert!(more.iter().all(|count| *count == 20), "{more:?}");
}

#[test]
fn stages_follow_each_other() {
    let stages = vec![
        MixtureStage { until: Some(3), parts: vec![part("a", corpus(&[(3, 3); 50]), 1.0)] },
        MixtureStage { until: None, parts: vec![part("b", corpus(&[(7, 7); 50]), 1.0)] },
    ];
    let mixture = Mixture::in_stages(stages);
    let mut order = batches(&mixture, 30, 1);
    let length =
        |order: &mut Batches<'_>, update| order.next_batch(update).unwrap().pair(0).0.len();
    assert_eq!(
        (1..=5).map(|update| length(&mut order, update)).collect::<Vec<_>>(),
        [3, 3, 3, 7, 7]
    );
    assert_eq!(order.position(), Position { stage: 1, epoch: 0, block: 0, offset: 2 });
    let mut other = batches(&mixture, 30, 1);
    other.resume(order.position()).unwrap();
    assert_eq!(numbers(&other.next_batch(6).unwrap()), numbers(&order.next_batch(6).unwrap()));
}

/// An old checkpoint's position has no stage and no block.
#[test]
fn a_position_survives_its_serialised_form() {
    let position = Position { epoch: 3, offset: 17, ..Position::default() };
    let json = serde_json::to_string(&position).unwrap();
    assert_eq!(json, r#"{"epoch":3,"offset":17}"#);
    assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
    let position = Position { stage: 1, epoch: 3, block: 2, offset: 17 };
    let json = serde_json::to_string(&position).unwrap();
    assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
}

#[test]
fn a_position_beyond_the_epoch_is_an_error() {
    let mixture = Mixture::of(vec![part("a", many(), 1.0)]);
    let mut order = batches(&mixture, 64, 5);
    let offset = order.size_of_an_epoch().unwrap().batches;
    let before = order.position();
    for position in [
        Position { epoch: 2, offset, ..before },
        Position { block: 1, ..before },
        Position { stage: 1, ..before },
    ] {
        let error = order.resume(position).unwrap_err();
        assert!(matches!(error, CorpusError::InvalidPosition { .. }), "{error}");
        assert_eq!(order.position(), before);
    }
}

proptest! {
    #[test]
    fn resuming_continues_exactly(seed in any::<u64>(), steps in 0usize..120) {
        let mixture = Mixture::of(vec![part("a", many(), 1.0), part("b", many(), 0.4)]);
        let mut running = batches(&mixture, 64, seed);
        for _ in 0..steps {
            running.next_batch(1).unwrap();
        }
        let mut resumed = batches(&mixture, 64, seed);
        resumed.resume(running.position()).unwrap();
        for _ in 0..100 {
            prop_assert_eq!(resumed.position(), running.position());
            prop_assert_eq!(resumed.next_batch(1).unwrap(), running.next_batch(1).unwrap());
        }
    }
}

/// Each epoch has one of each group's pairs, every one of them in its turn, and a resumed order draws the same.
#[test]
fn alternatives_are_drawn_anew_each_epoch() {
    let groups: Vec<usize> = (0..90).map(|pair| pair / 3).collect();
    let corpus = corpus(&[(3, 3); 90]).with_alternatives(groups.clone());
    let mixture = Mixture::of(vec![part("a", corpus, 1.0)]);
    let mut order = batches(&mixture, 12, 5);
    let mut counts = [0; 90];
    for number in 0..60 {
        let pairs = epoch(&mut order);
        assert!(pairs.iter().map(|pair| groups[*pair as usize]).eq(0..30), "epoch {number}");
        pairs.into_iter().for_each(|pair| counts[pair as usize] += 1);
    }
    // Of 60 draws each has 20, with a deviation of 3.7.
    assert!(counts.iter().all(|count| (6..35).contains(count)), "{counts:?}");
}

/// More pairs than a block has, with alternatives now and then, through the files of a store.
#[test]
fn an_epoch_of_several_blocks_has_every_pair_once() {
    let folder = tempfile::tempdir().unwrap();
    let count = 2 * PAIRS_OF_A_BLOCK as u32 + 20_000;
    let special = SpecialTokens::native();
    let mut writer = StoreWriter::create(folder.path(), [special.clone(), special]).unwrap();
    for (name, numbers) in [("small", 0..3000), ("large", 3000..count)] {
        writer.begin_part(name).unwrap();
        for number in numbers {
            let ids = vec![number + 300; 1 + number as usize % 5];
            writer.push([&ids, &ids], ["x", "x"], Alternative::New).unwrap();
            if number % 1000 == 0 {
                writer.push([&ids, &[]], ["x", "x"], Alternative::OfLast).unwrap();
            }
        }
    }
    writer.finish().unwrap();
    let store = Arc::new(PairStore::open(folder.path()).unwrap());
    let parts = store.parts().iter().map(|part| Part {
        name: part.name.clone(),
        from: store.clone(),
        chunks: part.chunks.clone(),
        weight: 1.0,
        modifiers: None,
    });
    let mixture = Mixture::of(parts.collect());
    let mut order = batches(&mixture, 3000, 9);
    let mut seen = vec![0; count as usize];
    let mut first = Vec::new();
    let mut resumed = None;
    while order.position().epoch == 0 {
        let position = order.position();
        let batch = order.next_batch(1).unwrap();
        numbers(&batch).into_iter().for_each(|pair| seen[pair as usize] += 1);
        if position.offset == 0 {
            first.push(numbers(&batch));
        }
        if position.block == 1 && position.offset == 7 {
            resumed = Some((position, batch));
        }
    }
    assert!(seen.iter().all(|count| *count == 1));
    assert_eq!(first.len(), 3, "three blocks");
    let (position, batch) = resumed.unwrap();
    let mut other = batches(&mixture, 3000, 9);
    other.resume(position).unwrap();
    assert_eq!(other.next_batch(1).unwrap(), batch);
    // Chunks of both ends of the text meet in a block.
    let spread = first[0].iter().max().unwrap() - first[0].iter().min().unwrap();
    assert!(spread > count / 2, "{spread}");
}

#[test]
fn a_store_gives_back_what_was_written_and_refuses_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let source = SpecialTokens { end: 9, unknown: 5, bytes: vec![3, 7] };
    let target = SpecialTokens { end: 2, unknown: 3, bytes: Vec::new() };
    let mut writer = StoreWriter::create(folder.path(), [source.clone(), target.clone()]).unwrap();
    writer.begin_part("a").unwrap();
    writer.push([&[1, 2, 3], &[]], ["x", "x"], Alternative::New).unwrap();
    writer.push([&[1, 2, 3], &[4]], ["x", "x"], Alternative::OfLast).unwrap();
    writer.push([&[], &[70_000, 3]], ["x", "x"], Alternative::New).unwrap();
    writer.finish().unwrap();
    assert!(!folder.path().join("alignments.bin").exists(), "nothing is given");
    let store = PairStore::open(folder.path()).unwrap();
    let rows = [(&[1, 2, 3][..], &[][..]), (&[1, 2, 3], &[4]), (&[], &[70_000, 3])];
    let expected = EncodedCorpus::from_pairs(source, target, rows);
    let found = store.read(0).unwrap();
    assert_eq!(
        (0..3).map(|pair| found.pair(pair)).collect::<Vec<_>>(),
        (0..3).map(|pair| expected.pair(pair)).collect::<Vec<_>>()
    );
    let groups = found.groups();
    assert!(groups[0] == groups[1] && groups[1] < groups[2], "{groups:?}");
    assert_eq!(store.statistics(), expected.statistics());
    assert_eq!((store.len(), store.chunks()[0].longest), (3, 4));
    let path = folder.path().join("pairs.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = PairStore::open(folder.path()).unwrap().read(0).unwrap_err();
    assert!(error.to_string().contains("not those that were written"), "{error}");
    std::fs::write(&path, &bytes[..20]).unwrap();
    assert!(PairStore::open(folder.path()).unwrap().read(0).is_err());
    std::fs::write(folder.path().join("pairs.json"), "{}").unwrap();
    assert!(PairStore::open(folder.path()).is_err());
}

/// Links of every third pair, over several chunks, come back with their pairs; pairs that are changed have none.
#[test]
fn links_stay_with_their_pairs() {
    let vocabulary = Vocabulary::train(["a b"], &VocabularySettings::new(SubwordModel::Bpe, 300));
    let vocabulary = vocabulary.unwrap().vocabulary;
    let vocabularies =
        Arc::new(VocabularyPair { source: vocabulary.clone(), target: vocabulary.clone() });
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(folder.path(), vocabularies.special_tokens()).unwrap();
    writer.begin_part("given").unwrap();
    // The length of a pair says its number.
    let given = |pair: usize| -> Option<Vec<Link>> {
        let link = |link: usize| [link as u16, (pair % 7 * 9000) as u16];
        (pair.is_multiple_of(3)).then(|| (0..pair % 4).map(link).collect())
    };
    let ids = vocabulary.encode("b");
    for pair in 0..9000 {
        let number = [pair as u32 + 2];
        writer.push([&number, &ids], ["b", "b"], Alternative::New).unwrap();
        given(pair).iter().for_each(|links| writer.link(links));
    }
    writer.begin_part("other").unwrap();
    (0..10).for_each(|_| writer.push([&[1], &ids], ["b", "b"], Alternative::New).unwrap());
    writer.finish().unwrap();
    let store = Arc::new(PairStore::open(folder.path()).unwrap());
    let seen = |modifiers: Option<Modifiers>| {
        let changes = modifiers.is_some();
        let mut parts = store.mixed();
        parts[0].modifiers = modifiers.map(Arc::new);
        let mixture = Mixture::of(parts);
        let mut order = batches(&mixture, 400, 3);
        let mut seen = 0;
        while order.position().epoch == 0 {
            let batch = order.next_batch(1).unwrap();
            for pair in 0..batch.len() {
                let (source, _) = batch.pair(pair);
                let links = batch.links(pair).map(<[Link]>::to_vec);
                seen += usize::from(links.is_some());
                if !changes {
                    let number = (source[0] as usize).checked_sub(2);
                    assert_eq!(links, number.and_then(given), "{source:?}");
                }
            }
        }
        seen
    };
    assert_eq!(seen(None), 3000);
    let upper = Probabilities::from([(Modification::UpperCase, 1.0)]);
    assert_eq!(seen(Modifiers::new(upper, vocabularies, 500)), 0);
    let path = folder.path().join("alignments.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[9] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = PairStore::open(folder.path()).unwrap().read(0).unwrap_err();
    assert!(error.to_string().contains("not those that were written"), "{error}");
}

/// Changed pairs are changed again in the same way after a resume, and counted once; without a change they are as stored.
#[test]
fn modified_pairs_are_the_same_after_a_resume() {
    let lines: Vec<String> = (0..300).map(|n| format!("the small dog number {n}")).collect();
    let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
    let vocabulary = Vocabulary::train(&lines, &settings).unwrap().vocabulary;
    let vocabularies =
        Arc::new(VocabularyPair { source: vocabulary.clone(), target: vocabulary.clone() });
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(folder.path(), vocabularies.special_tokens()).unwrap();
    writer.begin_part("dogs").unwrap();
    for line in &lines {
        let ids = vocabulary.encode(line);
        writer.push([&ids, &ids], [line, line], Alternative::New).unwrap();
    }
    writer.finish().unwrap();
    let store = Arc::new(PairStore::open(folder.path()).unwrap());
    let probabilities =
        Probabilities::from([(Modification::UpperCase, 0.5), (Modification::SubwordSampling, 0.5)]);
    let modifiers = Modifiers::new(probabilities, vocabularies, 1000).unwrap();
    let mut parts = store.mixed();
    parts[0].modifiers = Some(Arc::new(modifiers));
    let mixture = Mixture::of(parts);
    let mut running = batches(&mixture, 400, 3);
    let (mut lower, mut upper) = (0, 0);
    let mut others = Vec::new();
    while running.position().epoch < 2 {
        let batch = running.next_batch(1).unwrap();
        for pair in 0..batch.len() {
            let text = |ids: &[u32]| vocabulary.decode(&ids[..ids.len() - 1]).unwrap();
            let (source, target) = batch.pair(pair);
            let (source, target) = (text(source), text(target));
            assert_eq!(source, target);
            let (line, count) = match lines.contains(&source) {
                true => (source, &mut lower),
                false => (source.to_lowercase(), &mut upper),
            };
            assert!(lines.contains(&line), "{line}");
            *count += 1;
        }
        if running.position().offset == 3 {
            others.push((running.position(), running.modified().clone()));
        }
    }
    assert_eq!(lower + upper, 600);
    assert_eq!(running.modified()[&Modification::UpperCase], upper);
    // Half of 600, with a deviation of 12.
    let sampled = running.modified()[&Modification::SubwordSampling];
    assert!((240..360).contains(&upper) && (240..360).contains(&sampled), "{upper}, {sampled}");
    let (position, counts) = others.pop().unwrap();
    assert_eq!(position.epoch, 1);
    let mut resumed = batches(&mixture, 400, 3);
    resumed.resume(position).unwrap();
    resumed.resume_counts(counts.clone());
    let mut again = batches(&mixture, 400, 3);
    while again.position() != position {
        again.next_batch(1).unwrap();
    }
    assert_eq!(again.modified(), &counts);
    for _ in 0..20 {
        assert_eq!(again.next_batch(1).unwrap(), resumed.next_batch(1).unwrap());
        assert_eq!(again.modified(), resumed.modified());
    }
}
