//! Threads for the shares of a batch, and how a batch is divided.

use wdistill_autograd::{LossSums, Workspace};
use wdistill_kernels::{Host, Workers, deal, in_order};
use wdistill_model::{Dense, Model};
use wdistill_text::{EncodedCorpus, sorted_batches};

use crate::batch::Batch;
use crate::error::TrainError;
use crate::pass::{Pass, run_batch};
use crate::settings::TrainingSettings;

/// Threads that each run a share of a batch from its start to its end, and the memory that they keep from
/// step to step.
pub struct Team {
    workers: Workers,
    /// One for each share.
    workspaces: Vec<Workspace<Host<f32>>>,
}

impl Team {
    /// Starts the threads, for batches of so many shares.
    ///
    /// # Errors
    /// [`TrainError::Threads`] if the system gives no more of them.
    pub fn start(shares: usize, threads: usize) -> Result<Team, TrainError> {
        let workers = Workers::start(shares, threads)
            .map_err(|error| TrainError::Threads { threads, reason: error.to_string() })?;
        Ok(Team { workers, workspaces: (0..shares).map(|_| Workspace::new()).collect() })
    }

    /// Shares that a batch is divided into.
    pub fn shares(&self) -> usize {
        self.workspaces.len()
    }

    /// Memory of the worker of share `share`.
    pub(crate) fn workspace(&self, share: usize) -> &Workspace<Host<f32>> {
        &self.workspaces[share]
    }

    /// Runs every job with a workspace, some of them at once; results in the order of the jobs.
    pub fn run<J: Send, T: Send>(
        &mut self,
        jobs: Vec<J>,
        work: impl Fn(&Workspace<Host<f32>>, J) -> T + Sync,
    ) -> Vec<T> {
        let shares = deal(jobs, self.shares());
        let shares = self.workspaces.iter_mut().zip(shares).collect();
        let done =
            self.workers.each(shares, |(workspace, jobs): (&mut Workspace<Host<f32>>, Vec<_>)| {
                let run = |(index, job)| (index, work(workspace, job));
                jobs.into_iter().map(run).collect::<Vec<_>>()
            });
        in_order(done)
    }
}

/// Divides a batch into `count` shares of nearly equal numbers of tokens, or as many as it has pairs.
pub(crate) fn shares(batch: &EncodedCorpus, count: usize) -> Vec<Vec<usize>> {
    let tokens = |pair: &usize| {
        let (source, target) = batch.pair(*pair);
        source.len() + target.len()
    };
    let mut pairs: Vec<usize> = (0..batch.len()).collect();
    // The longest first, each to the share that has least; equal ones as they come.
    pairs.sort_by_key(|pair| std::cmp::Reverse(tokens(pair)));
    let mut shares = vec![(0, Vec::new()); count];
    for pair in pairs {
        let (sum, share) = shares.iter_mut().min_by_key(|(sum, _)| *sum).expect("there are shares");
        *sum += tokens(&pair);
        share.push(pair);
    }
    shares.into_iter().map(|(_, share)| share).filter(|share| !share.is_empty()).collect()
}

/// Loss of a model in a text, of which nothing is learned.
pub fn loss_in_text(
    corpus: &EncodedCorpus,
    model: &Model<Dense<f32>>,
    team: &mut Team,
    settings: &TrainingSettings,
) -> LossSums {
    let batches = sorted_batches(&corpus.lengths(), settings.max_tokens);
    let losses = team.run(batches, |workspace, pairs| {
        let batch = Batch::new(corpus, &pairs, &model.config.vocabularies);
        run_batch(model, workspace, &batch, settings.label_smoothing, Pass::Validate)
    });
    total(losses)
}

/// The loss of some batches, added in their order.
pub(crate) fn total(losses: impl IntoIterator<Item = LossSums>) -> LossSums {
    let mut loss = LossSums::default();
    losses.into_iter().for_each(|sums| loss += sums);
    loss
}

/// Sums shares as a balanced binary tree: neighbours first, then neighbours of the sums. Whoever holds a part of the shares
/// can sum that part, and the bits are the same.
pub(crate) fn tree_sum<T>(mut parts: Vec<T>, mut add: impl FnMut(&mut T, T)) -> T {
    while parts.len() > 1 {
        let mut sums = Vec::with_capacity(parts.len().div_ceil(2));
        let mut next = parts.into_iter();
        while let Some(mut sum) = next.next() {
            if let Some(other) = next.next() {
                add(&mut sum, other);
            }
            sums.push(sum);
        }
        parts = sums;
    }
    parts.pop().expect("a batch has a share")
}

#[cfg(test)]
mod tests {
    use super::tree_sum;

    #[test]
    fn sums_are_those_of_a_balanced_tree() {
        let sum = |parts: &[&str]| {
            let parts = parts.iter().map(|part| part.to_string()).collect();
            tree_sum(parts, |sum: &mut String, other| *sum = format!("({sum}{other})"))
        };
        assert_eq!(sum(&["a"]), "a");
        assert_eq!(sum(&["a", "b"]), "(ab)");
        assert_eq!(sum(&["a", "b", "c", "d"]), "((ab)(cd))");
        // A share without a pair is missing at the end.
        assert_eq!(sum(&["a", "b", "c"]), "((ab)c)");
    }
}
