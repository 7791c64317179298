//! A pack is the run that it was made of, or it is refused.

use regard_decode::{
    Bundle, Checkpoint, DecodeError, Pack, RunDirectory, Translator, average, parameters,
    write_tensors,
};
use regard_nn::{Init, ModelConfig, TransformerConfig, Tying};
use regard_text::corpus::Pair;
use regard_text::{TokenizerConfig, TokenizerKind, Tokenizers};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A run with checkpoints at steps 1 and 2, of which the second is best and last.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new(shared: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(directory.path().join("run"));
        fs::create_dir_all(run.path()).unwrap();
        let tie = if shared { "all" } else { "output" };
        let config = format!(
            "format = 1\n[data]\ntrain = {{ tsv = \"/home/someone/secret.tsv\" }}\n[tokenizer]\nkind = \"word\"\nvocabulary = 40\nshared = {shared}\n\
             [model]\nkind = \"transformer\"\nd_model = 8\nn_heads = 2\nd_ff = 12\nencoder_layers = 1\ndecoder_layers = 1\ntie = \"{tie}\"\n\
             [decode]\nbeam = 2\n"
        );
        fs::write(run.config(), config).unwrap();
        let tokenizer = TokenizerConfig {
            kind: TokenizerKind::Word,
            shared,
            ..TokenizerConfig::default()
        };
        let pair = Pair {
            source: "a b c d".into(),
            target: "e f g h i".into(),
        };
        let tokenizers = Tokenizers::train(&tokenizer, &[pair]).unwrap();
        tokenizers.save(run.path()).unwrap();
        let model = ModelConfig::Transformer(TransformerConfig {
            d_model: 8,
            n_heads: 2,
            d_ff: 12,
            encoder_layers: 1,
            decoder_layers: 1,
            tie: if shared { Tying::All } else { Tying::Output },
            ..TransformerConfig::default()
        });
        for step in [1, 2] {
            let model = model.init(
                tokenizers.source().vocabulary_size(),
                tokenizers.target().vocabulary_size(),
                &Init::new(step, &crate::device()),
            );
            run.write_checkpoint(step, |path| {
                write_tensors(&path.join("model.safetensors"), &parameters(&model))
            })
            .unwrap();
        }
        run.point("last", 2).unwrap();
        run.point("best", 2).unwrap();
        Self { directory }
    }

    fn run(&self) -> RunDirectory {
        RunDirectory::open(self.directory.path().join("run")).unwrap()
    }

    fn pack(&self, name: &str, checkpoint: Option<Checkpoint>) -> PathBuf {
        let path = self.directory.path().join(name);
        Pack::write(&self.run(), checkpoint, &path, &crate::device()).unwrap();
        path
    }
}

fn translations(path: &Path) -> Vec<String> {
    let translator = Translator::from_run(path, &crate::device()).unwrap();
    let translations = translator.translate_batch(&["a b", "", "d c b a", "x"]);
    translations
        .unwrap()
        .into_iter()
        .map(|line| line.text)
        .collect()
}

#[test]
fn a_pack_translates_as_its_run() {
    for shared in [true, false] {
        let place = Place::new(shared);
        let path = place.pack("model.regard", None);
        assert_eq!(translations(&path), translations(place.run().path()));
        let bundles = [path.as_path(), place.run().path()]
            .map(|path| Bundle::load(path, Checkpoint::Best, &crate::device()).unwrap());
        let [packed, run] = &bundles;
        assert_eq!(parameters(&packed.model), parameters(&run.model));
        assert_eq!(packed.step, Some(2));
        assert_eq!(packed.tokenizers.is_shared(), shared);
        assert_eq!(packed.config.decode, run.config.decode);
    }
}

#[test]
fn equal_packs_are_equal_files_that_say_nothing_of_the_data() {
    let [one, other] = [Place::new(true), Place::new(true)].map(|place| {
        let path = place.pack("model.regard", None);
        fs::read(path).unwrap()
    });
    assert!(one == other);
    let place = Place::new(true);
    let first = fs::read(place.pack("model.regard", Some(Checkpoint::Step(1)))).unwrap();
    assert!(first != one);
    let text = String::from_utf8_lossy(&one);
    assert!(text.contains("[decode]") && !text.contains("secret"));
}

