//! Pairs of every format, and what becomes of files that are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use wdistill_base::Hinted;
use wdistill_corpus::{
    Checks, Chunks, Corpus, CorpusError, LEFT_OUT, PairFiles, PairStore, RawPair, Repeats,
    SOURCE_TEXT, SampledLines, TARGET_TEXT, aligned, files_of, survey, write_pairs,
};
use wdistill_text::{
    CorpusLimits, CorpusReport, FindingKind, Link, Normalisation, PairPolicy, Sides, SubwordModel,
    Vocabulary, VocabularyPair, VocabularySettings, packed_by_name,
};

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    let bytes = packed_by_name(&path, text.as_bytes()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Sources, targets and lines of all pairs.
fn read(files: &PairFiles) -> Result<Vec<(String, String, [usize; 2])>, CorpusError> {
    let mut reader = files.open()?;
    let (mut pair, mut pairs) = (RawPair::default(), Vec::new());
    while reader.read(&mut pair)? {
        pairs.push((pair.source.clone(), pair.target.clone(), pair.lines));
    }
    Ok(pairs)
}

fn pair(source: &str, target: &str, lines: [usize; 2]) -> (String, String, [usize; 2]) {
    (source.to_string(), target.to_string(), lines)
}

/// What an error says, and its hint.
fn said(error: &CorpusError) -> String {
    format!("{error} | {}", error.hint().unwrap_or_default())
}

#[test]
fn columns_are_divided_by_tabulators() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.tsv.gz", "0.9\ta b\tc\r\n0.1\t\td e\n");
    let tsv = |columns| PairFiles::TabSeparated { path: path.clone(), columns };
    assert_eq!(read(&tsv([2, 3])).unwrap(), [pair("a b", "c", [1, 1]), pair("", "d e", [2, 2])]);
    assert_eq!(read(&tsv([3, 1])).unwrap()[0], pair("c", "0.9", [1, 1]));
    let error = said(&read(&tsv([1, 4])).unwrap_err());
    assert!(
        error.contains(
            "a.tsv.gz:1: found 3 columns, expected source in column 1 and target in column 4"
        ),
        "{error}"
    );
}

#[test]
fn json_lines_have_fields_that_may_lie_inside_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{\"t\": {\"en\": \"one\\ntwo\", \"de\": \"eins zwei\"}, \"id\": 3}\n{\"t\": {\"en\": \"x\", \"de\": 5}}\n{oops\n";
    let path = write(folder.path(), "a.jsonl.zst", text);
    let fields = ["t.en", "t.de"].map(str::to_string);
    let files = PairFiles::JsonLines { path: path.clone(), fields };
    let mut reader = files.open().unwrap();
    let mut found = RawPair::default();
    assert!(reader.read(&mut found).unwrap());
    assert_eq!((&*found.source, &*found.target), ("one two", "eins zwei"));
    let changes = reader.changes();
    let breaks = changes.iter().find(|change| change.0 == FindingKind::LineBreaks).unwrap();
    assert_eq!((breaks.2.count, &breaks.2.first_lines[..]), (1, &[1][..]));
    let error = said(&reader.read(&mut found).unwrap_err());
    assert!(error.contains("a.jsonl.zst:2: no text in the field t.de"), "{error}");
    let error = said(&reader.read(&mut found).unwrap_err());
    assert!(error.contains("a.jsonl.zst:3: no JSON"), "{error}");
}

const TMX: &str = r#"<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4">
<header srclang="EN" segtype="sentence"/>
<body>
<tu tuid="1"><note>no text</note>
  <tuv xml:lang="EN-us"><seg>Fish &amp; chips &#8364;5 <bpt i="1">&lt;b&gt;</bpt>now<ept i="1">&lt;/b&gt;</ept></seg></tuv>
  <tuv xml:lang="fr"><seg>Poisson</seg></tuv>
  <tuv xml:lang="de"><seg>Fisch <hi>und</hi>
Pommes<ph x="1"/></seg></tuv>
</tu>
<tu><tuv lang="en"><seg><![CDATA[a < b]]></seg></tuv></tu>
</body>
</tmx>
"#;

#[test]
fn memories_are_read_without_their_marks() {
    let folder = tempfile::tempdir().unwrap();
    let languages = || ["en", "de"].map(str::to_string);
    let files = |name: &str, text: &str| {
        let path = write(folder.path(), name, text);
        PairFiles::Tmx { path, languages: languages() }
    };
    let memory = files("a.tmx.xz", TMX);
    assert_eq!(
        read(&memory).unwrap(),
        [
            pair("Fish & chips €5 now", "Fisch und Pommes", [7, 9]),
            // A unit that lacks a language has an empty side, which is found when it is checked.
            pair("a < b", "", [12, 12]),
        ]
    );
    let cut = &TMX[..TMX.find("Pommes").unwrap()];
    let error = said(&read(&files("b.tmx", cut)).unwrap_err());
    assert!(error.contains("b.tmx:10: the file ends inside of a segment"), "{error}");
    let wrong = TMX.replace("</note>", "</nota>");
    let error = said(&read(&files("c.tmx", &wrong)).unwrap_err());
    assert!(error.contains("c.tmx:6: no XML"), "{error}");
    let unknown = TMX.replace("&amp;", "&nbsp;");
    let error = said(&read(&files("d.tmx", &unknown)).unwrap_err());
    assert!(error.contains("d.tmx:7: unknown character &nbsp;"), "{error}");
}

