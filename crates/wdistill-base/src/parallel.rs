//! Work on several threads.
//!
//! With the feature `parallel` rayon does it. Without the feature, and in a browser, which has no threads to start,
//! one job runs after the other where it is called. The results are the same: who divides work into jobs does not look
//! at the number of threads.

pub use twin::{Pool, StartError, for_each, join, map, map_at_least, threads};

#[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
mod twin {
    use rayon::prelude::*;

    /// Why a [`Pool`] does not start.
    pub use rayon::ThreadPoolBuildError as StartError;

    /// How many threads the current pool has.
    #[inline]
    pub fn threads() -> usize {
        rayon::current_num_threads()
    }

    /// Runs `work` on every job, in any order.
    #[inline]
    pub fn for_each<J: Send>(jobs: Vec<J>, work: impl Fn(J) + Sync + Send) {
        jobs.into_par_iter().for_each(work);
    }

    /// Runs `work` on every job, in any order, and returns the results in the order of the jobs.
    #[inline]
    pub fn map<J: Send, T: Send>(jobs: Vec<J>, work: impl Fn(J) -> T + Sync + Send) -> Vec<T> {
        jobs.into_par_iter().map(work).collect()
    }

    /// [`map`] for jobs so small that a thread should take `least` of them at once.
    #[inline]
    pub fn map_at_least<J: Sync, T: Send>(
        least: usize,
        jobs: &[J],
        work: impl Fn(&J) -> T + Sync + Send,
    ) -> Vec<T> {
        jobs.par_iter().with_min_len(least).map(work).collect()
    }

    /// Runs both and returns both results.
    #[inline]
    pub fn join<A: Send, B: Send>(
        first: impl FnOnce() -> A + Send,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        rayon::join(first, second)
    }

    /// Threads apart from those of other pools.
    pub struct Pool(rayon::ThreadPool);

    impl Pool {
        /// Starts `threads` threads, at least one.
        ///
        /// # Errors
        /// If the system gives no more threads.
        pub fn start(threads: usize) -> Result<Pool, StartError> {
            rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build().map(Pool)
        }

        /// Runs `work` inside the pool, which is the current one for it.
        pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
            self.0.install(work)
        }

        /// Runs `work` on the i-th share inside the i-th pool, all at the same time, and returns the results in
        /// the order of the pools.
        pub fn run_each<S: Send, T: Send>(
            pools: &[Pool],
            shares: Vec<S>,
            work: impl Fn(S) -> T + Sync,
        ) -> Vec<T> {
            let work = &work;
            std::thread::scope(|scope| {
                let threads: Vec<_> = pools
                    .iter()
                    .zip(shares)
                    .map(|(pool, share)| scope.spawn(move || pool.run(|| work(share))))
                    .collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, T>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                threads.into_iter().map(join).collect()
            })
        }
    }
}

#[cfg(not(all(feature = "parallel", not(target_arch = "wasm32"))))]
mod twin {
    /// Why a [`Pool`] does not start; without threads it always does.
    #[derive(Debug, thiserror::Error)]
    pub enum StartError {}

    /// How many threads the current pool has.
    #[inline]
    pub fn threads() -> usize {
        1
    }

    /// Runs `work` on every job.
    #[inline]
    pub fn for_each<J: Send>(jobs: Vec<J>, work: impl Fn(J) + Sync + Send) {
        jobs.into_iter().for_each(work);
    }

    /// Runs `work` on every job and returns the results in the order of the jobs.
    #[inline]
    pub fn map<J: Send, T: Send>(jobs: Vec<J>, work: impl Fn(J) -> T + Sync + Send) -> Vec<T> {
        jobs.into_iter().map(work).collect()
    }

    /// [`map`] over a slice.
    #[inline]
    pub fn map_at_least<J: Sync, T: Send>(
        _: usize,
        jobs: &[J],
        work: impl Fn(&J) -> T + Sync + Send,
    ) -> Vec<T> {
        jobs.iter().map(work).collect()
    }

    /// Runs both and returns both results.
    #[inline]
    pub fn join<A: Send, B: Send>(
        first: impl FnOnce() -> A + Send,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        (first(), second())
    }

    /// Stands for threads that are not there.
    pub struct Pool;

    impl Pool {
        /// Nothing to start.
        ///
        /// # Errors
        /// None.
        pub fn start(_: usize) -> Result<Pool, StartError> {
            Ok(Pool)
        }

        /// Runs `work`.
        pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
            work()
        }

        /// Runs `work` on the share of every pool in turn.
        pub fn run_each<S: Send, T: Send>(
            pools: &[Pool],
            shares: Vec<S>,
            work: impl Fn(S) -> T + Sync,
        ) -> Vec<T> {
            pools.iter().zip(shares).map(|(_, share)| work(share)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let expected: Vec<u64> = (0..100).map(|job| job * job).collect();
        let jobs: Vec<u64> = (0..100).collect();
        assert_eq!(map_at_least(16, &jobs, |job| job * job), expected);
        assert_eq!(map(jobs, |job| job * job), expected);
        assert_eq!(join(|| 1, || 2), (1, 2));
        let pools = [Pool::start(1).unwrap(), Pool::start(2).unwrap()];
        assert_eq!(Pool::run_each(&pools, vec![3, 4], |share| share + 1), [4, 5]);
        let sum = std::sync::atomic::AtomicU64::new(0);
        let add = |job| sum.fetch_add(job, std::sync::atomic::Ordering::Relaxed);
        for_each((0..100).collect(), |job| _ = add(job));
        assert_eq!(sum.into_inner(), 4950);
    }

    #[test]
    fn a_pool_has_its_own_threads() {
        let seen = |count| Pool::start(count).unwrap().run(threads);
        let parallel = cfg!(all(feature = "parallel", not(target_arch = "wasm32")));
        assert_eq!([seen(0), seen(1), seen(3)], if parallel { [1, 1, 3] } else { [1, 1, 1] });
    }
}
