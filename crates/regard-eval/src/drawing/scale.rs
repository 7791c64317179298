//! From values to places in a picture, and the round numbers beside its axes.

use super::numbers;

/// What values can be, and how they are best shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extent {
    /// Least and most that is shown; what lies beyond is drawn there.
    pub(crate) bounds: [f64; 2],
    /// The smallest range that is shown, lest noise look like news: as such, and as a share of the largest value.
    pub(crate) least: f64,
    pub(crate) share: f64,
    /// Drawn on a logarithm where the largest value is more than so many times the smallest.
    pub(crate) logarithmic_above: f64,
}

impl Extent {
    /// A score of 0-100.
    pub(crate) const PERCENT: Self = Self {
        bounds: [0.0, 100.0],
        least: 5.0,
        share: 0.0,
        logarithmic_above: f64::INFINITY,
    };
    /// A perplexity; beyond a milliard it is as bad as it gets.
    pub(crate) const PERPLEXITY: Self = Self {
        bounds: [1.0, 1e9],
        least: 0.2,
        share: 0.0,
        logarithmic_above: 5.0,
    };
    /// Something from 0, proportions of which matter where they are large.
    pub(crate) const POSITIVE: Self = Self {
        bounds: [0.0, 1e15],
        least: 0.0,
        share: 0.1,
        logarithmic_above: 20.0,
    };
    /// Something from 0, differences of which matter.
    pub(crate) const AMOUNT: Self = Self {
        logarithmic_above: f64::INFINITY,
        ..Self::POSITIVE
    };
    /// Nothing is known about it.
    pub(crate) const ANY: Self = Self {
        bounds: [-1e15, 1e15],
        ..Self::AMOUNT
    };
}

/// From values to places in the picture.
pub(crate) struct Scale {
    values: [f64; 2],
    places: [f64; 2],
    logarithmic: bool,
    pub(crate) ticks: Vec<f64>,
}

