//! The three tasks on sequences of letters: reverse, copy, sort.

use super::Task;
use super::draw::Draw;

/// The symbols, in the order that `sort` sorts them.
pub(crate) const SYMBOLS: [&str; 26] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s",
    "t", "u", "v", "w", "x", "y", "z",
];

/// A pair whose source has exactly `length` symbols.
pub(crate) fn pair(task: Task, length: usize, draw: &mut Draw) -> (String, String) {
    let source: Vec<usize> = (0..length).map(|_| draw.below(SYMBOLS.len())).collect();
    let mut target = source.clone();
    match task {
        Task::Reverse => target.reverse(),
        Task::Sort => target.sort_unstable(),
        Task::Copy | Task::Toy => {}
    }
    (text(&source), text(&target))
}

fn text(symbols: &[usize]) -> String {
    let words: Vec<&str> = symbols.iter().map(|&index| SYMBOLS[index]).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    #[test]
    fn the_target_is_the_task_done_on_the_source() {
        let mut draw = Draw::new(3, 0, 0);
        for length in 1..=40 {
            let (source, target) = pair(Task::Copy, length, &mut draw);
            assert_eq!(source, target);

            let (source, target) = pair(Task::Reverse, length, &mut draw);
            let mut expected = split(&source);
            expected.reverse();
            assert_eq!(split(&target), expected);

            let (source, target) = pair(Task::Sort, length, &mut draw);
            let mut expected = split(&source);
            expected.sort_unstable();
            assert_eq!(split(&target), expected);
            assert_eq!(expected.len(), length);
        }
    }
}
