//! Byte pair encoding as subword-nmt applies it (Sennrich et al. 2016): codes files, those of fastBPE
//! included, and cutting words into subwords.

use wdistill_base::{FileError, Problem};

use crate::cut::Cut;
use crate::error::{Problems, TextError, shown};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::Path;

/// Marks the end of a word inside the codes.
const END_OF_WORD: &str = "</w>";

/// Follows every subword but a word's last one.
pub(crate) const SEPARATOR: &str = "@@";

/// How the end of a word takes part in merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodesVersion {
    /// `0.1`, and files without a version: `</w>` is a symbol of its own behind the last character.
    EndMarkerApart,
    /// `0.2`: `</w>` belongs to the last character.
    EndMarkerJoined,
}

/// The merges of a codes file, ready to use. Equal codes have the same version and merges.
#[derive(Clone, Debug)]
pub struct SubwordNmtCodes {
    version: CodesVersion,
    merges: Vec<(String, String)>,
    /// Numbers of the symbols that take part in merges.
    symbols: HashMap<String, u32>,
    /// For two symbols the rank of their merge, and the symbol that they become.
    ranks: HashMap<(u32, u32), (u32, u32)>,
}

/// The number of all symbols that take part in no merge.
const NO_SYMBOL: u32 = u32::MAX;

impl PartialEq for SubwordNmtCodes {
    fn eq(&self, other: &Self) -> bool {
        (self.version, &self.merges) == (other.version, &other.merges)
    }
}

/// What [`TextError::Unusable`] expected.
const WHAT: &str = "codes of subword-nmt";

impl SubwordNmtCodes {
    /// Codes from their merges by rank. Of equal merges the first counts.
    ///
    /// # Errors
    /// [`TextError::Unusable`] without merges, and for parts that are empty or hold a space or a line
    /// feed.
    pub fn new(version: CodesVersion, merges: Vec<(String, String)>) -> Result<Self, TextError> {
        let mut problems = Problems::default();
        if merges.is_empty() {
            problems.push(|| "no merges".to_owned());
        }
        let broken = |part: &String| part.is_empty() || part.contains([' ', '\n', '\r']);
        for (index, (left, right)) in merges.iter().enumerate() {
            if broken(left) || broken(right) {
                problems.push(|| {
                    format!(
                        "merge {index} of {} and {}, expected two parts without spaces",
                        shown(left),
                        shown(right)
                    )
                });
            }
        }
        problems.into_result().map_err(|problems| unusable("the given merges", problems))?;
        Ok(Self::from_merges(version, merges))
    }

    fn from_merges(version: CodesVersion, merges: Vec<(String, String)>) -> Self {
        let mut symbols = HashMap::new();
        for part in merges.iter().flat_map(|(left, right)| [left, right]) {
            let next = symbols.len() as u32;
            symbols.entry(part.clone()).or_insert(next);
        }
        let mut ranks = HashMap::with_capacity(merges.len());
        for ((left, right), rank) in merges.iter().zip(0..) {
            let joined = symbols.get(&format!("{left}{right}")).copied().unwrap_or(NO_SYMBOL);
            ranks.entry((symbols[left], symbols[right])).or_insert((rank, joined));
        }
        Self { version, merges, symbols, ranks }
    }