impl Scale {
    /// Of whole numbers, from the least to the largest.
    pub(crate) fn counts(counts: impl Iterator<Item = f64>, places: [f64; 2]) -> Self {
        let [low, high] = range(counts);
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

    /// Of values with some room around them; there must be one.
    pub(crate) fn values(
        values: impl Iterator<Item = f64> + Clone,
        extent: Extent,
        places: [f64; 2],
    ) -> Self {
        let bounds = extent.bounds;
        let [low, high] = range(
            values
                .clone()
                .map(|value| value.clamp(bounds[0], bounds[1])),
        );
        // Only what is above 0 has a logarithm.
        let [positive, _] = range(values.filter(|value| *value > 0.0));
        if low >= 0.0 && high > extent.logarithmic_above * positive {
            return Self::logarithmic(low.max(positive), high, places);
        }
        let share = extent.share * high.abs().max(low.abs());
        let mut least = extent.least.max(share);
        if low >= high && least <= 0.0 {
            least = 1.0;
        }
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
        // More decades than that are not worth their room.
        let low = low.max(high * 1e-9);
        let [first, last] = [low, high].map(|value| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "exponents of a double have three digits"
            )]
            let exponent = value.log10().floor() as i32;
            exponent
        });
        let decade = |exponent: i32| [1, 2, 5].map(|digit| (digit, exponent));
        let value =
            |(digit, exponent): (u8, i32)| format!("{digit}e{exponent}").parse().unwrap_or(1.0);
        let steps: Vec<(u8, i32)> = (first - 1..=last + 1).flat_map(decade).collect();
        let below = steps.iter().rev().map(|&step| value(step));
        let below = below.clone().find(|step| *step <= low).unwrap_or(low);
        let above = steps.iter().map(|&step| value(step));
        let above = above.clone().find(|step| *step >= high).unwrap_or(high);
        let within = |step: &(u8, i32)| (below..=above).contains(&value(*step));
        let mut ticks: Vec<(u8, i32)> = steps.into_iter().filter(within).collect();
        if ticks.len() > 7 {
            let every = (last - first) / 7 + 1;
            ticks.retain(|&(digit, exponent)| digit == 1 && exponent.rem_euclid(every) == 0);
        }
        Self {
            values: [below, above],
            places,
            logarithmic: true,
            ticks: ticks.into_iter().map(value).collect(),
        }
    }

    pub(crate) fn place(&self, value: f64) -> f64 {
        let along = |value: f64| if self.logarithmic { value.ln() } else { value };
        let [low, high] = self.values;
        let share = (along(value.clamp(low, high)) - along(low)) / (along(high) - along(low));
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    /// As many decimals as tell the ticks apart.
    pub(crate) fn label(&self, tick: f64) -> String {
        let step = match self.ticks.as_slice() {
            [first, second, ..] if !self.logarithmic => second - first,
            _ => tick,
        };
        match step.abs() {
            1.0.. if tick.abs() < 1e12 => numbers::signed(tick),
            _ if tick == 0.0 => "0".into(),
            step @ 1e-4..1.0 => {
                // A hair less, lest the rounding of a logarithm make one decimal more.
                let tells = |n: &u8| step * 10_f64.powi(i32::from(*n)) > 0.999;
                let decimals = (1..=4).find(tells).unwrap_or(4);
                format!("{tick:.*}", usize::from(decimals))
            }
            _ => numbers::power(tick),
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks([38.0, 100.0], 5), [40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks([3.7, 28.4], 6), [5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(ticks([1.0, 1.2], 5), [1.0, 1.05, 1.1, 1.15, 1.2]);
    }

    #[test]
    fn values_far_apart_without_a_bound_are_drawn_on_a_logarithm() {
        let scale =
            |values: [f64; 2]| Scale::values(values.into_iter(), Extent::PERPLEXITY, [200.0, 0.0]);
        let far = scale([1.1, 40.0]);
        assert_eq!(far.ticks, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert!((far.place(1.0) - 200.0).abs() < 1e-9 && far.place(50.0).abs() < 1e-9);
        assert!((far.place(50.0_f64.sqrt()) - 100.0).abs() < 1e-9);
        assert!(!scale([1.1, 1.3]).logarithmic);
        let absurd = scale([1.0, f64::MAX]);
        assert!(absurd.ticks.len() > 3 && absurd.place(f64::MAX).abs() < 1e-9);
    }

    #[test]
    fn small_values_have_a_logarithm_and_zero_stands_at_its_foot() {
        let values = [0.0, 2e-5, 7.0];
        let scale = Scale::values(values.into_iter(), Extent::POSITIVE, [200.0, 0.0]);
        assert!(scale.logarithmic);
        assert_eq!(scale.ticks, [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]);
        assert!((scale.place(0.0) - 200.0).abs() < 1e-9);
        let labels: Vec<String> = scale.ticks.iter().map(|&tick| scale.label(tick)).collect();
        assert_eq!(labels, ["0.0001", "0.001", "0.01", "0.1", "1", "10"]);
    }

    #[test]
    fn labels_tell_ticks_apart() {
        let labels = |values: [f64; 2]| -> Vec<String> {
            let scale = Scale::values(values.into_iter(), Extent::ANY, [200.0, 0.0]);
            scale.ticks.iter().map(|&tick| scale.label(tick)).collect()
        };
        assert_eq!(labels([0.0, 0.001]), ["0", "0.0005", "0.0010"]);
        assert_eq!(labels([0.0, 2e-5])[..3], ["0", "5e-6", "1e-5"]);
        assert_eq!(labels([-3.0, 1.0]), ["-3", "-2", "-1", "0", "1"]);
        assert_eq!(
            labels([0.0, 4_100.0]),
            ["0", "1,000", "2,000", "3,000", "4,000"]
        );
    }

    #[test]
    fn equal_values_are_drawn_in_the_middle_of_a_few_points() {
        let scale = Scale::values([50.0].into_iter(), Extent::PERCENT, [200.0, 0.0]);
        assert!((scale.place(50.0) - 100.0).abs() < 1e-9);
        assert_eq!(scale.values, [47.5, 52.5]);
        let top = Scale::values([100.0].into_iter(), Extent::PERCENT, [200.0, 0.0]);
        assert_eq!(top.values, [97.5, 100.0]);
    }

    proptest! {
        #[test]
        fn every_value_has_a_place_and_an_axis_some_ticks(
            values in prop::collection::vec(prop_oneof![-1e3..1e3, Just(0.0), Just(f64::MAX), 1e-300..1e300], 1..9),
            extent in prop::sample::select(vec![
                Extent::PERCENT, Extent::PERPLEXITY, Extent::POSITIVE, Extent::AMOUNT, Extent::ANY,
            ])
        ) {
            let scale = Scale::values(values.iter().copied(), extent, [200.0, 0.0]);
            prop_assert!((1..=16).contains(&scale.ticks.len()), "{:?}", scale.ticks);
            for value in values.iter().chain(&scale.ticks) {
                prop_assert!((-1e-6..=200.0 + 1e-6).contains(&scale.place(*value)));
            }
            prop_assert!(scale.ticks.iter().all(|&tick| scale.label(tick).len() < 20));
        }
    }
}
