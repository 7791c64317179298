//! Recurrent encoder-decoders: the fixed bottleneck, and attention as it began.

mod bahdanau;
mod bottleneck;
mod config;
mod decoder;
mod encoder;
mod luong;
mod readout;
mod recurrent;

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use regard_kernels::{Sequences, dropout_rows};

pub use config::{LuongAlignment, LuongScoreKind, RnnConfig, RnnKind};
use decoder::{Decoder, Read, Reading};
pub use encoder::{Encoded, RecurrentEncoder, RecurrentEncoderConfig};
pub use readout::ReadoutKind;
pub use recurrent::{Recurrent, RecurrentConfig};

use crate::cache::select_rows;
use crate::output::OutputMap;
use crate::{
    AttentionKind, AttentionMap, Decoded, Embedding, Init, Layout, Linear, Output, Pass,
    ProjectedMemory, Rows, Seq2Seq, Step, Tokens, Tying,
};

/// An encoder and a decoder made of recurrent layers, with one of three ways between them.
///
/// ```text
/// encoder   h_j, final_l = recurrent layers over the embeddings of the source      [h_forward | h_backward]
/// bridge    s_0          = tanh(final_l B_l + b_l)                                 for each layer l
/// decoder   e_t = embedding of the last token
///
/// bottleneck  s_t = cell(e_t W + b + summary C, s_(t-1))      summary = final of the last layer
///             t_t = readout(s_t, summary, e_t)
/// bahdanau    c_t = sum_j softmax_j(v . tanh(s_(t-1) Q + h_j U)) h_j
///             s_t = cell(e_t W + b + c_t C, s_(t-1))
///             t_t = readout(s_t, c_t, e_t)
/// luong       s_t = cell(e_t W + b + t_(t-1) F, s_(t-1))
///             c_t = sum_j softmax_j(score(s_t, h_j)) h_j
///             t_t = tanh(s_t W_s + b_s + c_t W_c)
///
/// logits    t_t W_o + b_o                 W_o the target embedding's transpose if tied
/// readout   maxout over pairs, or tanh, of s_t W_s + b_s + c_t W_c + e_t W_e
/// ```
///
/// In the bottleneck, all that crosses over is `s_0`, and `summary` if it is fed at every step: vectors whose size does not
/// grow with the sentence. The cells are [`RecurrentCell`](crate::RecurrentCell)s; above the first layer, layers read the
/// states of the one below.
///
/// # Shapes
///
/// Hidden states, before the output map, are `[N, E]`; cross-attention maps `[B, 1, T, S]`.
///
/// # Parameters
///
/// With `z` 1 for GRU and 2 for LSTM: embeddings as in the [`Transformer`](crate::Transformer); `encoder.layers`, `decoder.layers`: a [`Recurrent`] each;
/// `bridge`: `z D (z D + 1)` for each layer; `decoder.attention`, `decoder.context`, `decoder.summary`, `decoder.feed`,
/// `decoder.readout`: maps as in the formulas. [`num_params`](Module::num_params) adds them up.
///
/// # Behaviour
///
/// - Padding touches no state, and the backward direction begins at the last real token: a row alone gives what it gives in a
///   batch. Steps through a prefix give what [`forward`](Seq2Seq::forward) gives on it.
/// - Dropout on embeddings, between layers, and on what the output map reads; none between steps.
/// - `bottleneck` has no attention maps.
/// - [`step`](Seq2Seq::step) is for evaluation: of a pass with draws it would repeat those of one position.
/// - Cost of `forward`: `O((S + T) D^2)` for states, `O(S T D)` for attention, linear in each length; with input feeding the
///   backward pass moves `O(T log T D)` numbers besides.
///
/// # Differences
///
/// - All of them: embeddings are multiplied by `sqrt(E)`, as everywhere here; and the bridge's tanh meets the cell of an LSTM, too.
/// - Sutskever, Vinyals, Le 2014: the state crosses through a map with tanh, and a layer stands before the output map. A
///   reversed source begins with its end token.
/// - Cho et al. 2014: one direction; the summary is a tanh layer over its final state, here the final state itself; and in the
///   decoder's candidate the reset gate also acts on what the summary adds, here on the state alone.
/// - Bahdanau, Cho, Bengio 2014: the start comes from both directions, not from the backward one alone; the readout reads
///   `s_t`, as their equation 4 has it, where their appendix has `s_(t-1)`; the paper's cell is `gru_reset_before`.
/// - Luong, Pham, Manning 2015: states cross through a map; the readout has a bias.
/// - PyTorch, burn: no counterpart. Checked against `scripts/parity/rnn.py`.
///
/// # References
///
/// Sutskever, Vinyals, Le. Sequence to Sequence Learning with Neural Networks. 2014. <https://arxiv.org/abs/1409.3215>
/// Cho et al. Learning Phrase Representations using RNN Encoder-Decoder. 2014. <https://arxiv.org/abs/1406.1078>
/// Bahdanau, Cho, Bengio. Neural Machine Translation by Jointly Learning to Align and Translate. 2014.
/// <https://arxiv.org/abs/1409.0473>
/// Luong, Pham, Manning. Effective Approaches to Attention-based Neural Machine Translation. 2015.
/// <https://arxiv.org/abs/1508.04025>
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use regard_nn::{Init, Pass, RnnConfig, RnnKind, Seq2Seq, Tokens};
///
/// let device = Device::flex();
/// let config = RnnConfig { d_model: 8, ..RnnConfig::default() };
/// let model = config.init(RnnKind::Bahdanau, 10, 10, &Init::new(1, &device));
/// let source = Tokens::new(&[5, 6, 7, 8, 9, 0], &[3, 2], &device);
/// let target_in = Tokens::new(&[1, 5, 1, 9], &[2, 2], &device);
/// let decoded = model.forward(&source, &target_in, &Pass::evaluation().with_attention());
/// assert_eq!(decoded.hidden.dims(), [2 * 2, 8]);
/// assert_eq!(decoded.attention[0].weights.dims(), [2, 1, 2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct Rnn {
    /// `None` where the source shares the target's.
    source_embedding: Option<Embedding>,
    target_embedding: Embedding,
    encoder: RecurrentEncoder,
    /// From the final state of each layer of the encoder to the start of that of the decoder.
    bridge: Vec<Linear>,
    decoder: Decoder,
    output: OutputMap,
    embedding_dropout: f64,
    dropout: f64,
    reverse_source: bool,
    /// Width of the last layer's final state that is seen.
    d_model: usize,
}