    /// Reads the content of a codes file: perhaps `#version: 0.2`, then two parts on each line. Codes of
    /// fastBPE, which have a count as third part and no version, are those of version 0.2.
    ///
    /// # Errors
    /// [`TextError::Unusable`] with the numbers of all lines that are not as expected.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TextError> {
        Self::from_bytes_of(bytes, "the given bytes")
    }

    /// Reads a codes file.
    ///
    /// # Errors
    /// [`TextError::File`] when it cannot be read; what [`Self::from_bytes`] brings, with the path.
    pub fn load(path: &Path) -> Result<Self, TextError> {
        let bytes = std::fs::read(path).map_err(FileError::when("read", path))?;
        Self::from_bytes_of(&bytes, &path.display().to_string())
    }

    fn from_bytes_of(bytes: &[u8], origin: &str) -> Result<Self, TextError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
            let problem = format!("{origin}:{line}: byte {at} of the file is not valid UTF-8");
            unusable(origin, vec![problem.into()])
        })?;
        let mut problems = Problems::default();
        let (version, merges) = parse(text, origin, &mut problems);
        if merges.is_empty() {
            problems.push(|| format!("{origin}: no merges"));
        }
        problems.into_result().map_err(|problems| unusable(origin, problems))?;
        Ok(Self::from_merges(version, merges))
    }

    /// How the end of a word takes part.
    pub fn version(&self) -> CodesVersion {
        self.version
    }

    /// The merges by rank.
    pub fn merges(&self) -> &[(String, String)] {
        &self.merges
    }

    /// The subwords of a line, each but a word's last one with `@@` behind it: what
    /// `subword-nmt apply-bpe` writes, without glossaries and without a vocabulary threshold.
    ///
    /// Only spaces separate words, as in subword-nmt: a tab is part of a word.
    pub fn segment(&self, line: &str) -> Vec<String> {
        let mut subwords = Vec::new();
        for word in words_of(line) {
            self.cut_word(word, &mut Cut::Best, |subword| subwords.push(subword.to_owned()));
        }
        subwords
    }

    /// Visits the subwords of a word in order.
    pub(crate) fn cut_word(&self, word: &str, cut: &mut Cut<'_>, mut visit: impl FnMut(&str)) {
        let mut marked = String::new();
        let mut start = 0;
        for end in self.cuts(word, cut) {
            marked.clear();
            marked.push_str(&word[start..end]);
            marked.push_str(SEPARATOR);
            visit(&marked);
            start = end;
        }
        visit(&word[start..]);
    }

    /// Where a word is cut, in bytes.
    fn cuts(&self, word: &str, cut: &mut Cut<'_>) -> Vec<usize> {
        if word.chars().nth(1).is_none() {
            return Vec::new();
        }
        let mut symbols = self.symbols_of(word);
        let mut agenda = BinaryHeap::new();
        for left in 0..symbols.len() - 1 {
            self.propose(&symbols, left, left + 1, &mut agenda);
        }
        let mut same = Vec::new();
        while let Some(&Reverse((rank, ..))) = agenda.peek() {
            // All places of one merge come before any better one that they bring about.
            while let Some(&Reverse((found, left, right))) = agenda.peek()
                && found == rank
            {
                same.push((left, right));
                agenda.pop();
            }
            for (left, right) in same.drain(..) {
                if !cut.drops() {
                    self.merge(&mut symbols, left, right, rank, &mut agenda);
                }
            }
        }
        let starts = symbols.iter().filter(|symbol| symbol.state == State::Alive);
        // A marker that stands alone is no subword.
        starts.map(|symbol| symbol.start).filter(|&start| start > 0 && start < word.len()).collect()
    }

    fn symbols_of(&self, word: &str) -> Vec<Symbol> {
        let number = |text: &str| self.symbols.get(text).copied().unwrap_or(NO_SYMBOL);
        let mut texts: Vec<(usize, u32)> = Vec::with_capacity(word.len() + 1);
        let mut buffer = [0; 4];
        for (start, character) in word.char_indices() {
            texts.push((start, number(character.encode_utf8(&mut buffer))));
        }
        match (self.version, word.char_indices().next_back()) {
            (CodesVersion::EndMarkerJoined, Some((start, _))) => {
                texts.pop();
                texts.push((start, number(&format!("{}{END_OF_WORD}", &word[start..]))));
            }
            _ => texts.push((word.len(), number(END_OF_WORD))),
        }
        let last = texts.len() - 1;
        let symbol = |(index, (start, number)): (usize, (usize, u32))| Symbol {
            start,
            number,
            previous: index.checked_sub(1),
            next: Some(index + 1).filter(|&next| next <= last),
            state: State::Alive,
        };
        texts.into_iter().enumerate().map(symbol).collect()
    }

    fn propose(&self, symbols: &[Symbol], left: usize, right: usize, agenda: &mut Agenda) {
        let pair = (symbols[left].number, symbols[right].number);
        if let Some(&(rank, _)) = self.ranks.get(&pair) {
            agenda.push(Reverse((rank, left, right)));
        }
    }

    /// Merges two symbols if they still stand side by side and have the merge of this rank.
    fn merge(
        &self,
        symbols: &mut [Symbol],
        left: usize,
        right: usize,
        rank: u32,
        agenda: &mut Agenda,
    ) {
        let alive = symbols[left].state == State::Alive && symbols[left].next == Some(right);
        let pair = (symbols[left].number, symbols[right].number);
        let joined = match self.ranks.get(&pair) {
            Some(&(found, joined)) if alive && found == rank => joined,
            _ => return,
        };
        let next = symbols[right].next;
        symbols[right].state = State::Merged;
        symbols[left].number = joined;
        symbols[left].next = next;
        if let Some(next) = next {
            symbols[next].previous = Some(left);
            self.propose(symbols, left, next, agenda);
        }
        if let Some(previous) = symbols[left].previous {
            self.propose(symbols, previous, left, agenda);
        }
    }
}

