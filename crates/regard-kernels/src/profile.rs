//! Where the time of a step goes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time that one kind of work took since [`start_profile`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profiled {
    /// How often it was done.
    pub calls: u64,
    /// Wall time, without that of work inside it that has a name of its own.
    pub time: Duration,
    /// Multiplications and additions of its matrix products.
    pub flop: u64,
}

static RUNNING: AtomicBool = AtomicBool::new(false);
static TABLE: Mutex<BTreeMap<&'static str, Profiled>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// Time of named work inside the work at hand.
    static INSIDE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Begins to measure, from nothing.
pub fn start_profile() {
    table().clear();
    RUNNING.store(true, Ordering::Relaxed);
}

/// Ends it and tells what was measured, by name.
pub fn finish_profile() -> Vec<(&'static str, Profiled)> {
    RUNNING.store(false, Ordering::Relaxed);
    std::mem::take(&mut *table()).into_iter().collect()
}

/// Does `work`, and remembers under `name` how long it took if a profile runs. Only work on the thread that leads the step
/// should have a name, so that times add up to that of the step.
pub fn profiled<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    with_flop(name, 0, work)
}

pub(crate) fn with_flop<T>(name: &'static str, flop: u64, work: impl FnOnce() -> T) -> T {
    if !RUNNING.load(Ordering::Relaxed) {
        return work();
    }
    let outside = INSIDE.replace(Duration::ZERO);
    let begun = Instant::now();
    let result = work();
    let whole = begun.elapsed();
    let inside = INSIDE.replace(outside + whole);
    let mut table = table();
    let line = table.entry(name).or_default();
    line.calls += 1;
    line.time += whole.saturating_sub(inside);
    line.flop += flop;
    result
}

fn table() -> std::sync::MutexGuard<'static, BTreeMap<&'static str, Profiled>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_inside_work_counts_once_and_only_while_a_profile_runs() {
        let spin = |time: Duration| {
            let begun = Instant::now();
            while begun.elapsed() < time {
                std::hint::spin_loop();
            }
        };
        let [inner, outer] = [20, 5].map(Duration::from_millis);
        profiled("outer", || ());
        start_profile();
        let begun = Instant::now();
        for _ in 0..2 {
            profiled("outer", || {
                with_flop("inner", 7, || spin(inner));
                spin(outer);
            });
        }
        let whole = begun.elapsed();
        // Other tests may compute while the profile runs.
        let lines: BTreeMap<_, _> = finish_profile().into_iter().collect();
        let [a, b] = [lines["inner"], lines["outer"]];
        assert_eq!((a.calls, a.flop, b.calls, b.flop), (2, 14, 2, 0));
        assert!(a.time >= 2 * inner && b.time >= 2 * outer);
        assert!(a.time + b.time <= whole, "{a:?}, {b:?} in {whole:?}");
    }
}
