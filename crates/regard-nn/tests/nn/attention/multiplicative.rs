//! Luong's scores.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, Init, LuongAttention, LuongAttentionConfig,
    LuongScore, Pass, ProjectedMemory, attention, multiplicative_attention,
};

use super::scores::{
    Decoding, HEADS, HIDDEN, QUERY, agrees_with_pytorch, rows_in_groups_share_a_memory, subject,
};
use crate::formula::numbers;
use crate::kinds::{self, D, H, Promises, Subject};
use crate::parts::{assert_close, replace, vector};

const CONCAT: LuongScore = LuongScore::Concat {
    d_attention: HIDDEN,
};

impl Decoding for LuongAttention {
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

fn subjects(device: &Device) -> Vec<Subject<LuongAttention>> {
    let mut subjects = Vec::new();
    for score in [LuongScore::Dot, LuongScore::General, CONCAT] {
        for (name, n_heads) in HEADS {
            let kind = LuongAttentionConfig::new(D, D, score)
                .with_n_heads(n_heads)
                .with_dropout(0.3)
                .init(&Init::new(1, device));
            let name = format!("{score:?}, {name}");
            subjects.push(subject(&name, kind, Promises::of_cross_attention()));
        }
    }
    subjects
}

kinds::tests!(super::multiplicative::subjects);

#[test]
fn hypotheses_share_a_memory() {
    rows_in_groups_share_a_memory(subjects(&crate::device()));
}

#[test]
fn pytorch() {
    let init = Init::new(1, &crate::device().autodiff());
    for (name, score, d_query, n_heads) in [
        ("dot/one", LuongScore::Dot, D, 1),
        ("dot/heads", LuongScore::Dot, D, H),
        ("general/one", LuongScore::General, QUERY, 1),
        ("general/heads", LuongScore::General, QUERY * H, H),
        ("concat/one", CONCAT, QUERY, 1),
        ("concat/heads", CONCAT, QUERY, H),
    ] {
        let config = LuongAttentionConfig::new(d_query, D, score).with_n_heads(n_heads);
        agrees_with_pytorch(name, config.init(&init), d_query, 0);
    }
}

#[test]
fn dot_with_a_scale_is_scaled_dot_product_attention() {
    let device = crate::device();
    let query = numbers("query", [2, 7, D], &device);
    let memory = numbers("memory", [2, 11, D], &device);
    let mask = AttentionMask::key_lengths(vec![11, 5]);
    let config = LuongAttentionConfig::new(D, D, LuongScore::Dot).with_n_heads(H);
    let scale = 1.0 / ((D / H) as f64).sqrt();
    let scaled = config.clone().with_scale(scale);
    let [plain, scaled] = [config, scaled].map(|config| {
        let kind = config.init(&Init::new(1, &device));
        let pass = Pass::evaluation();
        vector(
            kind.forward(query.clone(), memory.clone(), &mask, &pass)
                .context,
        )
    });
    let operands = [query, memory.clone(), memory];
    let options = AttentionOptions {
        mask,
        ..AttentionOptions::new(H)
    };
    let [query, key, value] = operands.clone();
    let expected = vector(attention(query, key, value, options.clone()).context);
    assert_close(&scaled, &expected, 1e-6, "scale 1 / sqrt(K)");
    let [query, key, value] = operands;
    let expected = vector(multiplicative_attention(query, key, value, options).context);
    assert_close(&plain, &expected, 1e-6, "scale 1");
    assert_ne!(plain, scaled);
}

#[test]
fn general_with_the_identity_is_dot() {
    let device = crate::device();
    let [dot, general] = [LuongScore::Dot, LuongScore::General].map(|score| {
        let config = LuongAttentionConfig::new(D, D, score).with_n_heads(H);
        let kind = replace(config.init(&Init::new(1, &device)), "", |_, old| {
            let entry = |i: usize| f32::from(u8::from(i / D == i % D));
            (0..old.len()).map(entry).collect()
        });
        let query = numbers("query", [2, 7, D], &device);
        let memory = numbers("memory", [2, 11, D], &device);
        let output = kind.forward(query, memory, &AttentionMask::none(), &Pass::evaluation());
        vector(output.context)
    });
    assert_close(&general, &dot, 1e-6, "context");
}

#[test]
#[should_panic(expected = "LuongAttention: the score dot needs d_query = d_memory, got 4 and 6")]
fn dot_of_different_widths() {
    LuongAttentionConfig::new(4, 6, LuongScore::Dot).init(&Init::new(1, &crate::device()));
}

#[test]
#[should_panic(
    expected = "LuongAttention: expected d_query to be a multiple of n_heads = 3, got 4"
)]
fn heads_that_do_not_divide_the_queries() {
    LuongAttentionConfig::new(4, 6, LuongScore::General)
        .with_n_heads(3)
        .init(&Init::new(1, &crate::device()));
}

#[test]
#[should_panic(expected = "LuongAttention: expected queries of width 2, got 6")]
fn queries_that_are_a_multiple_of_the_keys() {
    let device = crate::device();
    let config = LuongAttentionConfig::new(6, 6, LuongScore::Dot).with_n_heads(3);
    let attention = config.init(&Init::new(1, &device));
    let [query, memory] = [6, 2].map(|width| Tensor::zeros([1, 1, width], &device));
    attention.forward(query, memory, &AttentionMask::none(), &Pass::evaluation());
}
