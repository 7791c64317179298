//! Threads. Devices have their names from [`regard_kernels::device`].

use std::num::NonZero;

use anyhow::{Context, Result, bail};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::output::count;

/// Runs `f` on a pool of `threads` workers, or of as many as there are cores.
///
/// `f` itself runs on a worker: work that it divides then needs no hand-over between threads, which for operations of a
/// millisecond costs more than it seems.
pub(crate) fn on_threads<R: Send>(
    threads: Option<usize>,
    f: impl FnOnce() -> R + Send,
) -> Result<R> {
    Ok(pool(threads)?.install(f))
}

/// A pool for each of `workers`, which divide `threads`, or as many as there are cores, among them.
pub(crate) fn shares(threads: Option<usize>, workers: usize) -> Result<Vec<ThreadPool>> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.unwrap_or_else(cores);
    if workers > threads {
        bail!(
            "cannot divide {} among {workers} workers; lower `--workers`, or raise `--threads`",
            count(threads, "thread")
        );
    }
    let share = |worker| threads / workers + usize::from(worker < threads % workers);
    (0..workers)
        .map(|worker| pool(Some(share(worker))))
        .collect()
}

fn pool(threads: Option<usize>) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .stack_size(STACK)
        .build()
        .with_context(|| match threads {
            Some(threads) => format!("cannot use {threads} threads"),
            None => "cannot start a thread for each core".into(),
        })
}

/// That of a main thread.
const STACK: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_divide_the_threads() {
        let divided = |threads, workers| {
            let pools = shares(Some(threads), workers).unwrap();
            pools
                .iter()
                .map(ThreadPool::current_num_threads)
                .collect::<Vec<_>>()
        };
        assert_eq!(divided(5, 3), [2, 2, 1]);
        assert_eq!(divided(2, 1), [2]);
        assert_eq!(divided(2, 2), [1, 1]);
        let message = shares(Some(2), 3).unwrap_err().to_string();
        assert!(
            message.starts_with("cannot divide 2 threads among 3 workers"),
            "{message}"
        );
    }
}
