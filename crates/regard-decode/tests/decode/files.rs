//! Saved and loaded is unchanged; what fails leaves what was there.

use regard_decode::{
    Checkpoint, DecodeConfig, DecodeError, NamedTensor, RunDirectory, load_parameters, parameters,
    write_atomically, write_tensors,
};
use regard_nn::{
    Activation, FeedForwardConfig, Init, Model, ModelConfig, NormKind, ResidualConfig,
    TransformerConfig, Tying,
};
use std::fs;
use std::path::Path;

fn model(seed: u64, change: impl FnOnce(&mut TransformerConfig)) -> Model {
    let mut config = TransformerConfig {
        d_model: 6,
        n_heads: 2,
        d_ff: 10,
        encoder_layers: 1,
        decoder_layers: 2,
        ..TransformerConfig::default()
    };
    change(&mut config);
    ModelConfig::Transformer(config).init(11, 11, &Init::new(seed, &crate::device()))
}

fn tensor(name: &str, shape: &[usize]) -> NamedTensor {
    let n = shape.iter().product::<usize>();
    NamedTensor {
        name: name.into(),
        shape: shape.into(),
        values: (0..n).map(|i| i as f32).collect(),
    }
}

#[test]
fn loading_gives_back_every_parameter() {
    let directory = tempfile::tempdir().unwrap();
    for tie in [Tying::All, Tying::Output, Tying::None] {
        let path = directory.path().join("model.safetensors");
        let written = parameters(&model(1, |config| config.tie = tie));
        write_tensors(&path, &written).unwrap();
        let other = model(2, |config| config.tie = tie);
        assert_ne!(parameters(&other), written, "another seed is another model");
        assert_eq!(parameters(&load_parameters(other, &path).unwrap()), written);
    }
}

#[test]
fn names_are_paths_without_the_kind_of_model() {
    let parameters = parameters(&model(1, |_| ()));
    let names: Vec<&str> = parameters
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    assert!(names.contains(&"target_embedding.weight"), "{names:?}");
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("decoder.layers.1.")),
        "{names:?}"
    );
    assert!(
        names.iter().all(|name| !name.contains("Transformer")),
        "{names:?}"
    );
}

#[test]
fn parts_of_either_kind_are_loaded_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("part.safetensors");
    let init = |seed| Init::new(seed, &crate::device());

    let gated = FeedForwardConfig::new(6, 10).with_activation(Activation::Swiglu);
    let written = parameters(&gated.init(&init(1)));
    assert_eq!(written.len(), 4);
    write_tensors(&path, &written).unwrap();
    let loaded = load_parameters(gated.init(&init(2)), &path).unwrap();
    assert_eq!(parameters(&loaded), written);

    let residual = ResidualConfig::new(3).with_norm(NormKind::Rms);
    write_tensors(&path, &[tensor("norm.weight", &[3])]).unwrap();
    let loaded = load_parameters(residual.init(&init(1)), &path).unwrap();
    assert_eq!(parameters(&loaded), [tensor("norm.weight", &[3])]);
}

#[test]
fn equal_tensors_are_equal_files_whatever_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, tensors: &[NamedTensor]| {
        let path = directory.path().join(name);
        write_tensors(&path, tensors).unwrap();
        fs::read(path).unwrap()
    };
    let tensors = [
        tensor("b", &[2, 3]),
        tensor("a.c", &[4]),
        tensor("a", &[1, 1, 5]),
    ];
    let reversed: Vec<NamedTensor> = tensors.iter().rev().cloned().collect();
    assert_eq!(write("one", &tensors), write("other", &reversed));
}

#[test]
fn every_parameter_that_does_not_fit_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let mut tensors = parameters(&model(1, |_| ()));
    let odd = tensors
        .iter()
        .position(|tensor| tensor.shape == [6, 10])
        .unwrap();
    let odd_name = tensors[odd].name.clone();
    tensors[odd] = tensor(&odd_name, &[10, 6]);
    let gone = tensors.pop().unwrap().name;
    tensors.push(tensor("stranger", &[1]));
    write_tensors(&path, &tensors).unwrap();
    let error = load_parameters(model(1, |_| ()), &path).unwrap_err();
    let DecodeError::Mismatch { problems, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems.contains(&format!(
            "`{odd_name}`: expected shape [6, 10], got [10, 6]"
        )),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with(&format!("`{gone}`: missing"))),
        "{problems:?}"
    );
    assert!(
        problems.contains(&"`stranger`: not a parameter of this model".into()),
        "{problems:?}"
    );
}

