//! Threads that each do whole jobs, with kernels that stay on them.

use wdistill_base::parallel::{Pool, StartError};

/// A fixed number of workers, each with threads of its own.
///
/// Kernels split their work over the current pool. Two workers of one thread each do two jobs at
/// once without ever waiting for each other inside a job, which is faster than two threads inside
/// every kernel wherever there are two jobs.
pub struct Workers {
    /// One pool for each worker.
    pools: Vec<Pool>,
}

impl Workers {
    /// Starts up to `workers` workers (at least one, and no more than there are threads) that share
    /// `threads` threads as evenly as can be.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn start(workers: usize, threads: usize) -> Result<Workers, StartError> {
        let workers = workers.min(threads).max(1);
        let pool = |index: usize| {
            let own = (threads + index) / workers;
            Pool::start(own)
        };
        Ok(Workers { pools: (0..workers).map(pool).collect::<Result<_, _>>()? })
    }

    /// Runs `work` on every job and returns the results in the order of the jobs. Each worker takes
    /// the next job when it is free, and keeps one `tools` for all of its jobs.
    pub fn map<J: Sync, S, T: Send>(
        &self,
        jobs: &[J],
        tools: impl Fn() -> S + Sync,
        work: impl Fn(&S, &J) -> T + Sync,
    ) -> Vec<T> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work_off = |()| {
            let tools = tools();
            let mut results = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                match jobs.get(index) {
                    Some(job) => results.push((index, work(&tools, job))),
                    None => return results,
                }
            }
        };
        in_order(self.each(vec![(); self.pools.len()], work_off))
    }

    /// Runs `work` on every job, the i-th on the worker `i mod workers`, and returns the results in the
    /// order of the jobs.
    pub fn each<J: Send, T: Send>(&self, jobs: Vec<J>, work: impl Fn(J) -> T + Sync) -> Vec<T> {
        let shares = deal(jobs, self.pools.len());
        let work = &work;
        let work_off = |share: Vec<(usize, J)>| -> Vec<(usize, T)> {
            share.into_iter().map(|(index, job)| (index, work(job))).collect()
        };
        in_order(Pool::run_each(&self.pools, shares, work_off))
    }
}

/// Deals jobs, each with its number, to `shares` shares in turn.
pub fn deal<J>(jobs: Vec<J>, shares: usize) -> Vec<Vec<(usize, J)>> {
    let mut dealt: Vec<Vec<(usize, J)>> = (0..shares).map(|_| Vec::new()).collect();
    for (index, job) in jobs.into_iter().enumerate() {
        dealt[index % shares].push((index, job));
    }
    dealt
}

/// The results of all shares, each with the number of its job, in the order of the jobs.
pub fn in_order<T>(done: Vec<Vec<(usize, T)>>) -> Vec<T> {
    let mut results: Vec<(usize, T)> = done.into_iter().flatten().collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wdistill_base::parallel;

    #[test]
    fn threads_are_shared_and_results_keep_the_order_of_the_jobs() {
        let threads = |workers, threads| -> Vec<usize> {
            let workers = Workers::start(workers, threads).unwrap();
            workers.pools.iter().map(|pool| pool.run(parallel::threads)).collect()
        };
        // Without threads each worker is the caller.
        let some = |count: usize| if cfg!(feature = "parallel") { count } else { 1 };
        assert_eq!(threads(2, 1), [1]);
        assert_eq!(threads(2, 2), [1, 1]);
        assert_eq!(threads(2, 5), [2, 3].map(some));
        assert_eq!(threads(0, 0), [1]);
        let workers = Workers::start(2, 2).unwrap();
        let jobs: Vec<usize> = (0..7).collect();
        let squares = [0, 1, 4, 9, 16, 25, 36];
        assert_eq!(workers.each(jobs.clone(), |job| job * job), squares);
        assert_eq!(workers.map(&jobs, || 2, |power, job| job.pow(*power)), squares);
    }
}
