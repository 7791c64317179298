//! Attention that selects one position learns which position answers, by either estimator, as soft attention does.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

mod lookup;

use lookup::Shares;
use regard_nn::HardEstimator;

fn main() {
    let straight_through = HardEstimator::StraightThrough { temperature: 1.0 };
    for (name, estimator) in [
        ("soft attention", None),
        ("hard, straight-through", Some(straight_through)),
        ("hard, REINFORCE", Some(HardEstimator::Reinforce)),
    ] {
        let Shares { answered, picked } = lookup::learn(estimator, 1);
        let [answers, picks] = [answered, picked].map(|share| 100.0 * share);
        println!("{name}: {answers:.1} % right answers, {picks:.1} % at the right position");
        assert!(
            answers > 95.0 && picks > 95.0,
            "it should have learned this"
        );
    }
}