/// What the encoder left behind.
#[derive(Clone, Debug)]
pub struct RnnMemory {
    /// Where each layer of the decoder begins, `[B, Z]`.
    starts: Vec<Tensor<2>>,
    /// The final state of the encoder's last layer, `[B, D]`.
    summary: Tensor<2>,
    /// What attention looks at.
    projected: Option<ProjectedMemory>,
    lengths: Arc<[usize]>,
}

/// The decoder's history.
#[derive(Clone, Debug)]
pub struct RnnState {
    /// `[R, Z]` of each layer.
    layers: Vec<Tensor<2>>,
    /// What was said last, `[R, E]`, if it is fed.
    fed: Option<Tensor<2>>,
    /// Tokens read.
    position: usize,
}

impl RnnConfig {
    /// A model for vocabularies of the given sizes, with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If [`problems`](Self::problems) finds any, or all embeddings are to be tied and the vocabularies differ in size.
    pub fn init(
        &self,
        kind: RnnKind,
        source_vocabulary: usize,
        target_vocabulary: usize,
        init: &Init,
    ) -> Rnn {
        let problems = self.problems(kind);
        assert!(problems.is_empty(), "Rnn: {}", problems.join("; "));
        assert!(
            self.tie != Tying::All || source_vocabulary == target_vocabulary,
            "Rnn: tying all embeddings needs one vocabulary, got {source_vocabulary} and {target_vocabulary} tokens"
        );
        let d_embedding = self.d_embedding();
        let embedding = |vocabulary, name| Embedding::new(vocabulary, d_embedding, &init.at(name));
        let encoder = RecurrentEncoderConfig::new(d_embedding, self.d_model)
            .with_layers(self.layers)
            .with_cell(self.cell)
            .with_bidirectional(self.bidirectional)
            .with_dropout(self.dropout);
        let state_width = self.cell.state_width(self.d_model);
        Rnn {
            source_embedding: (self.tie != Tying::All)
                .then(|| embedding(source_vocabulary, "source_embedding")),
            target_embedding: embedding(target_vocabulary, "target_embedding"),
            encoder: encoder.init(&init.at("encoder")),
            bridge: (0..self.layers)
                .map(|i| Linear::new(state_width, state_width, &init.at("bridge").nth(i)))
                .collect(),
            decoder: Decoder::new(kind, self, &init.at("decoder")),
            output: OutputMap::new(
                [d_embedding, target_vocabulary],
                self.tie,
                self.tie == Tying::None,
                &init.at("output"),
            ),
            embedding_dropout: self.embedding_dropout,
            dropout: self.dropout,
            reverse_source: kind == RnnKind::Bottleneck && self.reverse_source(),
            d_model: self.d_model,
        }
    }
}

impl Rnn {
    fn embed(
        &self,
        embedding: &Embedding,
        ids: Tensor<1, Int>,
        layout: &Layout,
        pass: &Pass,
    ) -> Tensor<2> {
        let x = embedding.forward(ids);
        match pass
            .at("embedding")
            .row_dropout(layout, self.embedding_dropout)
        {
            Some(dropout) => dropout_rows(x, &dropout),
            None => x,
        }
    }

