//! Which tokens belong to which word, and the links of tokens that links of words make.

use std::path::Path;
use wdistill_text::{
    DummySpace, NormalizerParts, PieceKind, SentencePiece, SentencePieceModel, SentencePieceParts,
    SubwordNmtCodes, TokenList, Vocabulary, token_links,
};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

fn imported(name: &str) -> Vocabulary {
    let model = SentencePieceModel::from_bytes(&fixture(&format!("sentence_piece/{name}.spm")));
    Vocabulary::from_sentence_piece(model.unwrap()).unwrap()
}

fn native(name: &str) -> Vocabulary {
    Vocabulary::from_json(&fixture(&format!("native_export/{name}.json"))).unwrap()
}

/// A model of equally likely pieces.
fn small(texts: &[&str], normalizer: NormalizerParts) -> Vocabulary {
    let piece = |text: &str, kind| SentencePiece { text: text.to_owned(), score: -1.0, kind };
    let special = [piece("<unk>", PieceKind::Unknown), piece("</s>", PieceKind::Control)];
    let pieces = texts.iter().map(|text| piece(text, PieceKind::Normal));
    let pieces = special.into_iter().chain(pieces).collect();
    let parts = SentencePieceParts { pieces, normalizer, ..SentencePieceParts::default() };
    Vocabulary::from_sentence_piece(SentencePieceModel::new(parts).unwrap()).unwrap()
}

fn listed(tokens: &[&str]) -> TokenList {
    let tokens = ["</s>", "<unk>"].iter().chain(tokens).map(|token| token.to_string()).collect();
    TokenList { tokens, end: 0, unknown: 1, controls: Vec::new() }
}

/// The tokens of each word.
fn by_word(vocabulary: &Vocabulary, line: &str) -> Option<Vec<Vec<String>>> {
    let ids = vocabulary.encode(line);
    let ends = vocabulary.word_ends(line, &ids)?;
    assert_eq!(ends.last(), Some(&ids.len()), "{line}");
    let mut start = 0;
    let mut word = |end: usize| {
        let tokens = ids[start..end].iter().map(|id| vocabulary.piece(*id).unwrap().to_owned());
        start = end;
        tokens.collect()
    };
    Some(ends.into_iter().map(&mut word).collect())
}

/// What the tokens of each word spell.
fn spelled(vocabulary: &Vocabulary, line: &str) -> Vec<String> {
    by_word(vocabulary, line).expect(line).iter().map(|tokens| tokens.concat()).collect()
}

#[test]
fn tokens_are_those_of_their_words() {
    let codes = SubwordNmtCodes::from_bytes(b"#version: 0.2\na b\nd o\ndo g</w>\n").unwrap();
    let list = listed(&["ab@@", "c", "a", "dog", "s"]);
    let codes = Vocabulary::from_subword_nmt(codes, list).unwrap();
    assert_eq!(by_word(&codes, "abc  dog a").unwrap(), [vec!["ab@@", "c"], vec!["dog"], vec!["a"]]);
    let words = Vocabulary::from_words(listed(&["two", "dogs"])).unwrap();
    assert_eq!(by_word(&words, " two cats ").unwrap(), [["two"], ["<unk>"]]);
    for vocabulary in [native("bpe_nmt_nfkc"), native("unigram_nmt_nfkc"), native("unigram")] {
        let expected = ["▁two", "▁dogs<0xE2><0x98><0x83>", "▁running."];
        assert_eq!(spelled(&vocabulary, "two dogs☃ running."), expected);
    }
    // Blanks that fold, that stay, and that stand behind a word.
    for vocabulary in [native("bpe_nmt_nfkc"), imported("unigram_unused"), imported("bpe")] {
        assert_eq!(spelled(&vocabulary, " two  dogs "), ["▁two", "▁dogs"]);
    }
    assert_eq!(spelled(&native("bpe"), "two  dogs "), ["▁two", "▁▁dogs▁"]);
    assert_eq!(spelled(&imported("bpe_symbols"), "a  dog [A]"), ["a", "▁▁dog", "▁[A]"]);
    let suffix = NormalizerParts { dummy_space: DummySpace::Back, ..NormalizerParts::default() };
    assert_eq!(spelled(&small(&["▁", "a", "a▁", "b▁"], suffix), "a b"), ["a▁", "b▁"]);
}

#[test]
fn tokens_that_cross_words_are_none_s() {
    let texts = ["▁", "a", "b", "▁b", "▁a▁b"];
    let vocabulary = small(&texts, NormalizerParts::default());
    assert_eq!(vocabulary.word_ends("b b", &vocabulary.encode("b b")), Some(vec![1, 2]));
    assert_eq!(vocabulary.word_ends("a b", &vocabulary.encode("a b")), None);
    // A tabulator has tokens of its own.
    assert_eq!(by_word(&native("bpe"), "two\tdogs"), None);
    assert!(by_word(&native("bpe_nmt_nfkc"), "two\tdogs").is_some());
}

#[test]
fn every_token_of_a_word_is_linked_with_every_token_of_the_other() {
    let vocabulary = native("bpe_nmt_nfkc");
    let ends = |line: &str| vocabulary.word_ends(line, &vocabulary.encode(line)).unwrap();
    let (source, target) = ("two dogs", "Hunde ☃");
    let (of_source, of_target) = (ends(source), ends(target));
    let snowman = of_target[1] - of_target[0];
    assert!(snowman >= 3, "a character in bytes");
    let links = token_links(&[[1, 1], [1, 1]], [&of_source, &of_target]);
    assert_eq!(links.len(), (of_source[1] - of_source[0]) * snowman);
    let links = token_links(&[[1, 0], [0, 1], [0, 0]], [&[2, 3], &[1, 3]]);
    assert_eq!(links, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [2, 0]]);
    assert!(token_links(&[], [&[], &[]]).is_empty());
}
