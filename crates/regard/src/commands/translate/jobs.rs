//! Work that comes in order, is done by several at a time, and leaves in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use anyhow::{Error, Result};
use rayon::ThreadPool;

/// A queue with little room: whoever fills it waits until what it held has been done and has left, so that neither the queue nor
/// what waits for its turn to leave can grow.
pub(super) struct Jobs<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    room: usize,
}

struct State<T> {
    waiting: VecDeque<(usize, T)>,
    /// Jobs that have come so far.
    came: usize,
    /// Those that have come and not left.
    held: usize,
    /// Whether more may come.
    open: bool,
    /// Why no more came, if that is not the end of the input.
    failure: Option<Error>,
}

impl<T> Jobs<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                came: 0,
                held: 0,
                open: true,
                failure: None,
            }),
            changed: Condvar::new(),
            room,
        }
    }

    /// Waits for room and puts a job in. `false` if nobody wants any more.
    pub(super) fn put(&self, job: T) -> bool {
        let mut state = self.lock();
        while state.open && state.held >= self.room {
            state = self.wait(state);
        }
        if state.open {
            let number = state.came;
            state.waiting.push_back((number, job));
            state.came += 1;
            state.held += 1;
            self.changed.notify_all();
        }
        state.open
    }

    /// No more will come: that was all, or something went wrong.
    pub(super) fn end(&self, status: Result<()>) {
        let mut state = self.lock();
        state.open = false;
        state.failure = status.err();
        self.changed.notify_all();
    }

    /// Wants no more: drops what nobody has begun.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Whether the input ended as it should.
    pub(super) fn outcome(&self) -> Result<()> {
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    /// Waits for a job and takes it, with its number; `None` if there will be none.
    fn take(&self) -> Option<(usize, T)> {
        let mut state = self.lock();
        while state.open && state.waiting.is_empty() {
            state = self.wait(state);
        }
        state.waiting.pop_front()
    }

    /// A job has left.
    fn leave(&self) {
        self.lock().held -= 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing here is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        let woken = self.changed.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes when a worker panics, so that nobody waits for it.
struct CloseOnPanic<'a, T>(&'a Jobs<T>);

impl<T> Drop for CloseOnPanic<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}

/// Has each pool do one job at a time, and hands the results to `leave` in the order of the jobs. Ends when the jobs do, or with
/// the first error; what has been begun is finished first.
pub(super) fn process<T: Send, R: Send>(
    jobs: &Jobs<T>,
    pools: &[ThreadPool],
    work: impl Fn(T) -> Result<R> + Sync,
    mut leave: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let (sender, results) = mpsc::channel();
    let work = &work;
    thread::scope(|scope| {
        for pool in pools {
            let sender = sender.clone();
            scope.spawn(move || {
                let _guard = CloseOnPanic(jobs);
                pool.install(|| {
                    while let Some((number, job)) = jobs.take() {
                        if sender.send((number, work(job))).is_err() {
                            break;
                        }
                    }
                });
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut next = 0;
        let pass_on = || {
            for (number, result) in results {
                early.insert(number, result);
                while let Some(result) = early.remove(&next) {
                    leave(result?)?;
                    jobs.leave();
                    next += 1;
                }
            }
            Ok(())
        };
        let passed = pass_on();
        jobs.close();
        passed
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::bail;

    use crate::threads::shares;

    /// Lets jobs through in the order `turns`, whoever has them.
    struct Turns {
        state: Mutex<Vec<usize>>,
        changed: Condvar,
    }

    impl Turns {
        fn new(turns: &[usize]) -> Self {
            Self {
                state: Mutex::new(turns.iter().rev().copied().collect()),
                changed: Condvar::new(),
            }
        }

        fn wait_for(&self, job: usize) {
            let mut turns = self.state.lock().unwrap();
            while turns.last().is_some_and(|&turn| turn != job) {
                turns = self.changed.wait(turns).unwrap();
            }
            turns.pop();
            self.changed.notify_all();
        }
    }

    fn filled(n: usize) -> Jobs<usize> {
        let jobs = Jobs::new(n);
        for i in 0..n {
            assert!(jobs.put(i));
        }
        jobs.end(Ok(()));
        jobs
    }

    #[test]
    fn what_is_done_in_any_order_leaves_in_that_of_the_input() {
        let pools = shares(Some(3), 3).unwrap();
        let turns = Turns::new(&[2, 1, 3, 4, 0]);
        let mut left = Vec::new();
        let work = |job| {
            turns.wait_for(job);
            Ok(job)
        };
        let leave = |job| {
            left.push(job);
            Ok(())
        };
        process(&filled(5), &pools, work, leave).unwrap();
        assert_eq!(left, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn no_more_is_held_than_there_is_room() {
        let pools = shares(Some(2), 2).unwrap();
        let jobs = Jobs::new(3);
        let (came, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut left = 0;
        thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..200 {
                    assert!(jobs.put(i));
                    came.fetch_add(1, Ordering::SeqCst);
                }
                jobs.end(Ok(()));
            });
            let leave = |_| {
                most.fetch_max(came.load(Ordering::SeqCst) - left, Ordering::SeqCst);
                left += 1;
                Ok(())
            };
            process(&jobs, &pools, Ok, leave).unwrap();
        });
        assert_eq!(left, 200);
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn what_was_begun_leaves_when_the_rest_is_dropped() {
        let pools = shares(Some(1), 1).unwrap();
        let jobs = filled(6);
        let mut left = Vec::new();
        let work = |job| {
            // As a signal does, in the middle of the third.
            if job == 2 {
                jobs.close();
            }
            Ok(job)
        };
        let leave = |job| {
            left.push(job);
            Ok(())
        };
        process(&jobs, &pools, work, leave).unwrap();
        assert_eq!(left, [0, 1, 2]);
        assert!(!jobs.put(9), "closed");
    }

    #[test]
    fn errors_of_work_of_leaving_and_of_the_input_end_it() {
        let pools = shares(Some(2), 2).unwrap();
        let failing = |job| if job == 3 { bail!("work") } else { Ok(job) };
        let mut left = Vec::new();
        let leave = |job| {
            left.push(job);
            Ok(())
        };
        let error = process(&filled(6), &pools, failing, leave).unwrap_err();
        assert_eq!((error.to_string().as_str(), left), ("work", vec![0, 1, 2]));

        let full = |job| if job == 1 { bail!("full") } else { Ok(()) };
        let error = process(&filled(6), &pools, Ok, full).unwrap_err();
        assert_eq!(error.to_string(), "full");

        let jobs = Jobs::new(2);
        assert!(jobs.put(0));
        jobs.end(Err(anyhow::anyhow!("input")));
        process(&jobs, &pools, Ok, |_: usize| Ok(())).unwrap();
        assert_eq!(jobs.outcome().unwrap_err().to_string(), "input");
    }
}
