//! Threads that translate what waits.
//!
//! A thread takes a batch as soon as it is free, so that requests which arrive while all are busy are translated together,
//! and one that arrives alone waits for nobody. After a batch of several requests a thread waits up to [`COMPANY`] for as many,
//! since their clients are about to ask again. In the middle of a long batch, between two words, it translates what is much
//! shorter and has come meanwhile.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wdistill_base::parallel::Pool;
use wdistill_runtime::{Alignment, TokenError, Translator};
use wdistill_search::{Hypothesis, SearchSettings};

use crate::metrics::Metrics;
use crate::queue::{Batch, BatchLimits, Besides, Kind, Queue, Ticket};

/// How long a thread waits for more requests after it served several at once: about what a client next door needs to ask
/// again; with a longer wait processors were idle.
const COMPANY: Duration = Duration::from_micros(300);

/// How much shorter than a batch's shortest sentence one has to be to go before the batch is done.
const URGENT: usize = 4;

/// Most sentences of a batch, as many as a thread can keep in its cache together.
const MOST_SENTENCES: usize = 64;

/// A loaded model, by its number.
#[derive(Clone)]
pub struct Loaded {
    /// Differs between models, and between two loads of one.
    pub number: u64,
    /// The model.
    pub translator: Arc<Translator>,
}

/// Sentences of one request.
pub struct Work {
    /// With what they are translated.
    pub model: Loaded,
    /// How they are searched for.
    pub settings: SearchSettings,
    /// What is wanted besides.
    pub besides: Besides,
    /// Token ids of each, with its end token.
    pub sentences: Vec<Vec<u32>>,
}

/// What became of a sentence.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Best first.
    pub hypotheses: Vec<Hypothesis>,
    /// Of the best one, if it was asked for.
    pub alignment: Alignment,
}

/// Why sentences were not translated.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The model's scores make no sense.
    #[error("{0}")]
    Tokens(Arc<TokenError>),
    /// A fault of the program.
    #[error("the translation ended with a fault of the program")]
    Panic,
    /// The server ends.
    #[error("the server ends")]
    Closed,
}

/// More sentences wait than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// How many wait.
    pub waiting: usize,
    /// About how long these take.
    pub seconds: u64,
}

/// The threads, and what waits for them.
pub struct Decoders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Most sentences that may wait.
    capacity: usize,
    limits: BatchLimits,
    threads: usize,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    requests: HashMap<Ticket, Request>,
    /// Sentences a second of one thread, of late.
    speed: f64,
    is_closed: bool,
}

/// A request that waits or is being translated.
struct Request {
    work: Arc<Work>,
    since: Instant,
    results: Vec<Decoded>,
    missing: usize,
    reply: oneshot::Sender<Result<Vec<Decoded>, Failure>>,
}

impl Decoders {
    /// Starts threads, each of which works on a batch of its own, of at most `batch_tokens` source tokens.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn start(
        threads: usize,
        capacity: usize,
        batch_tokens: usize,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Decoders> {
        let limits = BatchLimits { sentences: MOST_SENTENCES, tokens: batch_tokens as u64 };
        let shared = Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            capacity,
            limits,
            threads: threads.max(1),
            metrics,
        };
        let shared = Arc::new(shared);
        let threads = (0..threads.max(1))
            .map(|index| {
                // Products inside a batch shall not spread over the cores that other batches have.
                let pool = Pool::start(1).map_err(std::io::Error::other)?;
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("decoder-{index}"))
                    .spawn(move || pool.run(|| shared.work()))
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Decoders { shared, threads })
    }

    /// Most sentences that may wait.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Adds a request; who drops the future gives it up.
    ///
    /// # Errors
    /// [`Full`] if it does not fit beside what waits.
    pub fn translate(&self, work: Work) -> Result<Pending, Full> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.shared.lock();
        let waiting = state.queue.sentences();
        let count = work.sentences.len();
        if waiting + count > self.shared.capacity {
            let speed = state.speed.max(1.0) * self.shared.threads as f64;
            let seconds = (waiting as f64 / speed).ceil().clamp(1.0, 60.0) as u64;
            return Err(Full { waiting, seconds });
        }
        if state.is_closed {
            _ = reply.send(Err(Failure::Closed));
            return Ok(Pending { shared: Arc::clone(&self.shared), ticket: None, answer });
        }
        let kind = Kind {
            model: work.model.number,
            n_best: work.settings.options().n_best,
            besides: work.besides,
        };
        let ticket = state.queue.push(kind, work.sentences.iter().map(Vec::len));
        let request = Request {
            work: Arc::new(work),
            since: Instant::now(),
            results: vec![Decoded::default(); count],
            missing: count,
            reply,
        };
        if count == 0 {
            _ = request.reply.send(Ok(Vec::new()));
        } else {
            state.requests.insert(ticket, request);
        }
        self.shared.count(&state);
        drop(state);
        self.shared.wake.notify_one();
        Ok(Pending { shared: Arc::clone(&self.shared), ticket: Some(ticket), answer })
    }
}

