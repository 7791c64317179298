//! The encoder-decoder transformer.

mod choices;
mod config;
mod decoder;
mod encoder;
mod positions;
mod self_attention;

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use regard_kernels::dropout_rows;

pub use choices::{PositionKind, ResidualForm, SelfAttentionKind, Tying};
pub use config::TransformerConfig;
use decoder::Decoder;
use encoder::Encoder;
use positions::Positions;
use self_attention::Past;

use crate::cache::select_rows;
use crate::output::OutputMap;
use crate::{
    AttentionMap, AttentionMask, Decoded, Embedding, Init, Layout, Output, Pass, Rows, Seq2Seq,
    Step, Tokens,
};

/// An encoder and a decoder made of attention alone.
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `source.ids`, `target_in.ids` | `[N]` each | rows of [`Tokens`], with their lengths |
/// | `hidden` | `[N, D]` | of every target position of `target_in`, before the output map |
/// | `logits` | `[R, V]` | of the next token, by a [`step`](Seq2Seq::step) |
/// | `attention` | `[B, H, Q, K]` | a map for each attention, before dropout, if the pass wants them |
///
/// # Parameters
///
/// For vocabularies of `V_s` and `V_t` tokens, and with everything that [`TransformerConfig`] leaves open at its default:
///
/// | part | numbers |
/// |------|---------|
/// | embeddings and output map | `V_t D`; `(V_s + V_t) D` where `tie = "output"`; and `(D + 1) V_t` more where `"none"` |
/// | a layer of the encoder | `A + G + 4 D`, with `A = 4 D (D + 1)` for attention and `G = 2 D F + D + F` behind it |
/// | a layer of the decoder | `2 A + G + 6 D` |
/// | norms behind the stacks | `4 D`; none in post-norm |
///
/// # Behaviour
///
/// - The decoder sees its past alone; steps through a prefix give what [`forward`](Seq2Seq::forward) gives on it.
/// - Cost of `forward`, by layer: `O(B (S + T) (D + F) D)` for maps, `O(B (S^2 + T^2 + S T) D)` for attention, where
///   `window` and `linear` spare the squares.
///
/// # Panics
///
/// With learned positions, on a sequence of more than `max_positions`.
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
///
/// # Example
///
/// ```
/// use burn::{module::Module, tensor::Device};
/// use regard_nn::{Init, Pass, Seq2Seq, Tokens, TransformerConfig};
///
/// let device = Device::flex();
/// let config = TransformerConfig { d_model: 4, n_heads: 2, d_ff: 8, ..TransformerConfig::default() };
/// let model = config.init(10, 10, &Init::new(1, &device));
/// let source = Tokens::new(&[5, 6, 7, 8, 9, 0], &[3, 2], &device);
/// let target_in = Tokens::new(&[1, 5, 1, 9], &[2, 2], &device);
/// let decoded = model.forward(&source, &target_in, &Pass::evaluation());
/// assert_eq!(decoded.hidden.dims(), [2 * 2, 4]);
/// assert_eq!(model.num_params(), 40 + 3 * (80 + 76 + 16) + 3 * (160 + 76 + 24) + 16);
/// ```
#[derive(Module, Debug)]
pub struct Transformer {
    /// `None` where the source shares the target's.
    source_embedding: Option<Embedding>,
    target_embedding: Embedding,
    source_positions: Positions,
    target_positions: Positions,
    encoder: Encoder,
    decoder: Decoder,
    output: OutputMap,
    embedding_dropout: f64,
}

/// What the encoder left behind: each decoder layer's keys and values.
#[derive(Clone, Debug)]
pub struct TransformerMemory {
    /// `[k | v]`, `[B, S, 2 H_kv K]`, for each layer.
    key_values: Vec<Tensor<3>>,
    lengths: Arc<[usize]>,
    mask: AttentionMask,
}

/// What each decoder layer keeps of the target so far.
#[derive(Clone, Debug)]
pub struct TransformerState {
    layers: Vec<Past>,
    /// Tokens read.
    length: usize,
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
        let embedding = |vocabulary: usize, name: &str| Embedding {
            scaled: self.embedding_scale,
            ..Embedding::new(vocabulary, d_model, &init.at(name))
        };
        Transformer {
            source_embedding: (self.tie != Tying::All)
                .then(|| embedding(source_vocabulary, "source_embedding")),
            target_embedding: embedding(target_vocabulary, "target_embedding"),
            source_positions: Positions::new(self, true, &init.at("source_positions")),
            target_positions: Positions::new(self, false, &init.at("target_positions")),
            encoder: Encoder::new(self, &init.at("encoder")),
            decoder: Decoder::new(self, &init.at("decoder")),
            output: OutputMap::new(
                [d_model, target_vocabulary],
                self.tie,
                self.output_bias(),
                &init.at("output"),
            ),
            embedding_dropout: self.embedding_dropout,
        }
    }
}

