//! Which sentences are translated next, when there are more than can be translated at once.
//!
//! Requests share the decoder as flows share a line in weighted fair queueing (Demers, Keshav and Shenker, 1989, with
//! equal weights): each has a *tag*, the virtual time up to which it has been served, and the one with the smallest
//! tag goes first. A sentence costs its tokens; a request's tag grows by what is done for it, and the clock, where a
//! new request's tag begins, by what is done divided by the number of requests that wait. So a request of one sentence
//! does not wait for the thousand sentences of another, and however many short ones come, the long one gets its share.
//!
//! This file knows numbers only: no text, no model, no thread.

/// Tokens that a short sentence counts for: its translation may be longer.
const LEAST_COST: u64 = 16;

/// A request, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What sentences of one batch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Number of the model.
    pub model: u64,
    /// Translations wanted of each sentence.
    pub n_best: usize,
    /// What is wanted besides.
    pub besides: Besides,
}

/// What is wanted besides translations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Besides {
    /// Nothing.
    Nothing,
    /// Which words the words of the best translation come from.
    Alignments,
}

/// How large a batch may be.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Most sentences.
    pub sentences: usize,
    /// Most tokens, short sentences counted as 16; a longer sentence is a batch alone.
    pub tokens: u64,
}

/// Sentences that are translated together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What they have in common.
    pub kind: Kind,
    /// Each one's request, and its place among that request's sentences.
    pub sentences: Vec<(Ticket, usize)>,
    /// Tokens of the shortest.
    pub shortest: usize,
}

/// Sentences that wait.
#[derive(Debug, Default)]
pub struct Queue {
    requests: Vec<Waiting>,
    clock: u64,
    next_ticket: u64,
}

/// A request with sentences that wait.
#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    kind: Kind,
    tag: u64,
    /// Tokens and place of each sentence, by rising tokens.
    sentences: Vec<(usize, usize)>,
}

impl Waiting {
    fn cost(&self) -> u64 {
        self.sentences.iter().map(|(tokens, _)| cost(*tokens)).sum()
    }
}

fn cost(tokens: usize) -> u64 {
    (tokens as u64).max(LEAST_COST)
}

impl Queue {
    /// Adds a request: the tokens of each of its sentences.
    pub fn push(&mut self, kind: Kind, tokens: impl IntoIterator<Item = usize>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let mut sentences: Vec<(usize, usize)> =
            tokens.into_iter().enumerate().map(|(place, tokens)| (tokens, place)).collect();
        sentences.sort_unstable();
        if !sentences.is_empty() {
            self.requests.push(Waiting { ticket, kind, tag: self.clock, sentences });
        }
        ticket
    }

