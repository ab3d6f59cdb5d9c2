//! Finding all strings of a set that start at a place in a text.

use std::collections::VecDeque;
use std::ops::Range;

/// Marks a node at which no string ends.
const NO_VALUE: u32 = u32::MAX;

/// A trie over the bytes of strings. The children of a node lie side by side, sorted by label.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    labels: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    first_child: u32,
    children: u16,
    value: u32,
}

impl Trie {
    /// A trie that gives each string its number; the strings must differ and not be empty.
    ///
    /// Its memory is a few times that of the strings.
    pub(crate) fn new<'text>(strings: impl IntoIterator<Item = (&'text str, u32)>) -> Self {
        let mut sorted: Vec<(&[u8], u32)> =
            strings.into_iter().map(|(text, value)| (text.as_bytes(), value)).collect();
        sorted.sort_unstable();
        let mut trie = Self::default();
        trie.push(0);
        let mut waiting = VecDeque::from([(0, 0..sorted.len(), 0)]);
        while let Some((node, range, depth)) = waiting.pop_front() {
            trie.grow(node, &sorted, range, depth, &mut waiting);
        }
        trie
    }

    fn push(&mut self, label: u8) {
        self.nodes.push(Node { first_child: 0, children: 0, value: NO_VALUE });
        self.labels.push(label);
    }

    /// Gives `node` its value and children; `range` are the strings that pass through it, which
    /// agree in their first `depth` bytes.
    fn grow(
        &mut self,
        node: usize,
        sorted: &[(&[u8], u32)],
        mut range: Range<usize>,
        depth: usize,
        waiting: &mut VecDeque<(usize, Range<usize>, usize)>,
    ) {
        if let Some(&(text, value)) = sorted[range.clone()].first()
            && text.len() == depth
        {
            self.nodes[node].value = value;
            range.start += 1;
        }
        self.nodes[node].first_child = self.nodes.len() as u32;
        while !range.is_empty() {
            let label = sorted[range.start].0[depth];
            let same = sorted[range.clone()].partition_point(|(text, _)| text[depth] <= label);
            let child = self.nodes.len();
            self.push(label);
            self.nodes[node].children += 1;
            waiting.push_back((child, range.start..range.start + same, depth + 1));
            range.start += same;
        }
    }

    /// Visits the strings that `text` starts with, from the shortest: their length and number.
    pub(crate) fn for_each_prefix(&self, text: &[u8], mut visit: impl FnMut(usize, u32)) {
        let Some(mut node) = self.nodes.first() else { return };
        for (index, byte) in text.iter().enumerate() {
            let first = node.first_child as usize;
            let labels = &self.labels[first..first + usize::from(node.children)];
            let Ok(child) = labels.binary_search(byte) else { return };
            node = &self.nodes[first + child];
            if node.value != NO_VALUE {
                visit(index + 1, node.value);
            }
        }
    }

    /// The length of the longest string that `text` starts with.
    pub(crate) fn longest_prefix(&self, text: &[u8]) -> Option<usize> {
        let mut longest = None;
        self.for_each_prefix(text, |length, _| longest = Some(length));
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(trie: &Trie, text: &str) -> Vec<(usize, u32)> {
        let mut found = Vec::new();
        trie.for_each_prefix(text.as_bytes(), |length, value| found.push((length, value)));
        found
    }

    #[test]
    fn all_prefixes_are_found_from_the_shortest() {
        let trie = Trie::new([("abc", 3), ("a", 1), ("ab", 2), ("b", 4), ("ä", 5), ("aä", 6)]);
        assert_eq!(prefixes(&trie, "abcd"), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(prefixes(&trie, "aä"), [(1, 1), (3, 6)]);
        assert_eq!(prefixes(&trie, "ö"), []);
        assert_eq!(prefixes(&trie, ""), []);
        assert_eq!(trie.longest_prefix("abx".as_bytes()), Some(2));
        assert_eq!(trie.longest_prefix("x".as_bytes()), None);
    }

    #[test]
    fn an_empty_trie_finds_nothing() {
        assert_eq!(prefixes(&Trie::new([]), "a"), []);
        assert_eq!(prefixes(&Trie::default(), "a"), []);
    }
}
