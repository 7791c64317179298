//! Scaled dot-product attention of several heads.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOutput, Init, KeyValueCache, Layout, MultiHeadAttentionConfig,
    MultiHeadCrossAttention, MultiHeadSelfAttention, Pass,
};

use crate::formula::fill;
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::vector;

impl Kind for MultiHeadSelfAttention {
    fn attend(
        &self,
        query: Tensor<3>,
        _: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, &mask, pass)
    }

    fn step_by_step(&self, query: Tensor<3>, _: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = query.dims();
        let mut cache = KeyValueCache::default();
        let step = |t: usize| {
            let x = Layout::flatten(query.clone().slice([0..batch, t..t + 1]));
            let layout = Layout { batch, length: 1 };
            let mask = AttentionMask::causal();
            let pass = Pass::evaluation();
            let (context, _) = self.attend(x, layout, mask, Some(&mut cache), &pass);
            layout.unflatten(context)
        };
        Some(Tensor::cat((0..length).map(step).collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        bias(self.output.bias.as_ref())
    }
}

impl Kind for MultiHeadCrossAttention {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, memory, &mask, pass)
    }

    fn step_by_step(&self, query: Tensor<3>, memory: Tensor<3>) -> Option<Tensor<3>> {
        let [batch, length, _] = memory.dims();
        let key_value = self.project(Layout::flatten(memory), Layout { batch, length });
        let step = |t: usize| {
            let x = Layout::flatten(query.clone().slice([0..batch, t..t + 1]));
            let layout = Layout { batch, length: 1 };
            let mask = AttentionMask::none();
            let pass = Pass::evaluation();
            let (context, _) = self.attend(x, layout, &key_value, mask, &pass);
            layout.unflatten(context)
        };
        Some(Tensor::cat((0..query.dims()[1]).map(step).collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        bias(self.output.bias.as_ref())
    }
}

fn bias(bias: Option<&Param<Tensor<1>>>) -> Vec<f32> {
    bias.map_or_else(|| vec![0.0; D], |bias| vector(bias.val()))
}

fn subject<K: Module>(name: &str, kind: K, promises: Promises) -> Subject<K> {
    Subject {
        name: name.into(),
        kind: fill(kind, "attention"),
        promises,
    }
}

fn config() -> MultiHeadAttentionConfig {
    MultiHeadAttentionConfig::new(D, H).with_dropout(0.3)
}

mod self_attention {
    use super::*;

    fn subjects(device: &Device) -> Vec<Subject<MultiHeadSelfAttention>> {
        let promises = Promises::of_self_attention();
        let plain = config().init_self(&Init::new(1, device));
        vec![subject("plain", plain, promises)]
    }

    kinds::tests!(super::self_attention::subjects);
}

mod cross_attention {
    use super::*;

    fn subjects(device: &Device) -> Vec<Subject<MultiHeadCrossAttention>> {
        let promises = Promises::of_cross_attention();
        let plain = config().init_cross(&Init::new(1, device));
        vec![subject("plain", plain, promises)]
    }

    kinds::tests!(super::cross_attention::subjects);
}