    /// Reads tokens that follow those of the state.
    fn read(
        &self,
        (ids, layout, sequences): (Tensor<1, Int>, &Layout, Sequences),
        memory: &RnnMemory,
        state: &RnnState,
        pass: &Pass,
    ) -> Read {
        let pass = pass.at("decoder");
        let embedded = self.embed(&self.target_embedding, ids, layout, &pass);
        let reading = Reading {
            layout,
            sequences,
            memory,
            state,
            pass,
        };
        self.decoder.read(embedded, &reading)
    }
}

impl Seq2Seq for Rnn {
    type Memory = RnnMemory;
    type State = RnnState;

    fn encode(&self, source: &Tokens, pass: &Pass) -> RnnMemory {
        let pass = pass.at("encoder");
        let embedding = self
            .source_embedding
            .as_ref()
            .unwrap_or(&self.target_embedding);
        let sequences = source.sequences();
        let ids = source.ids.clone();
        let ids = if self.reverse_source {
            ids.select(0, reversed(&sequences, &source.ids.device()))
        } else {
            ids
        };
        let x = self.embed(embedding, ids, &source.layout, &pass);
        let encoded = self.encoder.forward(x, &source.layout, &sequences, &pass);
        let start = |(map, last): (&Linear, &Tensor<2>)| map.forward(last.clone()).tanh();
        let last = encoded.finals[encoded.finals.len() - 1].clone();
        RnnMemory {
            starts: self.bridge.iter().zip(&encoded.finals).map(start).collect(),
            summary: last.narrow(1, 0, self.d_model),
            projected: self
                .decoder
                .project(|| source.layout.unflatten(encoded.states)),
            lengths: source.lengths.clone(),
        }
    }

    fn start(&self, memory: &RnnMemory) -> RnnState {
        let [rows, _] = memory.summary.dims();
        let [_, d_embedding] = self.target_embedding.weight.dims();
        let device = (&memory.summary.device(), memory.summary.dtype());
        RnnState {
            layers: memory.starts.clone(),
            fed: self
                .decoder
                .is_fed()
                .then(|| Tensor::zeros([rows, d_embedding], device)),
            position: 0,
        }
    }

    fn step(
        &self,
        tokens: Tensor<1, Int>,
        memory: &RnnMemory,
        state: RnnState,
        pass: &Pass,
    ) -> Step<RnnState> {
        let [rows] = tokens.dims();
        let layout = Layout::dense(rows, 1);
        let sequences = Sequences::padded(vec![1; rows], 1);
        let read = self.read((tokens, &layout, sequences), memory, &state, pass);
        Step {
            logits: self.output().logits(read.hidden),
            state: RnnState {
                layers: read.states,
                fed: read.fed,
                position: state.position + 1,
            },
        }
    }

    fn forward(&self, source: &Tokens, target_in: &Tokens, pass: &Pass) -> Decoded {
        let memory = self.encode(source, pass);
        let state = self.start(&memory);
        let layout = &target_in.layout;
        let tokens = (target_in.ids.clone(), layout, target_in.sequences());
        let read = self.read(tokens, &memory, &state, pass);
        let hidden = match pass.at("readout").row_dropout(layout, self.dropout) {
            Some(dropout) => dropout_rows(read.hidden, &dropout),
            None => read.hidden,
        };
        let map = |weights| AttentionMap {
            kind: AttentionKind::Cross,
            layer: 0,
            weights,
        };
        Decoded {
            hidden,
            layout: layout.clone(),
            attention: read.weights.map(map).into_iter().collect(),
        }
    }

    fn output(&self) -> Output {
        self.output.output(&self.target_embedding)
    }
}

impl RnnMemory {
    /// What attention looks at, in a model that has some.
    fn looked_at(&self) -> &ProjectedMemory {
        self.projected
            .as_ref()
            .expect("a decoder with attention projected the encoder's states")
    }
}

impl Rows for RnnMemory {
    fn select(self, rows: &[usize]) -> Self {
        let select = |x: Tensor<2>| select_rows(x, rows);
        Self {
            starts: self.starts.into_iter().map(select).collect(),
            summary: select(self.summary),
            projected: self.projected.map(|memory| memory.select(rows)),
            lengths: rows.iter().map(|&row| self.lengths[row]).collect(),
        }
    }
}

impl Rows for RnnState {
    fn select(self, rows: &[usize]) -> Self {
        let select = |x: Tensor<2>| select_rows(x, rows);
        Self {
            layers: self.layers.into_iter().map(select).collect(),
            fed: self.fed.map(select),
            ..self
        }
    }
}

/// For each row, the one that stands there once every sequence is turned round.
fn reversed(sequences: &Sequences, device: &burn::tensor::Device) -> Tensor<1, Int> {
    let mut rows: Vec<u32> = (0..).take(sequences.rows()).collect();
    for sequence in 0..sequences.count() {
        rows[sequences.range(sequence)].reverse();
    }
    crate::batch::id_vector(&rows, device)
}
