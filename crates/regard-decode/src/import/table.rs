//! Names in a PyTorch checkpoint, and what they are here: the table of `docs/weights.md`.

/// How numbers get from there to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are; of several of ours, one behind the other.
    Same,
    /// `[out, in]`, here `[in, out]`; of several of ours, the outputs of one behind those of the other.
    Outputs,
    /// Likewise; of several of ours, the inputs.
    Inputs,
    /// `[A]`, here `[A, 1]`.
    Column,
    /// Both biases of a recurrent layer, here their sum; a GRU's second one stays apart in the candidate.
    Biases,
    /// A map: its `.weight` like `Outputs`, its `.bias` like `Same`.
    Map,
    /// Its `.weight` and its `.bias`, both like `Same`.
    Norm,
    /// Nothing here: it is computed.
    Computed,
}

/// A row of the table. `#` stands for a number, `+` for one from 1, `*` for `ih` and for `hh`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) theirs: &'static str,
    ours: [&'static str; 4],
    pub(super) form: Form,
    /// The row counts only where a model has no such parameter.
    pub(super) without: Option<&'static str>,
}

const fn row<const N: usize>(theirs: &'static str, ours: [&'static str; N], form: Form) -> Row {
    let mut all = [""; 4];
    let mut i = 0;
    while i < N {
        all[i] = ours[i];
        i += 1;
    }
    Row {
        theirs,
        ours: all,
        form,
        without: None,
    }
}

const fn same(theirs: &'static str, ours: &'static str) -> Row {
    row(theirs, [ours], Form::Same)
}

const fn matrix(theirs: &'static str, ours: &'static str) -> Row {
    row(theirs, [ours], Form::Outputs)
}

const fn map(theirs: &'static str, ours: &'static str) -> Row {
    row(theirs, [ours], Form::Map)
}

const fn norm(theirs: &'static str, ours: &'static str) -> Row {
    row(theirs, [ours], Form::Norm)
}

impl Row {
    const fn without(self, name: &'static str) -> Self {
        Self {
            without: Some(name),
            ..self
        }
    }

    /// Those of them that a model has make up one of theirs, in this order.
    pub(super) fn ours(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.ours.into_iter().filter(|ours| !ours.is_empty())
    }

    /// Whether it describes PyTorch's recurrent layers, whose cells are not all of ours.
    pub(super) fn is_of_a_cell(&self) -> bool {
        ["weight_ih", "weight_hh", "bias_*"]
            .iter()
            .any(|part| self.theirs.contains(part))
    }

    /// What stands behind the names of the row, and its form; two of them where the row stands for two.
    pub(super) fn parts(&self) -> Vec<(&'static str, Form)> {
        match self.form {
            Form::Map => vec![(".weight", Form::Outputs), (".bias", Form::Same)],
            Form::Norm => vec![(".weight", Form::Same), (".bias", Form::Same)],
            form => vec![("", form)],
        }
    }
}

