//! Hypotheses that need no more steps.

use super::Hypothesis;

/// The best hypotheses of a sentence that are finished, the best first.
///
/// Those that ended come first, whatever their score: one that stopped at the limit says too little, and has not paid for
/// its end. Otherwise the higher score counts, and of equals the one that was found first.
#[derive(Debug)]
pub(super) struct Finished {
    best: Vec<Hypothesis>,
    room: usize,
}

impl Finished {
    /// Room for so many.
    pub(super) fn new(room: usize) -> Self {
        Self {
            best: Vec::new(),
            room,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.best.is_empty()
    }

    /// Takes one, if it is among the best.
    pub(super) fn add(&mut self, new: Hypothesis) {
        let is_before = |other: &Hypothesis| other.order(&new).is_le();
        let place = self.best.partition_point(is_before);
        self.best.insert(place, new);
        self.best.truncate(self.room);
    }

    /// Whether one that ends with this score would be among the best.
    pub(super) fn would_take(&self, score: f64) -> bool {
        match self.best.last() {
            Some(worst) if self.best.len() == self.room => !worst.ended || score > worst.score,
            _ => true,
        }
    }

    pub(super) fn into_best(self) -> Vec<Hypothesis> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hypothesis(id: u32, score: f64, ended: bool) -> Hypothesis {
        Hypothesis {
            ids: vec![id],
            log_probability: score,
            score,
            ended,
        }
    }

    #[test]
    fn the_best_stay_and_equals_keep_their_order() {
        let mut finished = Finished::new(3);
        assert!(finished.is_empty() && finished.would_take(-99.0));
        for (id, score, ended) in [
            (0, -2.0, true),
            (1, -1.0, false),
            (2, -2.0, true),
            (3, -3.0, true),
            (4, -1.5, true),
        ] {
            finished.add(hypothesis(id, score, ended));
        }
        assert!(!finished.would_take(-2.0) && finished.would_take(-1.9));
        let ids: Vec<u32> = finished
            .into_best()
            .iter()
            .map(|best| best.ids[0])
            .collect();
        assert_eq!(ids, [4, 0, 2]);
    }

    #[test]
    fn what_has_not_ended_makes_room() {
        let mut finished = Finished::new(2);
        finished.add(hypothesis(0, -1.0, false));
        finished.add(hypothesis(1, -9.0, true));
        assert!(finished.would_take(-99.0));
        finished.add(hypothesis(2, -20.0, true));
        let ids: Vec<u32> = finished
            .into_best()
            .iter()
            .map(|best| best.ids[0])
            .collect();
        assert_eq!(ids, [1, 2]);
    }
}
