//! From values to places in a picture, and the round numbers beside its axes.

/// From values to places in the picture.
pub(super) struct Scale {
    values: [f64; 2],
    places: [f64; 2],
    logarithmic: bool,
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    pub(super) fn lengths(lengths: impl Iterator<Item = f64>, places: [f64; 2]) -> Self {
        let [low, high] = range(lengths);
        let values = if low < high {
            [low, high]
        } else {
            [low - 1.0, high + 1.0]
        };
        let whole = ticks(values, 6)
            .into_iter()
            .filter(|tick| tick.fract() == 0.0);
        Self {
            values,
            places,
            logarithmic: false,
            ticks: whole.collect(),
        }
    }

    /// Logarithmic where the values have no upper bound and lie far apart.
    pub(super) fn values(
        values: impl Iterator<Item = f64>,
        bounds: [f64; 2],
        places: [f64; 2],
    ) -> Self {
        let unbounded = bounds[1].is_infinite();
        // Beyond this a perplexity is as bad as it gets.
        let [low, high] = range(values.map(|value| value.clamp(bounds[0], 1e9_f64.min(bounds[1]))));
        if unbounded && high > 5.0 * low {
            return Self::logarithmic(low, high, places);
        }
        // A few points at least, lest noise look like news.
        let least = if unbounded { 0.2 } else { 5.0 };
        let margin = (0.04 * (high - low)).max((least - (high - low)) / 2.0);
        let values = [
            (low - margin).max(bounds[0]),
            (high + margin).min(bounds[1]),
        ];
        Self {
            values,
            places,
            logarithmic: false,
            ticks: ticks(values, 5),
        }
    }

    fn logarithmic(low: f64, high: f64, places: [f64; 2]) -> Self {
        let decade = |exponent: i32| [1.0, 2.0, 5.0].map(|n| n * 10_f64.powi(exponent));
        let steps: Vec<f64> = (-1..10).flat_map(decade).collect();
        let below = steps
            .iter()
            .rev()
            .find(|&&step| step <= low)
            .unwrap_or(&low);
        let above = steps.iter().find(|&&step| step >= high).unwrap_or(&high);
        let within = |step: &f64| (below..=above).contains(&step);
        let mut ticks: Vec<f64> = steps.iter().copied().filter(within).collect();
        if ticks.len() > 7 {
            ticks.retain(|tick| tick.log10().fract() == 0.0);
        }
        Self {
            values: [*below, *above],
            places,
            logarithmic: true,
            ticks,
        }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let along = |value: f64| if self.logarithmic { value.ln() } else { value };
        let [low, high] = self.values;
        let share = (along(value.clamp(low, high)) - along(low)) / (along(high) - along(low));
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    /// As many decimals as tell the ticks apart.
    pub(super) fn label(&self, tick: f64) -> String {
        let step = match self.ticks.as_slice() {
            [first, second, ..] if !self.logarithmic => second - first,
            _ => tick,
        };
        match step {
            1.0.. => format!("{tick:.0}"),
            0.1..1.0 => format!("{tick:.1}"),
            _ => format!("{tick:.2}"),
        }
    }
}

/// The least and the largest; there must be one.
fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    })
}

/// About `wanted` round numbers within.
fn ticks([low, high]: [f64; 2], wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors
        .iter()
        .find(|&&factor| factor * power >= rough * 0.999);
    let step = factor.unwrap_or(&10.0) * power;
    let (first, last) = ((low / step).ceil(), (high / step + 1e-9).floor());
    let mut ticks = Vec::new();
    let mut tick = first;
    while tick <= last {
        // A multiple of the step, as exact as it can be.
        ticks.push(if step >= 1.0 {
            tick * step
        } else {
            tick / (1.0 / step).round()
        });
        tick += 1.0;
    }
    ticks
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks([38.0, 100.0], 5), [40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks([3.7, 28.4], 6), [5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(ticks([1.0, 1.2], 5), [1.0, 1.05, 1.1, 1.15, 1.2]);
    }

    #[test]
    fn values_far_apart_without_a_bound_are_drawn_on_a_logarithm() {
        let scale = Scale::values([1.1, 40.0].into_iter(), [1.0, f64::INFINITY], [200.0, 0.0]);
        assert_eq!(scale.ticks, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert!((scale.place(1.0) - 200.0).abs() < 1e-9 && scale.place(50.0).abs() < 1e-9);
        assert!((scale.place(50.0_f64.sqrt()) - 100.0).abs() < 1e-9);
        let near = Scale::values([1.1, 1.3].into_iter(), [1.0, f64::INFINITY], [200.0, 0.0]);
        assert!(!near.logarithmic);
        let absurd = Scale::values(
            [1.0, f64::MAX].into_iter(),
            [1.0, f64::INFINITY],
            [200.0, 0.0],
        );
        assert!(absurd.ticks.len() > 3 && absurd.place(f64::MAX).abs() < 1e-9);
    }

    #[test]
    fn equal_values_are_drawn_in_the_middle_of_a_few_points() {
        let scale = Scale::values([50.0].into_iter(), [0.0, 100.0], [200.0, 0.0]);
        assert!((scale.place(50.0) - 100.0).abs() < 1e-9);
        assert_eq!(scale.values, [47.5, 52.5]);
        let top = Scale::values([100.0].into_iter(), [0.0, 100.0], [200.0, 0.0]);
        assert_eq!(top.values, [97.5, 100.0]);
    }
}