#[test]
fn only_the_checkpoint_within_can_be_asked_for() {
    let place = Place::new(true);
    let device = crate::device();
    let pack = Pack::open(place.pack("second.regard", None)).unwrap();
    assert_eq!(
        (pack.step(), pack.names().join(" ")),
        (Some(2), "best last".into())
    );
    for held in [Checkpoint::Best, Checkpoint::Last, Checkpoint::Step(2)] {
        pack.load(Some(held), &device).unwrap();
    }
    let refused = |pack: &Pack, wanted| {
        let error = pack.load(Some(wanted), &device).unwrap_err();
        assert!(
            error
                .hint()
                .unwrap()
                .starts_with("leave `--checkpoint` out")
        );
        error.to_string()
    };
    let message = refused(&pack, Checkpoint::Step(1));
    let expected = "holds the checkpoint at step 2 (best, last), not the checkpoint at step 1";
    assert!(message.ends_with(expected), "{message}");

    let pack = Pack::open(place.pack("first.regard", Some(Checkpoint::Step(1)))).unwrap();
    let message = refused(&pack, Checkpoint::Best);
    let expected = "holds the checkpoint at step 1, not the checkpoint `best`";
    assert!(message.ends_with(expected), "{message}");

    average(&place.run(), &[1, 2]).unwrap();
    let pack = Pack::open(place.pack("average.regard", None)).unwrap();
    pack.load(Some(Checkpoint::Average), &device).unwrap();
    let message = refused(&pack, Checkpoint::Last);
    let expected = "holds the checkpoint `average`, not the checkpoint `last`";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn a_damaged_pack_is_refused_wherever_the_damage_is() {
    let place = Place::new(true);
    let path = place.pack("model.regard", None);
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Bundle::load(&path, None, &crate::device()).unwrap_err()
    };
    for length in [0, 5, 300, whole.len() / 2, whole.len() - 1] {
        let error = refused(&whole[..length]);
        let message = error.to_string();
        assert!(message.contains("it is cut off or damaged"), "{message}");
    }
    // In the weights, in a token of the vocabulary, in the configuration.
    let find = |part: &[u8]| whole.windows(part.len()).position(|window| window == part);
    let places = [
        whole.len() - 3,
        find(b"<pad>").unwrap() + 1,
        find(b"beam = 2").unwrap() + 7,
    ];
    for place in places {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        let message = refused(&bytes).to_string();
        assert!(
            message.contains("it does not hold what was written"),
            "{message}"
        );
    }
    fs::write(&path, &whole).unwrap();
    Bundle::load(&path, None, &crate::device()).unwrap();
}

#[test]
fn what_is_something_else_or_from_the_future_is_called_so() {
    let place = Place::new(true);
    let path = place.pack("model.regard", None);
    let weights = place.run().weights(2);
    let load = |path: &Path| Bundle::load(path, None, &crate::device()).unwrap_err();
    let message = load(&weights).to_string();
    assert!(
        message.ends_with("it holds tensors, but no configuration and no tokenizer"),
        "{message}"
    );

    let bytes = fs::read(&path).unwrap();
    let format = br#"\"format\":1"#;
    let at = bytes
        .windows(format.len())
        .position(|window| window == format);
    let mut later = bytes.clone();
    later[at.unwrap() + format.len() - 1] = b'9';
    fs::write(&path, later).unwrap();
    let error = load(&path);
    assert!(
        matches!(
            error,
            DecodeError::Format {
                found: 9,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    let nowhere = place.run().path().join("nowhere");
    assert!(matches!(load(&nowhere), DecodeError::NotARun { .. }));
}

#[test]
fn a_run_that_cannot_be_used_is_not_packed() {
    let place = Place::new(true);
    let output = place.directory.path().join("model.regard");
    fs::write(&output, "before").unwrap();
    fs::remove_file(place.run().path().join("tokenizer.json")).unwrap();
    let refused = Pack::write(&place.run(), None, &output, &crate::device());
    assert!(matches!(refused, Err(DecodeError::Tokenizer { .. })));
    assert_eq!(fs::read(&output).unwrap(), b"before");
}
