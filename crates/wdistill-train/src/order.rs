//! What rank 0 tells the others.

use wdistill_model::Vocabularies;
use wdistill_text::EncodedCorpus;

use crate::batch::Batch;
use crate::error::TrainError;
use crate::ranks::{Packet, Ranks, Unpack};
use crate::worker::Portion;

/// What is to be done; the first number of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Begin a training, of which the rest of the message and numbers behind it tell.
    Train,
    /// A piece of work of the program's own, which the rest of the message is.
    Work,
    /// Nothing more is to be done.
    Quit,
    /// An update of the training, from the batches that follow.
    Update,
    /// The losses of the current model in the batches that follow.
    Loss,
    /// The losses of a model whose weights come behind the message.
    LossOf,
    /// The translations of sentences that follow, by the current model.
    Decode,
    /// The same by a model whose weights come behind the message.
    DecodeOf,
    /// Everything that training changes.
    State,
    /// The moving average.
    Averages,
    /// Go on from a state that comes behind the message.
    Restore,
    /// The training is over.
    End,
}

const ORDERS: [Order; 12] = [
    Order::Train,
    Order::Work,
    Order::Quit,
    Order::Update,
    Order::Loss,
    Order::LossOf,
    Order::Decode,
    Order::DecodeOf,
    Order::State,
    Order::Averages,
    Order::Restore,
    Order::End,
];

impl Order {
    /// The order of a message, whose rest is left.
    pub fn read(message: &mut Unpack<'_>) -> Order {
        ORDERS[message.count()]
    }

    /// A message that begins with it.
    pub fn packet(self) -> Packet {
        Packet::of(self as u64)
    }

    /// Tells it to all the others, with nothing else.
    pub fn tell(self, ranks: &dyn Ranks) -> Result<(), TrainError> {
        let message = self.packet().into_bytes();
        (1..ranks.count()).try_for_each(|other| ranks.send(other, &message))
    }
}

/// Writes some pairs of a corpus.
fn write_pairs(packet: &mut Packet, corpus: &EncodedCorpus, pairs: &[usize]) {
    packet.number(pairs.len() as u64);
    for pair in pairs {
        let (source, target) = corpus.pair(*pair);
        packet.ids(source);
        packet.ids(target);
        packet.links(corpus.links(*pair));
    }
}

/// A batch of written pairs, if there are any.
fn read_batch(message: &mut Unpack<'_>, vocabularies: &Vocabularies) -> Option<Batch> {
    let count = message.count();
    let mut links = Vec::new();
    let pair = |_| {
        let sides = (message.ids(), message.ids());
        links.push(message.links());
        sides
    };
    let pairs: Vec<_> = (0..count).map(pair).collect();
    let slices = pairs.iter().map(|(source, target)| (&source[..], &target[..]));
    (!pairs.is_empty()).then(|| Batch::of(slices, vocabularies).with_links(links))
}

/// An update that is divided into shares.
pub(crate) struct Divided<'b> {
    pub batches: &'b [EncodedCorpus],
    /// Of each batch the pairs of each share, of which the last may be missing.
    pub shares: Vec<Vec<Vec<usize>>>,
    pub number: u64,
    /// What the rate is multiplied by.
    pub rate_factor: f64,
}

impl Divided<'_> {
    /// Target tokens.
    pub fn tokens(&self) -> usize {
        let of_batch = |batch: &EncodedCorpus| -> usize {
            (0..batch.len()).map(|pair| batch.pair(pair).1.len()).sum()
        };
        self.batches.iter().map(of_batch).sum()
    }

    /// Of each batch the pairs of some shares.
    fn some(&self, shares: std::ops::Range<usize>) -> impl Iterator<Item = Vec<&[usize]>> {
        self.shares.iter().map(move |of_batch| {
            let pairs = |share: usize| of_batch.get(share).map_or(&[][..], Vec::as_slice);
            shares.clone().map(pairs).collect()
        })
    }

    /// The portion of the one who has some shares.
    pub fn portion(&self, shares: std::ops::Range<usize>, vocabularies: &Vocabularies) -> Portion {
        let packed = |(corpus, of_batch): (&EncodedCorpus, Vec<&[usize]>)| {
            let pack = |pairs: &[usize]| {
                (!pairs.is_empty()).then(|| Batch::new(corpus, pairs, vocabularies))
            };
            of_batch.into_iter().map(pack).collect()
        };
        Portion {
            batches: self.batches.iter().zip(self.some(shares)).map(packed).collect(),
            tokens: self.tokens(),
            number: self.number,
            rate_factor: self.rate_factor,
        }
    }

    /// The same portion as a message.
    pub fn message(&self, shares: std::ops::Range<usize>, tokens: usize) -> Vec<u8> {
        let mut packet = Order::Update.packet();
        let factor = self.rate_factor.to_bits();
        let sizes =
            [self.number, factor, tokens as u64, self.batches.len() as u64, shares.len() as u64];
        sizes.into_iter().for_each(|size| packet.number(size));
        for (corpus, of_batch) in self.batches.iter().zip(self.some(shares)) {
            of_batch.into_iter().for_each(|pairs| write_pairs(&mut packet, corpus, pairs));
        }
        packet.into_bytes()
    }
}

/// The portion that a message holds behind its order.
pub(crate) fn read_portion(message: &mut Unpack<'_>, vocabularies: &Vocabularies) -> Portion {
    let number = message.number();
    let rate_factor = f64::from_bits(message.number());
    let [tokens, batches, shares] = std::array::from_fn(|_| message.count());
    let mut batch = || (0..shares).map(|_| read_batch(message, vocabularies)).collect();
    let batches = (0..batches).map(|_| batch()).collect();
    Portion { batches, tokens, number, rate_factor }
}

/// Batches of a text, as a message of this order.
pub(crate) fn batches_message(order: Order, text: &EncodedCorpus, batches: &[&[usize]]) -> Vec<u8> {
    let mut packet = order.packet();
    packet.number(batches.len() as u64);
    batches.iter().for_each(|pairs| write_pairs(&mut packet, text, pairs));
    packet.into_bytes()
}

/// The batches that such a message holds behind its order.
pub(crate) fn read_batches(message: &mut Unpack<'_>, vocabularies: &Vocabularies) -> Vec<Batch> {
    let count = message.count();
    let batch = |_| read_batch(message, vocabularies).expect("no batch is empty");
    (0..count).map(batch).collect()
}