/// Everything but what has our name in a checkpoint, too; that is read by [`own`].
pub(super) const ROWS: &[Row] = &[
    // One matrix under several names.
    same("source_embedding.weight", "target_embedding.weight").without("source_embedding.weight"),
    same("output.weight", "target_embedding.weight").without("output.weight"),
    // `nn.TransformerEncoder` and `nn.TransformerDecoder`.
    matrix(
        "encoder.layers.#.self_attn.in_proj_weight",
        "encoder.layers.#.self_attention.qkv.weight",
    ),
    same(
        "encoder.layers.#.self_attn.in_proj_bias",
        "encoder.layers.#.self_attention.qkv.bias",
    ),
    map(
        "encoder.layers.#.self_attn.out_proj",
        "encoder.layers.#.self_attention.output",
    ),
    norm(
        "encoder.layers.#.norm1",
        "encoder.layers.#.self_attention_residual.norm",
    ),
    map(
        "encoder.layers.#.linear1",
        "encoder.layers.#.feed_forward.inner",
    ),
    map(
        "encoder.layers.#.linear2",
        "encoder.layers.#.feed_forward.outer",
    ),
    norm(
        "encoder.layers.#.norm2",
        "encoder.layers.#.feed_forward_residual.norm",
    ),
    matrix(
        "decoder.layers.#.self_attn.in_proj_weight",
        "decoder.layers.#.self_attention.qkv.weight",
    ),
    same(
        "decoder.layers.#.self_attn.in_proj_bias",
        "decoder.layers.#.self_attention.qkv.bias",
    ),
    map(
        "decoder.layers.#.self_attn.out_proj",
        "decoder.layers.#.self_attention.output",
    ),
    norm(
        "decoder.layers.#.norm1",
        "decoder.layers.#.self_attention_residual.norm",
    ),
    row(
        "decoder.layers.#.multihead_attn.in_proj_weight",
        [
            "decoder.layers.#.cross_attention.query.weight",
            "decoder.layers.#.cross_attention.key_value.weight",
        ],
        Form::Outputs,
    ),
    row(
        "decoder.layers.#.multihead_attn.in_proj_bias",
        [
            "decoder.layers.#.cross_attention.query.bias",
            "decoder.layers.#.cross_attention.key_value.bias",
        ],
        Form::Same,
    ),
    map(
        "decoder.layers.#.multihead_attn.out_proj",
        "decoder.layers.#.cross_attention.output",
    ),
    norm(
        "decoder.layers.#.norm2",
        "decoder.layers.#.cross_attention_residual.norm",
    ),
    map(
        "decoder.layers.#.linear1",
        "decoder.layers.#.feed_forward.inner",
    ),
    map(
        "decoder.layers.#.linear2",
        "decoder.layers.#.feed_forward.outer",
    ),
    norm(
        "decoder.layers.#.norm3",
        "decoder.layers.#.feed_forward_residual.norm",
    ),
    // An encoder that is an `nn.GRU` or `nn.LSTM`.
    matrix(
        "encoder.weight_ih_l#",
        "encoder.layers.#.forward.input.weight",
    ),
    matrix("encoder.weight_hh_l#", "encoder.layers.#.forward.weight"),
    row(
        "encoder.bias_*_l#",
        [
            "encoder.layers.#.forward.input.bias",
            "encoder.layers.#.forward.candidate_bias",
        ],
        Form::Biases,
    ),
    matrix(
        "encoder.weight_ih_l#_reverse",
        "encoder.layers.#.backward.input.weight",
    ),
    matrix(
        "encoder.weight_hh_l#_reverse",
        "encoder.layers.#.backward.weight",
    ),
    row(
        "encoder.bias_*_l#_reverse",
        [
            "encoder.layers.#.backward.input.bias",
            "encoder.layers.#.backward.candidate_bias",
        ],
        Form::Biases,
    ),
    // Layers of a decoder that are an `nn.GRUCell` or `nn.LSTMCell`.
    row(
        "decoder.layers.0.weight_ih",
        [
            "decoder.layers.0.input.weight",
            "decoder.context.weight",
            "decoder.summary.weight",
            "decoder.feed.weight",
        ],
        Form::Inputs,
    ),
    matrix(
        "decoder.layers.+.weight_ih",
        "decoder.layers.+.input.weight",
    ),
    matrix("decoder.layers.#.weight_hh", "decoder.layers.#.weight"),
    row(
        "decoder.layers.#.bias_*",
        [
            "decoder.layers.#.input.bias",
            "decoder.layers.#.candidate_bias",
        ],
        Form::Biases,
    ),
    // The transformer of `scripts/bench/train.py`.
    same("embedding.weight", "target_embedding.weight").without("source_embedding.weight"),
    map(
        "encoder.#.self_attention.query",
        "encoder.layers.#.self_attention.qkv",
    ),
    map(
        "encoder.#.self_attention.output",
        "encoder.layers.#.self_attention.output",
    ),
    map(
        "encoder.#.feed_forward.0",
        "encoder.layers.#.feed_forward.inner",
    ),
    map(
        "encoder.#.feed_forward.2",
        "encoder.layers.#.feed_forward.outer",
    ),
    norm(
        "encoder.#.norms.0",
        "encoder.layers.#.self_attention_residual.norm",
    ),
    norm(
        "encoder.#.norms.1",
        "encoder.layers.#.feed_forward_residual.norm",
    ),
    map(
        "decoder.#.self_attention.query",
        "decoder.layers.#.self_attention.qkv",
    ),
    map(
        "decoder.#.self_attention.output",
        "decoder.layers.#.self_attention.output",
    ),
    map(
        "decoder.#.cross_attention.query",
        "decoder.layers.#.cross_attention.query",
    ),
    map(
        "decoder.#.cross_attention.key_value",
        "decoder.layers.#.cross_attention.key_value",
    ),
    map(
        "decoder.#.cross_attention.output",
        "decoder.layers.#.cross_attention.output",
    ),
    map(
        "decoder.#.feed_forward.0",
        "decoder.layers.#.feed_forward.inner",
    ),
    map(
        "decoder.#.feed_forward.2",
        "decoder.layers.#.feed_forward.outer",
    ),
    norm(
        "decoder.#.norms.0",
        "decoder.layers.#.self_attention_residual.norm",
    ),
    norm(
        "decoder.#.norms.1",
        "decoder.layers.#.cross_attention_residual.norm",
    ),
    norm(
        "decoder.#.norms.2",
        "decoder.layers.#.feed_forward_residual.norm",
    ),
    norm("norms.0", "encoder.norm"),
    norm("norms.1", "decoder.norm"),
    row("sinusoids", [], Form::Computed),
    // The recurrent model of `scripts/bench/bahdanau.py`.
    map("bridge", "bridge.0"),
    matrix("query.weight", "decoder.attention.query.weight"),
    matrix("key.weight", "decoder.attention.key.weight"),
    row("score", ["decoder.attention.score"], Form::Column),
    row(
        "cell.weight_ih",
        ["decoder.layers.0.input.weight", "decoder.context.weight"],
        Form::Inputs,
    ),
    matrix("cell.weight_hh", "decoder.layers.0.weight"),
    row(
        "cell.bias_*",
        [
            "decoder.layers.0.input.bias",
            "decoder.layers.0.candidate_bias",
        ],
        Form::Biases,
    ),
    row(
        "readout.weight",
        [
            "decoder.readout.state.weight",
            "decoder.readout.context.weight",
            "decoder.readout.embedding.weight",
        ],
        Form::Inputs,
    ),
    same("readout.bias", "decoder.readout.state.bias"),
];

