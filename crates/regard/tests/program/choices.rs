//! What `[model]` lets one choose, from training to attention, and what it refuses.

use crate::support::Place;

/// Assignments that together try every choice that is not a default.
const CHOICES: [&[&str]; 11] = [
    &[
        "attention=window",
        "window=2",
        "normalizer=sparsemax",
        "positions=none",
    ],
    &[
        "attention=linear",
        "feature_map=relu",
        "norm=rms",
        "bias=false",
    ],
    &[
        "attention=linear",
        "feature_map=softmax",
        "activation=reglu",
        "embedding_scale=false",
    ],
    &[
        "attention=memory",
        "memory_slots=3",
        "activation=geglu",
        "attention_dropout=0.2",
    ],
    &[
        "positions=learned",
        "max_positions=12",
        "tie=none",
        "output_bias=false",
    ],
    &[
        "positions=rotary",
        "n_kv_heads=1",
        "query_key_norm=true",
        "bias=false",
    ],
    &[
        "positions=rotary",
        "rotary_pairing=halves",
        "rotary_base=100",
        "activation=swiglu",
    ],
    &[
        "positions=alibi",
        "attention=window",
        "activation=gelu_tanh",
        "tie=output",
    ],
    &[
        "positions=t5",
        "position_buckets=8",
        "max_distance=9",
        "normalizer=entmax15",
    ],
    &[
        "positions=shaw",
        "max_distance=3",
        "residual=post",
        "activation=glu",
    ],
    &[
        "sinusoid_layout=halves",
        "sinusoid_wavelengths=inclusive",
        "position_start=2",
        "norm_epsilon=0.001",
        "activation=silu",
        "output_bias=true",
    ],
];

fn train<'a>(assignments: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["train", "tiny.toml", "--set", "data.max_length=11"];
    for assignment in assignments {
        arguments.extend(["--set", assignment]);
    }
    arguments.extend(more);
    arguments
}

#[test]
fn every_choice_trains_goes_on_translates_and_shows_its_attention() {
    for choice in CHOICES {
        let assignments: Vec<String> = choice.iter().map(|key| format!("model.{key}")).collect();
        check(&assignments, Place::new);
    }
}

/// Recurrent models, and a share of gold that falls within the four steps.
#[test]
fn recurrent_models_train_go_on_translate_and_show_their_attention() {
    let sampled = "train.scheduled_sampling=exponential";
    let models: [(&str, &[&str]); 6] = [
        (
            "bottleneck",
            &["model.cell=lstm", "model.bidirectional=false"],
        ),
        (
            "bottleneck",
            &[
                "model.feed_summary=false",
                "model.reverse_source=true",
                "model.bidirectional=false",
                "model.readout=plain",
            ],
        ),
        (
            "bahdanau",
            &[sampled, "train.sampling_k=0.5", "model.tie=output"],
        ),
        (
            "bahdanau",
            &[
                "model.layers=2",
                "model.cell=gru_reset_before",
                "model.d_attention=5",
            ],
        ),
        (
            "luong",
            &[sampled, "train.sampling_k=0.6", "model.score=concat"],
        ),
        (
            "luong",
            &[
                "model.alignment=predictive",
                "model.half_width=2",
                "model.input_feeding=false",
            ],
        ),
    ];
    for (kind, choice) in models {
        let model = format!("kind = \"{kind}\"\nd_model = 16\nd_embedding = 12\n");
        let assignments: Vec<String> = choice.iter().map(|&key| key.to_owned()).collect();
        check(&assignments, || Place::with_model(&model));
    }
}

fn check(choice: &[String], new_place: impl Fn() -> Place) {
    let place = new_place();
    place
        .run(&train(choice, &["--set", "train.steps=2"]))
        .succeeds();
    place.run(&train(choice, &["--resume"])).succeeds();
    assert_eq!(
        place.logged("runs/tiny/log.jsonl"),
        [1, 2, 3, 4],
        "{choice:?}"
    );
    let resumed = place.read("runs/tiny/checkpoints/step-000004/model.safetensors");

    let whole = new_place();
    whole.run(&train(choice, &[])).succeeds();
    let expected = whole.read("runs/tiny/checkpoints/step-000004/model.safetensors");
    assert!(
        resumed == expected,
        "{choice:?}: the weights differ after resuming"
    );

    // A batch, and a line beyond any learned position.
    let lines = "a b c\nd e f g h i j k l m n o p q\n\na\n";
    let translated = place.run_on(&["translate", "runs/tiny"], lines).succeeds();
    assert_eq!(translated.lines().count(), 4, "{choice:?}");
    let alone: Vec<String> = lines
        .lines()
        .map(|line| {
            place
                .run_on(&["translate", "runs/tiny"], format!("{line}\n"))
                .succeeds()
        })
        .collect();
    assert_eq!(
        translated,
        alone.concat(),
        "{choice:?}: a batch is its lines alone"
    );
    place.run(&["inspect", "runs/tiny"]).succeeds();
    place.run(&["attend", "runs/tiny", "a b"]).succeeds();
}

#[test]
fn sources_beyond_the_learned_positions_are_cut_and_counted() {
    let place = Place::new();
    let assignments = ["model.positions=learned", "model.max_positions=12"].map(String::from);
    place.run(&train(&assignments, &[])).succeeds();
    let line = |words: usize| format!("{}\n", ["a"; 20][..words].join(" "));
    let ran = place.run_on(&["translate", "runs/tiny"], line(12));
    ran.says(&["cut to `decode.max_source_length` tokens or the model's positions: 1 line\n"]);
    assert_eq!(
        ran.succeeds(),
        place
            .run_on(&["translate", "runs/tiny"], line(11))
            .succeeds(),
        "the end of the source has a position, too"
    );
}

#[test]
fn what_means_nothing_is_refused_before_the_first_step() {
    let place = Place::new();
    let refused = |assignments: &[&str], parts: &[&str]| {
        let mut arguments = vec!["check", "tiny.toml"];
        for assignment in assignments {
            arguments.extend(["--set", assignment]);
        }
        place.run(&arguments).fails(parts);
    };
    refused(
        &["model.window=3", "model.attention=windw"],
        &["`model.attention`: unknown variant `windw`, expected one of `full`, `window`"],
    );
    refused(
        &[
            "model.window=3",
            "model.positions=shaw",
            "model.position_buckets=4",
        ],
        &[
            "`model.window`: is read with `attention = \"window\"` only",
            "`model.position_buckets`: is read with `positions = \"t5\"` only",
        ],
    );
    refused(
        &[
            "model.attention=linear",
            "model.positions=rotary",
            "model.normalizer=sparsemax",
        ],
        &[
            "`model.positions`: \"rotary\" acts on the score of each pair",
            "`model.normalizer`: attention = \"linear\" does not read it; expected it to be left out, got \"sparsemax\"",
        ],
    );
    refused(
        &["model.positions=learned", "model.max_positions=200"],
        &[
            "`model.max_positions`: expected at least 201, for `data.max_length` tokens and one more",
        ],
    );
    refused(
        &["model.kind=bahdanau", "model.layers=0"],
        &[
            "`model.n_heads`: unknown key; expected one of d_model",
            "`model.layers`: expected at least 1, got 0",
        ],
    );
    refused(
        &["train.scheduled_sampling=linear", "train.sampling_k=-1"],
        &["`train.sampling_k`: expected a number above 0, got -1"],
    );
    refused(
        &["model.attention=memory", "model.memory_slots=100000000000"],
        &["`model`: expected at most 2.1e9 parameters"],
    );
}