#[test]
fn texts_of_different_lengths_are_refused_with_both() {
    let folder = tempfile::tempdir().unwrap();
    let source = write(folder.path(), "a.en", "1\n2\n3\n");
    let target = write(folder.path(), "a.de.bz2", "1\n2\n");
    let error = said(&read(&PairFiles::Aligned { source, target, alignments: None }).unwrap_err());
    assert!(error.contains("a.en has 3 lines but") && error.contains("a.de.bz2 has 2"), "{error}");
}

#[test]
fn a_path_may_be_a_folder_or_a_pattern() {
    let folder = tempfile::tempdir().unwrap();
    let names = |path: &str| -> Vec<String> {
        let found = files_of(&folder.path().join(path)).unwrap();
        found.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    fs::create_dir(folder.path().join("news")).unwrap();
    for name in ["news/b.en", "news/a.en", "news/.hidden", "news/a.de", "x[1].en"] {
        write(folder.path(), name, "x\n");
    }
    assert_eq!(names("news"), ["a.de", "a.en", "b.en"]);
    assert_eq!(names("news/*.en"), ["a.en", "b.en"]);
    // A file of that very name is no pattern.
    assert_eq!(names("x[1].en"), ["x[1].en"]);
    // What is not there is named when it is opened.
    assert_eq!(names("nothing.en"), ["nothing.en"]);
    let error = said(&files_of(&folder.path().join("olds/*.en")).unwrap_err());
    assert!(error.contains("olds/*.en: there are no such files"), "{error}");
    let error = aligned(&folder.path().join("news/*.en"), &folder.path().join("news/*.de"), None);
    let error = said(&error.unwrap_err());
    assert!(error.contains("2 files, but 1 for"), "{error}");
}

/// Pairs whose word alignments are given, of which some are left out and one has a token that two words share.
#[test]
fn given_alignments_go_with_their_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| write(folder.path(), name, text);
    let files = |part: usize, source: &str, target: &str, alignments: &str| {
        path(&format!("{part}.en"), source);
        path(&format!("{part}.de"), target);
        path(&format!("{part}.align"), alignments);
    };
    files(1, "a bc\n\nab c\nb\tc\n", "cb a\nx\nc ba\nc b\n", "0-1 1-0\n\n1-0\n0-0\n");
    files(2, "q r\ns\n", "r q\ns\n", "\n0-0\n");
    let pattern = |name: &str| folder.path().join(name);
    let files = aligned(&pattern("*.en"), &pattern("*.de"), Some(&pattern("*.align"))).unwrap();
    let error = aligned(&pattern("*.en"), &pattern("*.de"), Some(&pattern("1.align")));
    let error = said(&error.unwrap_err());
    assert!(error.contains("2 files, but 1 for") && error.contains("of alignments"), "{error}");
    let tagged = |tag: Option<&str>| Corpus {
        name: "given".to_string(),
        files: files.clone(),
        tag: tag.map(str::to_string),
    };
    assert_eq!(tagged(None).all_files().len(), 6);
    // One token a letter, and one for the space in front of a word: a word's tokens begin behind those before it.
    let expected = |tag: u16| {
        let word = |start: u16, letters: u16| start + tag..start + tag + 1 + letters;
        let all = |sources: std::ops::Range<u16>, targets: std::ops::Range<u16>| -> Vec<Link> {
            sources.flat_map(|one| targets.clone().map(move |other| [one, other])).collect()
        };
        let two = [all(word(0, 1), 3..5), all(word(2, 2), 0..3)].concat();
        [Some(two), Some(all(word(3, 1), 0..2)), None, Some(vec![]), Some(all(word(0, 1), 0..2))]
    };
    for (tag, tokens) in [(None, 0), (Some("de"), 3)] {
        let (links, report) = written(&tagged(tag), folder.path());
        assert_eq!(links, expected(tokens));
        let finding = report.finding(FindingKind::UnmappedAlignment).unwrap();
        assert_eq!((finding.count, finding.examples[0].line), (1, 4));
        let text = report.to_string();
        assert!(
            text.contains("words that tokens cross, replaced by those of IBM model 1"),
            "{text}"
        );
    }
}