impl Transformer {
    /// Vectors of `ids: [N]`, the first of each example at position `offset`.
    fn embed(
        &self,
        (embedding, positions): (&Embedding, &Positions),
        (ids, layout): (Tensor<1, Int>, &Layout),
        offset: usize,
        pass: &Pass,
    ) -> Tensor<2> {
        let x = positions.add(embedding.forward(ids), layout, offset);
        let x = match pass
            .at("embedding")
            .row_dropout(layout, self.embedding_dropout)
        {
            Some(dropout) => dropout_rows(x, &dropout),
            None => x,
        };
        pass.activations(x)
    }

    fn encode_with_maps(
        &self,
        source: &Tokens,
        pass: &Pass,
    ) -> (TransformerMemory, Vec<AttentionMap>) {
        let pass = pass.at("encoder");
        let embedding = self
            .source_embedding
            .as_ref()
            .unwrap_or(&self.target_embedding);
        let mask = source.mask();
        let from = (embedding, &self.source_positions);
        let layout = &source.layout;
        let x = self.embed(from, (source.ids.clone(), layout), 0, &pass);
        let bias = self.source_positions.bias([layout.length(); 2], &x);
        let scores = (&mask, bias.as_ref());
        let (encoded, maps) = self.encoder.forward(x, layout, scores, &pass);
        let memory = TransformerMemory {
            key_values: self.decoder.project(&encoded, layout),
            lengths: source.lengths.clone(),
            mask,
        };
        (memory, maps)
    }

    /// `ids: [N]`, the tokens that follow those of the state, if there is one.
    fn decode(
        &self,
        (ids, layout): (Tensor<1, Int>, &Layout),
        memory: &TransformerMemory,
        state: Option<&mut TransformerState>,
        pass: &Pass,
    ) -> (Tensor<2>, Vec<AttentionMap>) {
        let pass = pass.at("decoder");
        let offset = state.as_ref().map_or(0, |state| state.length);
        let from = (&self.target_embedding, &self.target_positions);
        let x = self.embed(from, (ids, layout), offset, &pass);
        let length = layout.length();
        let bias = self.target_positions.bias([length, offset + length], &x);
        let past = state.map(|state| {
            state.length += length;
            &mut state.layers
        });
        let context = (bias.as_ref(), past);
        self.decoder.forward(x, layout, memory, context, &pass)
    }
}

impl Seq2Seq for Transformer {
    type Memory = TransformerMemory;
    type State = TransformerState;

    fn encode(&self, source: &Tokens, pass: &Pass) -> TransformerMemory {
        self.encode_with_maps(source, pass).0
    }

    fn start(&self, _: &TransformerMemory) -> TransformerState {
        TransformerState {
            layers: self.decoder.start(),
            length: 0,
        }
    }

    fn step(
        &self,
        tokens: Tensor<1, Int>,
        memory: &TransformerMemory,
        mut state: TransformerState,
        pass: &Pass,
    ) -> Step<TransformerState> {
        let [rows] = tokens.dims();
        let tokens = (tokens, &Layout::dense(rows, 1));
        let (hidden, _) = self.decode(tokens, memory, Some(&mut state), pass);
        Step {
            logits: self.output().logits(hidden),
            state,
        }
    }

    fn forward(&self, source: &Tokens, target_in: &Tokens, pass: &Pass) -> Decoded {
        let (memory, mut attention) = self.encode_with_maps(source, pass);
        let tokens = (target_in.ids.clone(), &target_in.layout);
        let (hidden, maps) = self.decode(tokens, &memory, None, pass);
        attention.extend(maps);
        Decoded {
            hidden,
            layout: target_in.layout.clone(),
            attention,
        }
    }

    fn output(&self) -> Output {
        self.output.output(&self.target_embedding)
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
            layers: self
                .layers
                .into_iter()
                .map(|past| past.select(rows))
                .collect(),
            ..self
        }
    }
}