#[test]
fn a_long_list_of_strangers_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let mut tensors = parameters(&model(1, |_| ()));
    tensors.extend((0..300).map(|i| tensor(&format!("stranger.{i}"), &[1])));
    write_tensors(&path, &tensors).unwrap();
    let error = load_parameters(model(1, |_| ()), &path)
        .unwrap_err()
        .to_string();
    assert!(error.contains("and 280 more"), "{error}");
    assert_eq!(error.lines().count(), 22, "{error}");
}

#[test]
fn a_write_that_fails_leaves_the_file_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write_atomically(&path, b"old").unwrap();
    // Something stands where the new file is prepared.
    fs::create_dir(directory.path().join(".file.partial")).unwrap();
    let error = write_atomically(&path, b"new").unwrap_err();
    assert!(error.to_string().contains("cannot write `"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_checkpoint_has_its_name_only_when_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDirectory::new(directory.path());
    let write = |content: &'static str| {
        move |path: &Path| write_atomically(&path.join("weights"), content.as_bytes())
    };
    run.write_checkpoint(7, write("seven")).unwrap();
    run.write_checkpoint(1_000_000, write("million")).unwrap();
    run.write_checkpoint(30, write("thirty")).unwrap();
    assert_eq!(run.steps().unwrap(), [7, 30, 1_000_000]);

    let failed = run.write_checkpoint(31, |path| {
        write("half")(path)?;
        Err(DecodeError::NotARun { path: path.into() })
    });
    assert!(failed.is_err());
    assert_eq!(run.steps().unwrap(), [7, 30, 1_000_000]);

    run.write_checkpoint(30, write("thirty again")).unwrap();
    assert_eq!(
        fs::read_to_string(run.checkpoint(30).join("weights")).unwrap(),
        "thirty again"
    );
    run.remove_checkpoint(7).unwrap();
    assert_eq!(run.steps().unwrap(), [30, 1_000_000]);
    assert_eq!(
        fs::read_dir(directory.path().join("checkpoints"))
            .unwrap()
            .count(),
        2
    );
}

#[test]
fn pointers_name_checkpoints_that_exist() {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDirectory::new(directory.path());
    for checkpoint in [Checkpoint::Last, Checkpoint::Best, Checkpoint::Step(5)] {
        let error = run.find(checkpoint).unwrap_err();
        assert!(
            error
                .hint()
                .unwrap()
                .contains("has not written a checkpoint yet"),
            "{error}"
        );
    }
    for step in [5, 10, 15] {
        run.write_checkpoint(step, |_| Ok::<_, DecodeError>(()))
            .unwrap();
    }
    assert_eq!(
        run.find(Checkpoint::Last).unwrap(),
        15,
        "no pointer: the highest"
    );
    run.point("last", 10).unwrap();
    run.point("best", 5).unwrap();
    assert_eq!(run.find(Checkpoint::Last).unwrap(), 10);
    assert_eq!(run.find(Checkpoint::Best).unwrap(), 5);
    run.point("best", 6).unwrap();
    let error = run.find(Checkpoint::Best).unwrap_err();
    assert!(
        error.to_string().ends_with("has no checkpoint `best`"),
        "{error}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "there are checkpoints at steps [5, 10, 15]"
    );
}

#[test]
fn the_limit_of_a_translation_never_overflows() {
    let config = DecodeConfig {
        max_target_ratio: 1e300,
        max_target_extra: usize::MAX,
        ..DecodeConfig::default()
    };
    assert_eq!(config.target_limit(usize::MAX), usize::MAX);
    assert_eq!(DecodeConfig::default().target_limit(7), 24);
}