/// What a parameter of ours is called in a checkpoint that has our names, and its form there: a matrix called `weight`
/// is transposed, but that of an embedding or of a table of positions, and so is `score`, which is a map to one number.
pub(super) fn own(name: &str, rank: usize) -> (String, Form) {
    let mut parts = name.rsplit('.');
    let (last, module) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let is_table = module.ends_with("_embedding") || ["learned", "buckets"].contains(&module);
    match last {
        "weight" if rank == 2 && !is_table => (name.into(), Form::Outputs),
        "score" if rank == 2 => (format!("{name}.weight"), Form::Outputs),
        _ => (name.into(), Form::Same),
    }
}

/// The number that `#` or `+` stands for, if `name` is what `pattern` describes; 0 if it has neither.
pub(super) fn number(pattern: &str, name: &str) -> Option<usize> {
    let Some((before, behind)) = pattern.split_once(['#', '+']) else {
        return (pattern == name).then_some(0);
    };
    let digits = name.strip_prefix(before)?.strip_suffix(behind)?;
    let number: usize = digits.parse().ok()?;
    let is_written_so = number.to_string() == digits;
    (is_written_so && (number > 0 || pattern.contains('#'))).then_some(number)
}

/// `pattern` with a number in it.
pub(super) fn numbered(pattern: &str, number: usize) -> String {
    pattern.replace(['#', '+'], &number.to_string())
}
