//! Positions: vectors, rotations and biases; each alone, and each as the one thing that tells attention the order.

mod biases;
mod laws;
mod parity;
mod rotations;
mod vectors;

use burn::module::Module;
use burn::tensor::Tensor;
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, RelativeBuckets, RelativeVectors, Rotary,
    alibi_bias, attention,
};

use crate::kinds::H;

/// What attention may be told of positions; usually one of them.
#[derive(Module, Debug, Default)]
struct Scheme {
    #[module(skip)]
    rotary: Option<Rotary>,
    alibi: bool,
    buckets: Option<RelativeBuckets>,
    vectors: Option<RelativeVectors>,
}

impl Scheme {
    /// Queries or keys, the first of which stands at `offset`.
    fn turned(&self, x: Tensor<3>, offset: usize) -> Tensor<3> {
        match &self.rotary {
            Some(rotary) => rotary.rotate(x, H, &[offset]),
            None => x,
        }
    }

    /// Attention on queries and keys that are turned already; T5 does not scale.
    fn attend(
        &self,
        [query, key, value]: [Tensor<3>; 3],
        mask: AttentionMask,
        wants_weights: bool,
    ) -> AttentionOutput {
        let sizes @ [_, s] = [query.dims()[1], key.dims()[1]];
        let mut options = AttentionOptions::new(H);
        options.mask = mask;
        options.weights = true;
        if self.alibi {
            options.bias = Some(alibi_bias(H, sizes, &query.device()));
        }
        if let Some(buckets) = &self.buckets {
            options.bias = Some(buckets.bias(sizes));
            options.scale = Some(1.0);
        }
        if let Some(vectors) = &self.vectors {
            options.bias = Some(vectors.scores(query.clone(), s, None));
        }
        let mut output = attention(query, key, value, options);
        if let (Some(vectors), Some(weights)) = (&self.vectors, &output.weights)
            && vectors.value.is_some()
        {
            output.context = output.context + vectors.values(weights.clone());
        }
        output.weights = output.weights.filter(|_| wants_weights);
        output
    }
}