/// The links of the pairs of a corpus that are kept, and what was found in it.
fn written(corpus: &Corpus, folder: &Path) -> (Vec<Option<Vec<Link>>>, CorpusReport) {
    let folder = folder.join("written");
    fs::create_dir_all(&folder).unwrap();
    let corpora = [corpus.clone()];
    let survey = survey::<CorpusError>(&corpora, &folder, |_| Ok(())).unwrap();
    // Tabulators are letters here.
    let settings = VocabularySettings {
        normalisation: Normalisation::None,
        ..VocabularySettings::new(SubwordModel::Bpe, 258 + 27)
    };
    let letters = Vocabulary::train(["abcdefghijklmnopqrstuvwxyz"], &settings).unwrap().vocabulary;
    let checks = Checks {
        scores: &[],
        vocabularies: &VocabularyPair { source: letters.clone(), target: letters },
        limits: &CorpusLimits::training(),
        filters: &[Vec::new()],
        repeats: &Repeats::read(&folder, &survey, &corpora).unwrap(),
        alternatives: 1,
    };
    let mut reports = write_pairs::<CorpusError>(&corpora, &checks, &folder, |_| Ok(())).unwrap();
    let pairs = PairStore::open(&folder).unwrap().read(0).unwrap();
    let links = (0..pairs.len()).map(|pair| pairs.links(pair).map(<[Link]>::to_vec));
    (links.collect(), reports.remove(0))
}

#[test]
fn alignments_that_are_none_of_the_texts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = write(folder.path(), "a.en", "a b\nc d\n");
    let target = write(folder.path(), "a.de", "b a\nd c\n");
    let error = |text: &str| {
        let alignments = Some(write(folder.path(), "a.align.gz", text));
        let (source, target) = (source.clone(), target.clone());
        said(&read(&PairFiles::Aligned { source, target, alignments }).unwrap_err())
    };
    let found = error("0-1 1-0\n0-1 1-0 2-0\n");
    assert!(
        found.contains("a.align.gz:2: 2-0 names source word 2, counted from 0, of 2 | "),
        "{found}"
    );
    let found = error("0-1\n0:1\n");
    assert!(found.contains("a.align.gz:2: \"0:1\" is no link of two words | "), "{found}");
    for (text, lines) in [("0-1\n", 1), ("0-0\n\nwhatever\n0-0\n", 4)] {
        let found = error(text);
        let expected = format!("a.align.gz: {lines} lines, but 2 in ");
        assert!(
            found.contains(&expected) && found.contains("an empty line aligns none"),
            "{found}"
        );
    }
}

/// One token for each letter.
fn vocabularies() -> VocabularyPair {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 258 + 27);
    let learned = Vocabulary::train(["abcdefghijklmnopqrstuvwxyz"], &settings).unwrap().vocabulary;
    VocabularyPair { source: learned.clone(), target: learned }
}

/// Three corpora with known faults.
fn corpora(folder: &Path) -> Vec<Corpus> {
    let one = PairFiles::Aligned {
        source: write(folder, "a.en", "ab\n\ncd\nab\n"),
        target: write(folder, "a.de", "ba\nq\ndc\nba\n"),
        alignments: None,
    };
    let two = |name: &str, text: &str| PairFiles::TabSeparated {
        path: write(folder, name, text),
        columns: [1, 2],
    };
    // The tag makes another pair of `cd` and `dc`.
    let tagged = vec![two("b1.tsv", "cd\tdc\n\tx\nx\tx\n"), two("b2.tsv", "cd\tdc\n")];
    let corpus = |name: &str, files, tag: Option<&str>| Corpus {
        name: name.to_string(),
        files,
        tag: tag.map(str::to_string),
    };
    vec![
        corpus("plain", vec![one], None),
        corpus("tagged", tagged, Some("de")),
        corpus("again", vec![two("c.tsv", "ab\tba\nabcdefghijklmnop\tx\nyy\tzz\n")], None),
    ]
}

