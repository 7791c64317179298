//! The configurations that come with the project.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::Device;
use regard_nn::Init;
use regard_train::RunConfig;
use toml::Table;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

#[test]
fn every_one_is_sound() {
    let files = std::fs::read_dir(directory()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    // The reference documents keys; it names neither data nor a kind.
    let paths: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .filter(|path| !path.ends_with("reference.toml"))
        .collect();
    assert!(paths.len() >= 10, "{paths:?}");
    for path in paths {
        RunConfig::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn toy_models_are_of_one_size_and_differ_in_nothing_else() {
    let kinds = ["bottleneck", "bahdanau", "luong", "transformer"];
    let path = |kind: &str| directory().join(format!("toy-{kind}.toml"));
    let without_model = |kind: &str| -> Table {
        let text = std::fs::read_to_string(path(kind)).unwrap();
        let mut table: Table = text.parse().unwrap();
        let model = table.remove("model").unwrap();
        assert_eq!(model["kind"].as_str(), Some(kind));
        table
    };
    let expected = without_model(kinds[0]);
    for kind in kinds {
        assert_eq!(without_model(kind), expected, "{kind}");
    }

    // About as many words as the grammar has in either language.
    let (source, target) = (1_300, 1_600);
    let init = Init::new(1, &Device::default());
    let parameters = kinds.map(|kind| {
        let config = RunConfig::load(&path(kind), &[]).unwrap();
        config.model.init(source, target, &init).num_params()
    });
    let (least, most) = (parameters.iter().min(), parameters.iter().max());
    let ratio = *most.unwrap() as f64 / *least.unwrap() as f64;
    assert!(ratio <= 1.35, "{parameters:?}");
}
