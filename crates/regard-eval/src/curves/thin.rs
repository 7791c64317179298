//! Long logs as few points that look the same.

use super::Point;

/// The points of a curve that is drawn `bins` columns wide: of each column the first, the least, the largest and the last,
/// which is all that a line through it shows (the M4 aggregation of Jugel et al. 2014). Steps ascend.
pub(super) fn thin(points: &[Point], bins: u16) -> Vec<Point> {
    if points.len() <= 4 * usize::from(bins) {
        return points.to_vec();
    }
    let (first, last) = (points[0].step, points[points.len() - 1].step);
    let width = u128::from(last - first).max(1);
    let bin = |point: &Point| u128::from(point.step - first) * u128::from(bins) / width;
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| bin(a) == bin(b)) {
        let places = 0..column.len();
        let by_value = |a: &usize, b: &usize| column[*a].value.total_cmp(&column[*b].value);
        let least = places.clone().min_by(by_value).unwrap_or(0);
        let largest = places.max_by(by_value).unwrap_or(0);
        let mut chosen = vec![0, least, largest, column.len() - 1];
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|place| column[place]));
    }
    kept
}

/// Fewer points than that are drawn as they are.
const SMOOTHED_FROM: usize = 200;

/// Each point as the mean of those around it, 1 % to each side; `None` where there are few.
pub(super) fn smooth(points: &[Point]) -> Option<Vec<Point>> {
    if points.len() < SMOOTHED_FROM {
        return None;
    }
    let most = points.len() / 100;
    let mut sums = vec![0.0];
    for point in points {
        sums.push(sums[sums.len() - 1] + point.value);
    }
    let mean = |place: usize| {
        // As many on each side: an end is drawn where it is, not where its neighbours were.
        let reach = most.min(place).min(points.len() - 1 - place);
        let (from, to) = (place - reach, place + reach + 1);
        (sums[to] - sums[from]) / (to - from) as f64
    };
    let smooth = points.iter().enumerate().map(|(place, point)| Point {
        step: point.step,
        value: mean(place),
    });
    Some(smooth.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(values: &[f64], every: u64) -> Vec<Point> {
        let steps = (1..).map(|i| i * every);
        steps
            .zip(values)
            .map(|(step, &value)| Point { step, value })
            .collect()
    }

    fn extremes(points: &[Point]) -> (f64, f64) {
        let values = points.iter().map(|point| point.value);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_has_the_same_ends_and_extremes(
            values in prop::collection::vec(-1e6..1e6, 1..2_000),
            every in 1_u64..70,
            bins in 1_u16..50,
        ) {
            let all = points(&values, every);
            let kept = thin(&all, bins);
            prop_assert!(kept.len() <= 4 * (usize::from(bins) + 1));
            prop_assert!(kept.is_sorted_by(|a, b| a.step < b.step));
            prop_assert!(kept.iter().all(|point| all.contains(point)));
            prop_assert_eq!(extremes(&kept), extremes(&all));
            prop_assert_eq!((kept.first(), kept.last()), (all.first(), all.last()));
        }

        #[test]
        fn means_lie_between_the_extremes_and_keep_the_ends(
            values in prop::collection::vec(-1e3..1e3, 200..900)
        ) {
            let all = points(&values, 3);
            let smooth = smooth(&all).unwrap();
            let ((low, high), (least, largest)) = (extremes(&all), extremes(&smooth));
            prop_assert!(low - 1e-6 <= least && largest <= high + 1e-6);
            for place in [0, all.len() - 1] {
                prop_assert!((smooth[place].value - all[place].value).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_line_stays_a_line() {
        let values: Vec<f64> = (0..500).map(f64::from).collect();
        let all = points(&values, 10);
        for (smooth, point) in smooth(&all).unwrap().iter().zip(&all) {
            assert!((smooth.value - point.value).abs() < 1e-9, "{smooth:?}");
        }
        assert_eq!(smooth(&all[..199]), None);
    }
}