    /// Forgets what still waits of a request.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.requests.retain(|request| request.ticket != ticket);
    }

    /// Sentences that wait.
    pub fn sentences(&self) -> usize {
        self.requests.iter().map(|request| request.sentences.len()).sum()
    }

    /// Takes the next batch: the request whose turn it is gives its shortest sentence of at most `longest` tokens, and it
    /// and the others after it give more, as long as they are neither much shorter nor much longer, so that none waits
    /// for a neighbour.
    pub fn take(&mut self, longest: usize, limits: BatchLimits) -> Option<Batch> {
        let mut order: Vec<usize> = (0..self.requests.len())
            .filter(|index| self.requests[*index].sentences[0].0 <= longest)
            .collect();
        // A request's cost is a sum over all its sentences, so that it is computed once for each.
        order.sort_by_cached_key(|index| {
            let request = &self.requests[*index];
            (request.tag, request.cost(), request.ticket)
        });
        let lead = &self.requests[*order.first()?];
        let (kind, shortest) = (lead.kind, lead.sentences[0].0);
        let like = shortest / 2..=(2 * shortest + LEAST_COST as usize).min(longest);
        let mut batch = Batch { kind, sentences: Vec::new(), shortest };
        let mut tokens = 0;
        for index in order {
            let request = &mut self.requests[index];
            if request.kind != kind {
                continue;
            }
            let Waiting { sentences, tag, ticket, .. } = request;
            let first = sentences.partition_point(|(tokens, _)| *tokens < *like.start());
            let mut taken = first;
            while let Some((length, place)) = sentences.get(taken) {
                let fits = batch.sentences.len() < limits.sentences
                    && tokens + cost(*length) <= limits.tokens;
                if !like.contains(length) || !(fits || batch.sentences.is_empty()) {
                    break;
                }
                tokens += cost(*length);
                *tag += cost(*length);
                batch.shortest = batch.shortest.min(*length);
                batch.sentences.push((*ticket, *place));
                taken += 1;
            }
            sentences.drain(first..taken);
        }
        self.clock += tokens / self.requests.len() as u64;
        self.requests.retain(|request| !request.sentences.is_empty());
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { model: 0, n_best: 1, besides: Besides::Nothing };
    const LIMITS: BatchLimits = BatchLimits { sentences: 4, tokens: 4 * 20 };

    fn take(queue: &mut Queue) -> Vec<(Ticket, usize)> {
        queue.take(usize::MAX, LIMITS).map(|batch| batch.sentences).unwrap_or_default()
    }

    #[test]
    fn requests_of_one_kind_share_a_batch() {
        let mut queue = Queue::default();
        let first = queue.push(KIND, [20, 18]);
        let other = queue.push(Kind { n_best: 2, ..KIND }, [20]);
        let second = queue.push(KIND, [19]);
        assert_eq!(queue.sentences(), 4);
        // The cheapest leads where all have waited alike: here the third one, whose neighbour is the first.
        assert_eq!(take(&mut queue), [(second, 0), (first, 1), (first, 0)]);
        assert_eq!(take(&mut queue), [(other, 0)]);
        assert_eq!((queue.take(usize::MAX, LIMITS), queue.sentences()), (None, 0));
    }

    #[test]
    fn a_short_request_overtakes_a_long_one_and_the_long_one_gets_its_share() {
        let mut queue = Queue::default();
        let long = queue.push(KIND, vec![20; 100]);
        assert_eq!(take(&mut queue).len(), 4);
        let short = queue.push(KIND, [20]);
        assert_eq!(take(&mut queue)[0], (short, 0));
        // Short ones without end fill a batch each; the long one's turn comes all the same.
        let mut of_long = 0;
        for _ in 0..20 {
            (0..4).for_each(|_| _ = queue.push(KIND, [20]));
            of_long += take(&mut queue).iter().filter(|(ticket, _)| *ticket == long).count();
        }
        assert!((8..=40).contains(&of_long), "{of_long}");
    }

    #[test]
    fn sentences_of_a_batch_are_alike_and_a_longer_one_waits() {
        let mut queue = Queue::default();
        let mixed = queue.push(KIND, [100, 20, 50, 70]);
        assert_eq!(take(&mut queue), [(mixed, 1), (mixed, 2)]);
        // One that is larger than a batch may be is a batch alone.
        assert_eq!(take(&mut queue), [(mixed, 3)]);
        assert_eq!(take(&mut queue), [(mixed, 0)]);
    }

    #[test]
    fn only_short_ones_are_taken_in_the_middle_of_a_long_one() {
        let mut queue = Queue::default();
        queue.push(KIND, [90]);
        assert_eq!(queue.take(30, LIMITS), None);
        let short = queue.push(KIND, [30, 40]);
        let batch = queue.take(30, LIMITS).unwrap();
        assert_eq!((batch.sentences, batch.shortest), (vec![(short, 0)], 30));
    }

    #[test]
    fn what_is_cancelled_is_not_translated() {
        let mut queue = Queue::default();
        let gone = queue.push(KIND, [20; 3]);
        let stays = queue.push(KIND, [20; 3]);
        queue.cancel(gone);
        assert_eq!(take(&mut queue), [(stays, 0), (stays, 1), (stays, 2)]);
    }
}
