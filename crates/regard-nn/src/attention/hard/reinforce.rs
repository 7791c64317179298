//! The loss of selections that have no gradient of their own.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use super::HardAttentionOutput;
use crate::{Init, Linear};

/// What REINFORCE adds to an objective: a term whose gradient is, on average over the draws, that of the expected cost;
/// and the regression of a baseline that lessens its variance.
///
/// For head h of a query with state `x`, which selected with log-probability `l` from a distribution of entropy `e`,
/// and then cost `c`:
///
/// ```text
/// b    = detached(x) W + b_0                                             baseline, [B, T, H]
/// term = sum_h detached(c - b_h) l_h + (b_h - c)^2 - entropy_weight e_h  [B, T]
/// ```
///
/// # Shapes
///
/// States `[B, T, D_q]`, costs `[B, T]` or `[B, 1]`, terms `[B, T]`.
///
/// # Parameters
///
/// `baseline: [D_q, H]`, a linear map of the state with bias; `H (D_q + 1)` numbers. Xavier uniform, bias zero.
///
/// # Behaviour
///
/// - Minimise `cost + terms`, summed over the queries that count: padding is left out by leaving its terms out. Where the
///   cost differentiates (in the selected values, in what comes behind them), its own gradient is part of the expected cost's.
/// - No gradient flows into the cost, nor through the baseline into the state: it fits the state, the state does not
///   serve it. That is usual practice.
/// - Any baseline that does not know the selection leaves the gradient unbiased.
/// - The terms' value means nothing; only their gradient does. Costs are in any unit, nats for a negative log-likelihood.
/// - A query that sees nothing has no selection: what remains of its term is the regression.
///
/// - Cost: that of the baseline, `O(B T D_q H)`.
///
/// # Panics
///
/// [`terms`](Self::terms) if shapes do not fit.
///
/// # Differences
///
/// - Xu et al. take a moving average of the log-likelihood as baseline, the same for all inputs; Mnih et al. learn theirs from
///   the state, as here.
/// - PyTorch and burn: no counterpart.
///
/// # References
///
/// Williams. Simple statistical gradient-following algorithms for connectionist reinforcement learning. 1992.
/// Xu et al. 2015. <https://arxiv.org/abs/1502.03044>, section 4.1. Baseline: Mnih, Heess, Graves, Kavukcuoglu.
/// Recurrent Models of Visual Attention. 2014. <https://arxiv.org/abs/1406.6247>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOutput, HardAttentionOutput, Init, ReinforceLossConfig};
/// let device = Device::flex();
/// let loss = ReinforceLossConfig::new(4, 1).with_entropy_weight(0.5).init(&Init::new(1, &device));
/// let state = Tensor::zeros([1, 1, 4], &device); // its baseline is the bias, 0
/// let output = HardAttentionOutput {
///     attention: AttentionOutput { context: Tensor::zeros([1, 1, 4], &device), weights: None },
///     log_probability: Tensor::full([1, 1, 1], -2.0, &device),
///     entropy: Tensor::full([1, 1, 1], 0.5, &device),
/// };
/// let terms = loss.terms(state, Tensor::full([1, 1], 3.0, &device), &output);
/// assert_eq!(terms.into_scalar::<f32>(), (3.0 - 0.0) * -2.0 + 9.0 - 0.5 * 0.5);
/// ```
#[derive(Module, Debug)]
pub struct ReinforceLoss {
    /// Expected cost from the state, `[D_q, H]`.
    pub baseline: Linear,
    entropy_weight: f64,
}

/// Sizes and weights of [`ReinforceLoss`].
#[derive(Config, Debug)]
pub struct ReinforceLossConfig {
    /// Width `D_q` of the state.
    pub d_query: usize,
    /// Number of heads H.
    pub n_heads: usize,
    /// How much a nat of entropy is worth, in units of the cost. Default 0.
    #[config(default = 0.0)]
    pub entropy_weight: f64,
}

impl ReinforceLossConfig {
    /// A loss with a baseline from `init`.
    pub fn init(&self, init: &Init) -> ReinforceLoss {
        ReinforceLoss {
            baseline: Linear::new(self.d_query, self.n_heads, &init.at("baseline")),
            entropy_weight: self.entropy_weight,
        }
    }
}

impl ReinforceLoss {
    /// The terms `[B, T]` of queries with states `[B, T, D_q]`; `cost` is what each led to, `[B, T]`, or the whole
    /// example, `[B, 1]`.
    ///
    /// # Panics
    ///
    /// If `cost` is of another shape, or the states are not of the configured width or not those of the output's queries.
    pub fn terms(
        &self,
        state: Tensor<3>,
        cost: Tensor<2>,
        output: &HardAttentionOutput,
    ) -> Tensor<2> {
        let ([batch, t, _], [rows, costs]) = (state.dims(), cost.dims());
        assert!(
            rows == batch && (costs == t || costs == 1),
            "ReinforceLoss: expected costs [{batch}, {t}] or [{batch}, 1], got {:?}",
            cost.dims()
        );
        let [output_rows, n_heads, queries] = output.log_probability.dims();
        assert!(
            [output_rows, queries] == [batch, t],
            "ReinforceLoss: expected the states of {output_rows} x {queries} queries, got {batch} x {t}"
        );
        let cost = cost.detach().reshape([batch, costs, 1]);
        let baseline = self.baseline.forward(state.detach().flatten(0, 1));
        let baseline = baseline.reshape([batch, t, n_heads]);
        let error = cost - baseline; // [B, T, H]
        let of_queries = |x: &Tensor<3>| x.clone().swap_dims(1, 2); // [B, T, H]
        let terms = error.clone().detach() * of_queries(&output.log_probability) + error.square()
            - of_queries(&output.entropy) * self.entropy_weight;
        terms.sum_dim(2).reshape([batch, t])
    }
}
