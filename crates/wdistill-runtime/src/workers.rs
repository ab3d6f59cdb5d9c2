//! Threads that each work on whole batches, with kernels that stay on their thread.

/// A fixed number of workers.
pub(crate) struct Workers {
    /// One pool of one thread for each worker: kernels split their work over the current pool, so
    /// inside such a pool they stay on its thread.
    #[cfg(not(target_arch = "wasm32"))]
    pools: Vec<rayon::ThreadPool>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Workers {
    /// Starts the threads.
    pub(crate) fn start(threads: usize) -> Result<Workers, rayon::ThreadPoolBuildError> {
        let pool = |_| rayon::ThreadPoolBuilder::new().num_threads(1).build();
        Ok(Workers { pools: (0..threads).map(pool).collect::<Result<_, _>>()? })
    }

    /// Runs `work` on every job and returns the results in the order of the jobs. Each worker takes
    /// the next job when it is free, and keeps one `tools` for all of its jobs.
    pub(crate) fn map<J: Sync, S, T: Send>(
        &self,
        jobs: &[J],
        tools: impl Fn() -> S + Sync,
        work: impl Fn(&S, &J) -> T + Sync,
    ) -> Vec<T> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work_off = || {
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
        let work_off = &work_off;
        let mut results = std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(self.pools.len());
            for pool in &self.pools {
                threads.push(scope.spawn(move || pool.install(work_off)));
            }
            let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<(usize, T)>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().flat_map(join).collect::<Vec<_>>()
        });
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// This target has no threads: everything runs where it is called.
#[cfg(target_arch = "wasm32")]
impl Workers {
    /// Nothing to start.
    pub(crate) fn start(_: usize) -> Result<Workers, rayon::ThreadPoolBuildError> {
        Ok(Workers {})
    }

    /// Runs `work` on every job in turn.
    pub(crate) fn map<J: Sync, S, T: Send>(
        &self,
        jobs: &[J],
        tools: impl Fn() -> S + Sync,
        work: impl Fn(&S, &J) -> T + Sync,
    ) -> Vec<T> {
        let tools = tools();
        jobs.iter().map(|job| work(&tools, job)).collect()
    }
}