impl Drop for Decoders {
    /// Lets the threads end; what still waits is given up.
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread's panics are caught where they happen.
            _ = thread.join();
        }
    }
}

/// The answer to a request, to be awaited.
pub struct Pending {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
    answer: oneshot::Receiver<Result<Vec<Decoded>, Failure>>,
}

impl Future for Pending {
    type Output = Result<Vec<Decoded>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        answer.map(|answer| answer.unwrap_or(Err(Failure::Closed)))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.shared.lock();
        if state.requests.remove(&ticket).is_some() {
            state.queue.cancel(ticket);
            self.shared.count(&state);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock but arithmetic on what it holds.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, state: &State) {
        self.metrics.queue.set(state.queue.sentences() as i64);
    }

    /// Translates batches until the server ends.
    fn work(&self) {
        // Requests of the last batch.
        let mut company = 1;
        loop {
            let mut state = self.lock();
            while state.queue.sentences() == 0 {
                if state.is_closed {
                    return;
                }
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if company > 1 {
                let fewer =
                    |state: &mut State| state.queue.sentences() < company && !state.is_closed;
                let waited = self.wake.wait_timeout_while(state, COMPANY, fewer);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            drop(state);
            company = self.take(usize::MAX).map_or(1, |batch| self.translate(batch));
        }
    }

    /// The next batch of sentences of at most `longest` tokens, with what its requests asked for.
    fn take(&self, longest: usize) -> Option<Taken> {
        let mut state = self.lock();
        let batch = state.queue.take(longest, self.limits)?;
        self.count(&state);
        let mut works: HashMap<Ticket, Arc<Work>> = HashMap::new();
        for (ticket, _) in &batch.sentences {
            if let Some(request) = state.requests.get(ticket) {
                works.entry(*ticket).or_insert_with(|| {
                    self.metrics.waited.observe(request.since.elapsed().as_secs_f64());
                    Arc::clone(&request.work)
                });
            }
        }
        Some(Taken { batch, works })
    }

    /// Translates a batch, and says how many requests were in it.
    fn translate(&self, taken: Taken) -> usize {
        let Taken { batch, works } = &taken;
        let Some(first) = works.values().next() else { return 0 };
        let sentences: Vec<&[u32]> = batch
            .sentences
            .iter()
            .map(|(ticket, place)| &*works[ticket].sentences[*place])
            .collect();
        self.metrics.batch.observe(sentences.len() as f64);
        let start = Instant::now();
        let mut between = || {
            // One at a time, so that the long batch goes on however many come.
            if let Some(urgent) = self.take(batch.shortest / URGENT) {
                self.translate(urgent);
            }
        };
        let tokens = first.model.translator.tokens();
        let work = || {
            let hypotheses = tokens.translate_here(&sentences, &first.settings, &mut between)?;
            let mut alignments = match batch.kind.besides {
                Besides::Nothing => Vec::new(),
                Besides::Alignments => {
                    let best = hypotheses.iter().map(|of_sentence| &*of_sentence[0].tokens);
                    tokens.align_here(&sentences.iter().copied().zip(best).collect::<Vec<_>>())?
                }
            }
            .into_iter();
            let decoded = |hypotheses| {
                let alignment = alignments.next().unwrap_or_default();
                Decoded { hypotheses, alignment }
            };
            Ok::<_, TokenError>(hypotheses.into_iter().map(decoded).collect())
        };
        let result = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(decoded)) => Ok(decoded),
            Ok(Err(error)) => Err(Failure::Tokens(Arc::new(error))),
            Err(_) => Err(Failure::Panic),
        };
        self.deliver(batch, result, start.elapsed());
        works.len()
    }

    /// Hands the hypotheses to their requests, and answers those that are complete.
    fn deliver(&self, batch: &Batch, result: Result<Vec<Decoded>, Failure>, time: Duration) {
        let mut state = self.lock();
        let speed = batch.sentences.len() as f64 / time.as_secs_f64().max(1e-6);
        state.speed = if state.speed == 0.0 { speed } else { 0.9 * state.speed + 0.1 * speed };
        let mut decoded = match result {
            Ok(decoded) => decoded.into_iter(),
            Err(failure) => {
                for (ticket, _) in &batch.sentences {
                    if let Some(request) = state.requests.remove(ticket) {
                        state.queue.cancel(*ticket);
                        _ = request.reply.send(Err(failure.clone()));
                    }
                }
                return;
            }
        };
        for (ticket, place) in &batch.sentences {
            let of_sentence = decoded.next().expect("something of every sentence");
            // Who gave up meanwhile is not there any more.
            let Some(request) = state.requests.get_mut(ticket) else { continue };
            request.results[*place] = of_sentence;
            request.missing -= 1;
            if request.missing == 0 {
                let request = state.requests.remove(ticket).expect("it was there");
                _ = request.reply.send(Ok(request.results));
            }
        }
    }
}

/// A batch and what its requests asked for.
struct Taken {
    batch: Batch,
    works: HashMap<Ticket, Arc<Work>>,
}
