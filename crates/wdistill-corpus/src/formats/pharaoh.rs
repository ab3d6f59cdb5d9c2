//! Word alignments in Pharaoh's format, as fast_align, eflomal and awesome-align write them: a line for each pair, `0-0 1-2`,
//! places of a source word and of a target word that belong together, counted from 0.

use std::path::Path;

use wdistill_text::LineReader;

use super::content;
use crate::error::CorpusError;

/// A file of alignments that is read line by line.
pub(crate) struct Pharaoh {
    lines: LineReader<'static>,
}

impl Pharaoh {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> Result<Pharaoh, CorpusError> {
        Ok(Pharaoh { lines: LineReader::open(path)? })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        self.lines.path()
    }

    /// The next pair's alignment, which is that of these sides; none at the end.
    pub(crate) fn next(
        &mut self,
        sides: [&str; 2],
    ) -> Result<Option<Vec<[usize; 2]>>, CorpusError> {
        let Some(line) = self.lines.next_line()? else { return Ok(None) };
        let found = links(line, sides);
        let number = self.lines.count();
        found.map(Some).map_err(|(fact, hint)| content(self.lines.path(), number, fact, hint))
    }

    /// How many lines there are, of which some were read.
    pub(crate) fn count_all(&mut self) -> Result<usize, CorpusError> {
        while self.lines.next_line()?.is_some() {}
        Ok(self.lines.count())
    }
}

/// The places of words that a line says.
fn links(line: &str, sides: [&str; 2]) -> Result<Vec<[usize; 2]>, (String, &'static str)> {
    let words = sides.map(|side| side.split_ascii_whitespace().count());
    let link = |text: &str| {
        let places = text
            .split_once('-')
            .and_then(|(source, target)| Some([place(source)?, place(target)?]));
        let Some(places) = places else {
            let fact = format!("{text:?} is no link of two words");
            return Err((
                fact,
                "expected places such as 0-0 1-2: source word, target word, from 0",
            ));
        };
        for (side, (place, words)) in ["source", "target"].iter().zip(places.iter().zip(words)) {
            if *place >= words {
                let fact = format!("{text} names {side} word {place}, counted from 0, of {words}");
                return Err((
                    fact,
                    "the alignments are of the same lines, divided by spaces as they stand here, and source comes first",
                ));
            }
        }
        Ok(places)
    };
    line.split_ascii_whitespace().map(link).collect()
}

/// A place in digits alone.
fn place(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn links_are_places_of_words() {
        let sides = ["two dogs run", " zwei  Hunde\tlaufen "];
        assert_eq!(links("0-0 1-1\t2-2 ", sides).unwrap(), [[0, 0], [1, 1], [2, 2]]);
        assert_eq!(links("", sides).unwrap(), [[0usize; 2]; 0]);
        for wrong in
            ["0", "0-", "-1", "0-1-2", "a-b", "0p1", "+0-1", "0-1:0.5", "99999999999999999999-0"]
        {
            let (fact, _) = links(wrong, sides).unwrap_err();
            assert_eq!(fact, format!("{wrong:?} is no link of two words"));
        }
        let (fact, _) = links("0-0 3-1", sides).unwrap_err();
        assert_eq!(fact, "3-1 names source word 3, counted from 0, of 3");
        let (fact, _) = links("0-7", sides).unwrap_err();
        assert_eq!(fact, "0-7 names target word 7, counted from 0, of 3");
        assert!(links("0-0", ["", "x"]).is_err());
    }
}
