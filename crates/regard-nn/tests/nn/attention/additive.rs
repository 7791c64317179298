//! Additive attention.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AdditiveAttention, AdditiveAttentionConfig, AttentionMask, AttentionOptions, AttentionOutput,
    Init, Pass, ProjectedMemory, additive_attention,
};

use super::scores::{
    Decoding, HEADS, HIDDEN, QUERY, agrees_with_pytorch, rows_in_groups_share_a_memory, subject,
};
use crate::formula::numbers;
use crate::kinds::{self, D, H, Promises, Subject};
use crate::parts::{assert_close, vector};

impl Decoding for AdditiveAttention {
    fn project(&self, memory: Tensor<3>) -> ProjectedMemory {
        self.project(memory)
    }

    fn look(
        &self,
        query: Tensor<3>,
        memory: &ProjectedMemory,
        _: usize,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.attend(query, memory, mask, pass)
    }

    fn look_at_once(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, memory, mask, pass)
    }
}

/// One head without bias, several with it.
fn config(d_query: usize, n_heads: usize) -> AdditiveAttentionConfig {
    AdditiveAttentionConfig::new(d_query, D, HIDDEN)
        .with_n_heads(n_heads)
        .with_bias(n_heads > 1)
}

fn subjects(device: &Device) -> Vec<Subject<AdditiveAttention>> {
    let subject = |(name, n_heads)| {
        let kind = config(D, n_heads)
            .with_dropout(0.3)
            .init(&Init::new(1, device));
        subject(name, kind, Promises::of_cross_attention())
    };
    HEADS.map(subject).into()
}

kinds::tests!(super::additive::subjects);

#[test]
fn hypotheses_share_a_memory() {
    rows_in_groups_share_a_memory(subjects(&crate::device()));
}

#[test]
fn pytorch() {
    let init = Init::new(1, &crate::device().autodiff());
    for (name, n_heads) in [("additive/one", 1), ("additive/heads", H)] {
        let kind = config(QUERY, n_heads).init(&init);
        agrees_with_pytorch(name, kind, QUERY, 0);
    }
}

/// Queries, keys, values and score weights of `n_heads` heads of widths 5 and 3.
fn operands(n_heads: usize, device: &Device) -> ([Tensor<3>; 3], Tensor<1>) {
    let operands = [
        numbers("query", [2, 7, 5 * n_heads], device),
        numbers("key", [2, 11, 5 * n_heads], device),
        numbers("value", [2, 11, 3 * n_heads], device),
    ];
    (operands, numbers("score", [5 * n_heads], device))
}

#[test]
fn a_head_is_attention_with_its_slices() {
    let device = crate::device();
    let ([query, key, value], score) = operands(H, &device);
    let options = |n_heads| AttentionOptions {
        weights: true,
        ..AttentionOptions::new(n_heads)
    };
    let all = additive_attention(
        query.clone(),
        key.clone(),
        score.clone(),
        value.clone(),
        options(H),
    );
    let all_weights = all.weights.expect("asked for");
    for head in 0..H {
        let slice = |x: &Tensor<3>, width: usize| x.clone().narrow(2, head * width, width);
        let own = additive_attention(
            slice(&query, 5),
            slice(&key, 5),
            score.clone().narrow(0, head * 5, 5),
            slice(&value, 3),
            options(1),
        );
        let context = vector(slice(&all.context, 3));
        assert_close(&context, &vector(own.context), 1e-6, "context");
        let weights = vector(all_weights.clone().narrow(1, head, 1));
        let own = vector(own.weights.expect("asked for"));
        assert_close(&weights, &own, 1e-6, "weights");
    }
}

#[test]
fn the_scale_is_one_unless_given() {
    let device = crate::device();
    let ([query, key, value], score) = operands(1, &device);
    let run = |score: Tensor<1>, scale| {
        let options = AttentionOptions {
            scale,
            ..AttentionOptions::new(1)
        };
        let operands = [&query, &key, &value].map(Tensor::clone);
        let [query, key, value] = operands;
        vector(additive_attention(query, key, score, value, options).context)
    };
    assert_eq!(run(score.clone(), None), run(score.clone(), Some(1.0)));
    let doubled = run(score.clone() * 2.0, None);
    assert_close(&run(score.clone(), Some(2.0)), &doubled, 1e-6, "scale 2");
    assert_ne!(run(score, None), doubled);
}

#[test]
fn one_parameter_for_each_number_of_the_formula() {
    use burn::module::Module;
    let init = Init::new(1, &crate::device());
    let kind = |bias| config(QUERY, H).with_bias(bias).init(&init);
    let count = H * HIDDEN * (QUERY + D + 1);
    assert_eq!(kind(false).num_params(), count);
    assert_eq!(kind(true).num_params(), count + H * HIDDEN);
}

#[test]
#[should_panic(
    expected = "additive_attention: expected query [B, T, H A], key [B, S, H A], score_weight [H A], value [B, S, H K_v] with H = 1, got [2, 7, 5], [2, 11, 5], [4], [2, 11, 3]"
)]
fn a_score_of_another_width() {
    let ([query, key, value], score) = operands(1, &crate::device());
    let options = AttentionOptions::new(1);
    additive_attention(query, key, score.narrow(0, 0, 4), value, options);
}

#[test]
#[should_panic(
    expected = "AdditiveAttention: expected d_memory to be a multiple of n_heads = 4, got 6"
)]
fn heads_that_do_not_divide_the_memory() {
    AdditiveAttentionConfig::new(4, 6, 5)
        .with_n_heads(4)
        .init(&Init::new(1, &crate::device()));
}

/// A memory of two rows meets `rows` rows of queries.
fn meet(rows: usize, mask: &AttentionMask) {
    let device = crate::device();
    let attention = AdditiveAttentionConfig::new(4, 6, 5).init(&Init::new(1, &device));
    let memory = attention.project(Tensor::zeros([2, 3, 6], &device));
    let query = Tensor::zeros([rows, 1, 4], &device);
    attention.attend(query, &memory, mask, &Pass::evaluation());
}

#[test]
#[should_panic(
    expected = "AdditiveAttention: expected a multiple of the 2 rows of the memory, got 3"
)]
fn rows_that_do_not_fit_the_memory() {
    meet(3, &AttentionMask::none());
}

#[test]
#[should_panic(
    expected = "AdditiveAttention: with 2 rows for each row of the memory, expected a mask of key lengths only, got AttentionMask { causal: true"
)]
fn an_order_of_queries_in_groups() {
    meet(4, &AttentionMask::causal());
}
