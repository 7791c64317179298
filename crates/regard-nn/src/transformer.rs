//! The encoder-decoder transformer.

mod config;
mod decoder;
mod encoder;

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

pub use config::{ResidualForm, TransformerConfig, Tying};
use decoder::Decoder;
use encoder::Encoder;

use crate::cache::select_rows;
use crate::{
    AttentionMap, AttentionMask, Decoded, Embedding, Init, KeyValueCache, Layout, Linear, Output,
    Pass, Rows, Seq2Seq, Source, Step,
};

/// An encoder and a decoder made of attention alone.
///
/// # Differences
///
/// - Paper: pre-norm by default, with a final norm on both stacks; attention maps have biases.
/// - PyTorch's `nn.Transformer` has no embeddings and no cache; the layers are the same functions, with one `Linear`
///   for what is packed here as q, k and v.
///
/// # References
///
/// Vaswani et al. Attention Is All You Need. 2017. <https://arxiv.org/abs/1706.03762>
#[derive(Module, Debug)]
pub struct Transformer {
    /// `None` where the source shares the target's.
    source_embedding: Option<Embedding>,
    target_embedding: Embedding,
    encoder: Encoder,
    decoder: Decoder,
    /// `None` where it is the transpose of the target embedding.
    output: Option<Linear>,
    embedding_dropout: f64,
}

/// What the encoder left behind: each decoder layer's keys and values.
#[derive(Clone, Debug)]
pub struct TransformerMemory {
    /// `[k | v]`, `[B, S, 2 D]`, for each layer.
    key_values: Vec<Tensor<3>>,
    lengths: Arc<[usize]>,
    mask: AttentionMask,
}

/// Each decoder layer's keys and values of the target so far.
#[derive(Clone, Debug)]
pub struct TransformerState {
    caches: Vec<KeyValueCache>,
}

impl TransformerConfig {
    /// A model for vocabularies of the given sizes, with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If [`problems`](Self::problems) finds any, or all embeddings are to be tied and the vocabularies differ in size.
    pub fn init(
        &self,
        source_vocabulary: usize,
        target_vocabulary: usize,
        init: &Init,
    ) -> Transformer {
        assert!(
            self.problems().is_empty(),
            "Transformer: {}",
            self.problems().join("; ")
        );
        assert!(
            self.tie != Tying::All || source_vocabulary == target_vocabulary,
            "Transformer: tying all embeddings needs one vocabulary, got {source_vocabulary} and {target_vocabulary} tokens"
        );
        let d_model = self.d_model;
        Transformer {
            source_embedding: (self.tie != Tying::All)
                .then(|| Embedding::new(source_vocabulary, d_model, &init.at("source_embedding"))),
            target_embedding: Embedding::new(
                target_vocabulary,
                d_model,
                &init.at("target_embedding"),
            ),
            encoder: Encoder::new(self, &init.at("encoder")),
            decoder: Decoder::new(self, &init.at("decoder")),
            output: (self.tie == Tying::None)
                .then(|| Linear::new(d_model, target_vocabulary, &init.at("output"))),
            embedding_dropout: self.embedding_dropout,
        }
    }
}

impl Transformer {
    fn embed(
        &self,
        embedding: &Embedding,
        ids: Tensor<2, Int>,
        offset: usize,
        pass: &Pass,
    ) -> (Tensor<2>, Layout) {
        let (x, layout) = embedding.forward(ids, offset);
        let x = pass
            .at("embedding")
            .dropout(layout.unflatten(x), self.embedding_dropout);
        (Layout::flatten(x), layout)
    }

    fn encode_with_maps(
        &self,
        source: &Source,
        pass: &Pass,
    ) -> (TransformerMemory, Vec<AttentionMap>) {
        let pass = pass.at("encoder");
        let embedding = self
            .source_embedding
            .as_ref()
            .unwrap_or(&self.target_embedding);
        let mask = source.mask();
        let (x, layout) = self.embed(embedding, source.ids.clone(), 0, &pass);
        let (encoded, maps) = self.encoder.forward(x, layout, &mask, &pass);
        let memory = TransformerMemory {
            key_values: self.decoder.project(&encoded, layout),
            lengths: source.lengths.clone(),
            mask,
        };
        (memory, maps)
    }

    /// `ids: [R, T]`, the positions that follow those in the caches, if there are any.
    fn decode(
        &self,
        ids: Tensor<2, Int>,
        memory: &TransformerMemory,
        caches: Option<&mut Vec<KeyValueCache>>,
        pass: &Pass,
    ) -> (Tensor<2>, Layout, Vec<AttentionMap>) {
        let pass = pass.at("decoder");
        let offset = caches.as_ref().map_or(0, |caches| caches[0].length());
        let (x, layout) = self.embed(&self.target_embedding, ids, offset, &pass);
        let (hidden, maps) = self.decoder.forward(x, layout, memory, caches, &pass);
        (hidden, layout, maps)
    }
}

impl Seq2Seq for Transformer {
    type Memory = TransformerMemory;
    type State = TransformerState;

    fn encode(&self, source: &Source, pass: &Pass) -> TransformerMemory {
        self.encode_with_maps(source, pass).0
    }

    fn start(&self, memory: &TransformerMemory) -> TransformerState {
        TransformerState {
            caches: vec![KeyValueCache::default(); memory.key_values.len()],
        }
    }

    fn step(
        &self,
        tokens: Tensor<1, Int>,
        memory: &TransformerMemory,
        mut state: TransformerState,
        pass: &Pass,
    ) -> Step<TransformerState> {
        let ids = tokens.unsqueeze_dim(1); // [R, 1]
        let (hidden, _, _) = self.decode(ids, memory, Some(&mut state.caches), pass);
        Step {
            logits: self.output().logits(hidden),
            state,
        }
    }

    fn forward(&self, source: &Source, target_in: Tensor<2, Int>, pass: &Pass) -> Decoded {
        let (memory, mut attention) = self.encode_with_maps(source, pass);
        let (hidden, layout, maps) = self.decode(target_in, &memory, None, pass);
        attention.extend(maps);
        Decoded {
            hidden,
            layout,
            attention,
        }
    }

    fn output(&self) -> Output {
        match &self.output {
            Some(output) => Output {
                weight: output.weight.val(),
                bias: output.bias.as_ref().map(Param::val),
            },
            None => Output {
                weight: self.target_embedding.weight.val().transpose(),
                bias: None,
            },
        }
    }
}

impl Rows for TransformerMemory {
    fn select(self, rows: &[usize]) -> Self {
        let lengths: Arc<[usize]> = rows.iter().map(|&row| self.lengths[row]).collect();
        Self {
            key_values: self
                .key_values
                .into_iter()
                .map(|key_value| select_rows(key_value, rows))
                .collect(),
            mask: AttentionMask::key_lengths(lengths.clone()),
            lengths,
        }
    }
}

impl Rows for TransformerState {
    fn select(self, rows: &[usize]) -> Self {
        Self {
            caches: self
                .caches
                .into_iter()
                .map(|cache| cache.select(rows))
                .collect(),
        }
    }
}