/// The words of a line.
pub(crate) fn words_of(line: &str) -> impl Iterator<Item = &str> {
    line.trim_matches(['\r', '\n', ' ']).split(' ').filter(|word| !word.is_empty())
}

/// Pairs to merge: rank, left and right symbol; the lowest rank and then the leftmost come first.
type Agenda = BinaryHeap<Reverse<(u32, usize, usize)>>;

/// A stretch of a word that is one symbol so far. The first of two merged ones takes over.
struct Symbol {
    start: usize,
    number: u32,
    previous: Option<usize>,
    next: Option<usize>,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Alive,
    Merged,
}

/// The version and merges of a file; what is not as expected goes into `problems`.
fn parse(
    text: &str,
    origin: &str,
    problems: &mut Problems,
) -> (CodesVersion, Vec<(String, String)>) {
    let mut lines = text.trim_end_matches('\n').split('\n').zip(1..).peekable();
    let mut form = Form::SubwordNmt(CodesVersion::EndMarkerApart);
    if let Some((first, _)) = lines.next_if(|(line, _)| line.starts_with("#version:")) {
        match parse_version(first) {
            Some(found) => form = Form::SubwordNmt(found),
            None => problems
                .push(|| format!("{origin}:1: {}, expected #version: 0.1 or 0.2", shown(first))),
        }
    } else if lines.peek().is_some_and(|(first, _)| merge_with_count(first).is_some()) {
        form = Form::FastBpe;
    }
    let mut merges = Vec::new();
    for (line, number) in lines {
        let merge = match form {
            Form::SubwordNmt(_) => merge_alone(line),
            Form::FastBpe => merge_with_count(line),
        };
        match merge {
            Some((left, right)) => merges.push((left.to_owned(), right.to_owned())),
            None => problems.push(|| form.problem(format!("{origin}:{number}: {}", shown(line)))),
        }
    }
    let version = match form {
        Form::SubwordNmt(version) => version,
        Form::FastBpe => CodesVersion::EndMarkerJoined,
    };
    (version, merges)
}

/// Whose codes a file holds.
#[derive(Clone, Copy)]
enum Form {
    SubwordNmt(CodesVersion),
    /// A count follows each merge; words are cut as with version 0.2.
    FastBpe,
}

impl Form {
    /// What is wrong with a line that holds no merge.
    fn problem(self, line: String) -> Problem {
        match self {
            Form::SubwordNmt(_) => Problem::with_hint(
                format!("{line}, expected two parts with one space between"),
                "the file is made by learn_bpe, not by apply_bpe or get_vocab",
            ),
            Form::FastBpe => format!(
                "{line}, expected two parts and a count with one space between each, as in the first line"
            )
            .into(),
        }
    }
}

/// Three parts of a line at most, and a fourth if there are more.
fn parts(line: &str) -> Vec<&str> {
    line.trim_matches(['\r', '\n', ' ']).split(' ').take(4).collect()
}

fn merge_alone(line: &str) -> Option<(&str, &str)> {
    match parts(line)[..] {
        [left, right] => Some((left, right)),
        _ => None,
    }
}

fn merge_with_count(line: &str) -> Option<(&str, &str)> {
    match parts(line)[..] {
        [left, right, count] if !right.is_empty() && count.parse::<u64>().is_ok() => {
            Some((left, right))
        }
        _ => None,
    }
}

fn parse_version(line: &str) -> Option<CodesVersion> {
    let mut parts: Vec<&str> = line.split_whitespace().next_back()?.split('.').collect();
    // Zeros at the end count nothing, as in 0.2.0.
    while parts.len() > 1 && parts.last().is_some_and(|part| part.bytes().all(|b| b == b'0')) {
        parts.pop();
    }
    match parts[..] {
        ["0", "1"] => Some(CodesVersion::EndMarkerApart),
        ["0", "2"] => Some(CodesVersion::EndMarkerJoined),
        _ => None,
    }
}

fn unusable(origin: &str, problems: Vec<Problem>) -> TextError {
    TextError::Unusable { origin: origin.to_owned(), what: WHAT, problems }
}