#[test]
fn corpora_are_surveyed_checked_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let corpora = corpora(folder.path());
    let survey = survey::<CorpusError>(&corpora, folder.path(), |_| Ok(())).unwrap();
    let counts: Vec<_> = survey
        .corpora
        .iter()
        .map(|census| (census.pairs, census.filled, census.identical))
        .collect();
    assert_eq!(counts, [(4, 4, 0), (4, 4, 0), (3, 3, 0)]);
    assert_eq!((survey.pairs(), survey.repeats), (11, 3));
    let repeats = Repeats::read(folder.path(), &survey, &corpora).unwrap();
    let of: Vec<_> = (0..11).filter_map(|pair| Some((pair, repeats.of(pair)?))).collect();
    let expected = [(3, "pair 1 of plain"), (7, "pair 1 of tagged"), (8, "pair 1 of plain")];
    assert_eq!(of, expected.map(|(pair, first)| (pair, first.to_string())));

    let limits = CorpusLimits {
        max_tokens_per_sentence: 12,
        duplicates: PairPolicy::LeaveOut,
        ..CorpusLimits::training()
    };
    let vocabularies = vocabularies();
    let filters: Vec<Vec<_>> = (0..3).map(|_| Vec::new()).collect();
    let checks = Checks {
        vocabularies: &vocabularies,
        limits: &limits,
        filters: &filters,
        scores: &[],
        repeats: &repeats,
        alternatives: 1,
    };
    let reports = write_pairs::<CorpusError>(&corpora, &checks, folder.path(), |_| Ok(())).unwrap();
    let kept: Vec<_> = reports.iter().map(|report| (report.pairs, report.kept)).collect();
    assert_eq!(kept, [(4, 2), (4, 2), (3, 1)]);
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(text(SOURCE_TEXT), "ab\ncd\nde cd\nde x\nyy\n");
    assert_eq!(text(TARGET_TEXT), "ba\ndc\ndc\nx\nzz\n");
    let left_out = text(LEFT_OUT);
    let rows: Vec<Vec<&str>> =
        left_out.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let short: Vec<_> = rows.iter().map(|row| (row[0], row[2], row[5], row[6])).collect();
    assert_eq!(
        short,
        [
            ("plain", "2", "pairs with an empty source", ""),
            ("plain", "4", "repetitions of an earlier pair", "as pair 1 of plain"),
            ("tagged", "2", "pairs with an empty source", ""),
            ("tagged", "1", "repetitions of an earlier pair", "as pair 1 of tagged"),
            ("again", "1", "repetitions of an earlier pair", "as pair 1 of plain"),
            ("again", "2", "pairs over the token limit", "18 source and 3 target tokens"),
        ]
    );
    let store = PairStore::open(folder.path()).unwrap();
    let parts: Vec<_> = store.parts().iter().map(|part| (part.name.as_str(), part.pairs)).collect();
    assert_eq!(parts, [("plain", 2), ("tagged", 2), ("again", 1)]);
    let pairs = store.read(1).unwrap();
    let decoded = |ids: &[u32]| vocabularies.source.decode(&ids[..ids.len() - 1]).unwrap();
    assert_eq!(decoded(pairs.pair(1).0), "de x");
}

/// More hashes than a heap keeps in memory.
#[test]
fn repetitions_are_found_over_files() {
    let folder = tempfile::tempdir().unwrap();
    let count = 64 * 8192 + 40_000;
    let text: String = (0..count).map(|n| format!("{}\tx\n", n % (count - 2000))).collect();
    let files = vec![PairFiles::TabSeparated {
        path: write(folder.path(), "a.tsv", &text),
        columns: [1, 2],
    }];
    let corpora = [Corpus { name: "a".to_string(), files, tag: None }];
    let survey = survey::<CorpusError>(&corpora, folder.path(), |_| Ok(())).unwrap();
    assert_eq!(survey.repeats, 2000);
    let repeats = Repeats::read(folder.path(), &survey, &corpora).unwrap();
    let first = count as u64 - 2000;
    assert_eq!(repeats.of(first - 1), None);
    assert_eq!(repeats.of(first).as_deref(), Some("line 1"));
    assert_eq!(repeats.of(first + 1999).as_deref(), Some("an earlier pair"));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "the text and the repetitions, no heap: {left:?}");
}

#[test]
fn a_sample_is_evenly_spaced() {
    let folder = tempfile::tempdir().unwrap();
    let text = |range: std::ops::Range<usize>| -> String {
        range.map(|n| format!("s{n}\tt{n}\n")).collect()
    };
    let files = |name: &str, range| PairFiles::TabSeparated {
        path: write(folder.path(), name, &text(range)),
        columns: [1, 2],
    };
    let corpora = [
        Corpus {
            name: "a".into(),
            files: vec![files("a.tsv", 0..6), files("b.tsv", 6..7)],
            tag: None,
        },
        Corpus { name: "b".into(), files: vec![files("c.tsv", 7..10)], tag: None },
    ];
    let failure = std::cell::RefCell::new(None);
    let lines = |sides, wanted| -> Vec<String> {
        SampledLines::new(&corpora, sides, wanted, 10, &failure).collect()
    };
    assert_eq!(lines(Sides::Target, 4), ["t2", "t4", "t7", "t9"]);
    assert_eq!(lines(Sides::Both, 2), ["s4", "t4", "s9", "t9"]);
    assert_eq!(lines(Sides::Source, 99).len(), 10);
    assert!(failure.take().is_none());
    fs::write(folder.path().join("b.tsv"), "one column\n").unwrap();
    assert_eq!(lines(Sides::Source, 99).len(), 6);
    assert!(said(&failure.take().unwrap()).contains("b.tsv:1: found 1 columns"));
}
