//! What messages are made of: numbers and texts, one after the other. Only ranks of the same program read them.

use wdistill_autograd::LossSums;
use wdistill_base::Problem;
use wdistill_text::Link;

use crate::error::TrainError;

/// A message that is being written.
#[derive(Default)]
pub(crate) struct Packet(Vec<u8>);

impl Packet {
    /// A message that begins with a number.
    pub fn of(number: u64) -> Packet {
        let mut packet = Packet::default();
        packet.number(number);
        packet
    }

    pub fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    pub fn real(&mut self, number: f64) {
        self.number(number.to_bits());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub fn reals(&mut self, numbers: &[f64]) {
        self.number(numbers.len() as u64);
        numbers.iter().for_each(|number| self.real(*number));
    }

    pub fn ids(&mut self, ids: &[u32]) {
        self.number(ids.len() as u64);
        self.0.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    }

    /// Links of tokens, or that none are given.
    pub fn links(&mut self, links: Option<&[Link]>) {
        self.number(links.map_or(0, |links| links.len() as u64 + 1));
        let numbers = links.into_iter().flatten().flatten();
        self.0.extend(numbers.flat_map(|token| token.to_le_bytes()));
    }

    pub fn loss(&mut self, loss: &LossSums) {
        let LossSums { smoothed, negative_log_likelihood, correct, tokens, inside } = *loss;
        [smoothed, negative_log_likelihood, inside].into_iter().for_each(|sum| self.real(sum));
        [correct, tokens].into_iter().for_each(|count| self.number(count));
    }

    /// A problem of the rank of this name.
    pub fn problem(&mut self, name: &str, Problem { fact, hint }: Problem) {
        let texts = [name, &fact, &hint.unwrap_or_default()];
        texts.into_iter().for_each(|text| self.bytes(text.as_bytes()));
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A message that is being read, in the order in which it was written.
pub(crate) struct Unpack<'a>(pub &'a [u8]);

impl<'a> Unpack<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        head
    }

    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    /// A number of things.
    pub fn count(&mut self) -> usize {
        self.number() as usize
    }

    pub fn real(&mut self) -> f64 {
        f64::from_bits(self.number())
    }

    pub fn bytes(&mut self) -> &'a [u8] {
        let length = self.count();
        self.take(length)
    }

    /// The same of a message that may be another one than is waited for; none if it is.
    pub fn bytes_if_there(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (bytes, rest) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(bytes)
    }

    pub fn reals(&mut self) -> Vec<f64> {
        (0..self.count()).map(|_| self.real()).collect()
    }

    pub fn ids(&mut self) -> Vec<u32> {
        let count = self.count();
        let (ids, _) = self.take(4 * count).as_chunks();
        ids.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
    }

    pub fn links(&mut self) -> Option<Vec<Link>> {
        let count = self.count().checked_sub(1)?;
        let (links, _) = self.take(4 * count).as_chunks();
        let link = |&[a, b, c, d]: &[u8; 4]| [[a, b], [c, d]].map(u16::from_le_bytes);
        Some(links.iter().map(link).collect())
    }

    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub fn error(&mut self) -> TrainError {
        let [name, fact, hint] = std::array::from_fn(|_| self.text());
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        TrainError::Rank { name, problem: Problem { fact, hint } }
    }

    pub fn loss(&mut self) -> LossSums {
        let [smoothed, negative_log_likelihood, inside] = std::array::from_fn(|_| self.real());
        let [correct, tokens] = std::array::from_fn(|_| self.number());
        LossSums { smoothed, negative_log_likelihood, correct, tokens, inside }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_no_list_of_texts() {
        let mut packet = Packet::default();
        packet.bytes(b"one");
        packet.bytes(b"");
        let texts = packet.into_bytes();
        let mut unpack = Unpack(&texts);
        let read = [(); 3].map(|()| unpack.bytes_if_there());
        assert_eq!(read, [Some(&b"one"[..]), Some(&b""[..]), None]);
        for order in 0..20 {
            let message = Packet::of(order).into_bytes();
            let mut unpack = Unpack(&message);
            // A text may be empty, but there is not one of every rank.
            assert_eq!(unpack.bytes_if_there().and_then(|_| unpack.bytes_if_there()), None);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut packet = Packet::of(7);
        packet.bytes("äö".as_bytes());
        packet.reals(&[f64::INFINITY, -0.0, 1.0 / 3.0]);
        packet.ids(&[u32::MAX, 0, 5]);
        let loss =
            LossSums { smoothed: 0.1, correct: 3, tokens: 4, inside: 2.5, ..LossSums::default() };
        packet.loss(&loss);
        let bytes = packet.into_bytes();
        let mut unpack = Unpack(&bytes);
        assert_eq!(unpack.number(), 7);
        assert_eq!(unpack.bytes(), "äö".as_bytes());
        let reals: Vec<u64> = unpack.reals().into_iter().map(f64::to_bits).collect();
        assert_eq!(reals, [f64::INFINITY, -0.0, 1.0 / 3.0].map(f64::to_bits));
        assert_eq!(unpack.ids(), [u32::MAX, 0, 5]);
        let found = unpack.loss();
        assert_eq!((found.smoothed, found.correct, found.tokens, found.inside), (0.1, 3, 4, 2.5));
        assert!(unpack.0.is_empty());
    }
}
