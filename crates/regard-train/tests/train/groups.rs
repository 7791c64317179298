//! Every parameter is of the group that one expects.

use regard_decode::{Problems, parameters, read_model};
use regard_nn::Init;
use regard_train::ParameterGroup::{self, Bias, Embedding, Norm, Weight};
use std::collections::BTreeMap;

/// Names of a model's parameters, sorted, by group.
fn groups(model: &str) -> BTreeMap<ParameterGroup, Vec<String>> {
    let mut problems = Problems::default();
    let model = read_model(&format!("[model]\n{model}").parse().unwrap(), &mut problems);
    problems.or("model".as_ref(), ()).unwrap();
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for tensor in parameters(&model.init(9, 9, &Init::new(1, &crate::device()))) {
        let group = ParameterGroup::of(&tensor.name, tensor.shape.len());
        groups.entry(group).or_default().push(tensor.name);
    }
    for names in groups.values_mut() {
        names.sort_unstable();
    }
    groups
}

const TRANSFORMER: &str = "kind = 'transformer'\nencoder_layers = 1\ndecoder_layers = 1\nd_model = 8\nn_heads = 2\nd_ff = 16\n";

/// The maps of a transformer's layers.
const MAPS: [&str; 11] = [
    "decoder.layers.0.cross_attention.key_value",
    "decoder.layers.0.cross_attention.output",
    "decoder.layers.0.cross_attention.query",
    "decoder.layers.0.feed_forward.inner",
    "decoder.layers.0.feed_forward.outer",
    "decoder.layers.0.self_attention.output",
    "decoder.layers.0.self_attention.qkv",
    "encoder.layers.0.feed_forward.inner",
    "encoder.layers.0.feed_forward.outer",
    "encoder.layers.0.self_attention.output",
    "encoder.layers.0.self_attention.qkv",
];

const NORMS: [&str; 7] = [
    "decoder.layers.0.cross_attention_residual.norm",
    "decoder.layers.0.feed_forward_residual.norm",
    "decoder.layers.0.self_attention_residual.norm",
    "decoder.norm",
    "encoder.layers.0.feed_forward_residual.norm",
    "encoder.layers.0.self_attention_residual.norm",
    "encoder.norm",
];

fn each(paths: &[&str], name: &str) -> Vec<String> {
    paths.iter().map(|path| format!("{path}.{name}")).collect()
}

#[test]
fn of_a_transformer() {
    let groups = groups(&format!("{TRANSFORMER}tie = 'none'"));
    let mut norms = [each(&NORMS, "bias"), each(&NORMS, "weight")].concat();
    norms.sort_unstable();
    assert_eq!(groups[&Norm], norms);
    let with_output = [MAPS.as_slice(), &["output"]].concat();
    assert_eq!(groups[&Bias], each(&with_output, "bias"));
    assert_eq!(groups[&Weight], each(&with_output, "weight"));
    let embeddings = ["source_embedding.weight", "target_embedding.weight"];
    assert_eq!(groups[&Embedding], embeddings);
}

#[test]
fn a_tied_matrix_is_an_embedding() {
    let groups = groups(TRANSFORMER);
    assert_eq!(groups[&Embedding], ["target_embedding.weight"]);
    assert_eq!(groups[&Weight], each(&MAPS, "weight"));
    assert_eq!(groups[&Bias], each(&MAPS, "bias"));
}

#[test]
fn of_choices_that_bring_parameters_of_their_own() {
    let learned = groups(&format!("{TRANSFORMER}positions = 'learned'"));
    assert_eq!(
        learned[&Embedding],
        [
            "source_positions.learned.weight",
            "target_embedding.weight",
            "target_positions.learned.weight"
        ]
    );
    let buckets = groups(&format!("{TRANSFORMER}positions = 't5'\nnorm = 'rms'"));
    assert_eq!(
        buckets[&Embedding],
        [
            "source_positions.buckets.weight",
            "target_embedding.weight",
            "target_positions.buckets.weight"
        ]
    );
    assert_eq!(buckets[&Norm], each(&NORMS, "weight"));
    let cosines = groups(&format!(
        "{TRANSFORMER}positions = 'shaw'\nquery_key_norm = true"
    ));
    assert_eq!(
        cosines[&Embedding],
        [
            "decoder.layers.0.self_attention.relative.key",
            "encoder.layers.0.self_attention.relative.key",
            "target_embedding.weight"
        ]
    );
    assert_eq!(cosines[&Norm].len(), 2 * NORMS.len() + 3);
    let scale = "decoder.layers.0.cross_attention.query_key_norm.scale";
    assert!(cosines[&Norm].iter().any(|name| name == scale));
    let slots = groups(&format!("{TRANSFORMER}attention = 'memory'"));
    assert_eq!(slots[&Weight].len(), MAPS.len() + 4);
    assert_eq!(slots[&Embedding], ["target_embedding.weight"]);
}

#[test]
fn of_recurrent_models() {
    let groups = groups("kind = 'bahdanau'\nd_model = 8\ntie = 'none'");
    assert!(!groups.contains_key(&Norm));
    let cells = [
        "decoder.layers.0",
        "encoder.layers.0.backward",
        "encoder.layers.0.forward",
    ];
    let mut biases = each(&cells, "candidate_bias");
    biases.extend(each(&cells, "input.bias"));
    biases.extend(["bridge.0.bias", "decoder.readout.state.bias", "output.bias"].map(String::from));
    biases.sort_unstable();
    assert_eq!(groups[&Bias], biases);
    let mut weights = each(&cells, "input.weight");
    weights.extend(each(&cells, "weight"));
    // The map from an embedding to the readout is looked up by nobody.
    weights.extend(
        [
            "bridge.0.weight",
            "decoder.attention.key.weight",
            "decoder.attention.query.weight",
            "decoder.attention.score",
            "decoder.context.weight",
            "decoder.readout.context.weight",
            "decoder.readout.embedding.weight",
            "decoder.readout.state.weight",
            "output.weight",
        ]
        .map(String::from),
    );
    weights.sort_unstable();
    assert_eq!(groups[&Weight], weights);
    let embeddings = ["source_embedding.weight", "target_embedding.weight"];
    assert_eq!(groups[&Embedding], embeddings);
}

#[test]
fn tied_recurrent_models_have_one_embedding() {
    for model in [
        "kind = 'bottleneck'\nd_model = 8\ncell = 'lstm'",
        "kind = 'luong'\nd_model = 8\nalignment = 'predictive'\nscore = 'concat'",
    ] {
        let groups = groups(model);
        assert_eq!(groups[&Embedding], ["target_embedding.weight"], "{model}");
        assert!(groups[&Bias].iter().all(|name| name.ends_with("bias")));
        assert!(!groups.contains_key(&Norm));
    }
}
