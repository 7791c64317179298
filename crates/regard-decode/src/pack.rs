//! One file with all that inference needs.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use regard_nn::Init;
use regard_text::Tokenizers;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Table;
use twox_hash::XxHash3_64;

use crate::bundle::check_vocabularies;
use crate::{
    Bundle, BundleConfig, Checkpoint, DecodeError, RunDirectory, files, load_parameters,
    parameters, write_atomically,
};

/// The newest format of packs known here.
pub const PACK_FORMAT: i64 = 1;

/// The one key of the file's metadata.
const KEY: &str = "regard";

/// What of a run's `config.toml` goes into a pack: nothing of the data or the machine it was trained on.
const SECTIONS: [&str; 5] = ["format", "regard", "tokenizer", "model", "decode"];

/// A model in one file: weights, configuration and tokenizers, as `regard pack` writes it.
///
/// It is a safetensors file of f32 tensors, named and sorted as those of a checkpoint. Its metadata has one key, `regard`, with
/// a JSON object:
///
/// | key | value |
/// | --- | --- |
/// | `format` | 1 |
/// | `step` | the step of the weights; `null` for an average of several |
/// | `names` | what the run called this checkpoint: `best`, `last`, `average` |
/// | `config` | TOML: `[tokenizer]`, `[model]` and `[decode]` of the run |
/// | `tokenizers` | names of the run's tokenizer files, and what they hold |
/// | `digest` | XXH3, 64 bits, hexadecimal, of `config`, the tokenizers and the bytes of the tensors |
///
/// Equal models are equal files.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    header: Header,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: i64,
    step: Option<u64>,
    names: Vec<String>,
    config: String,
    tokenizers: BTreeMap<String, String>,
    digest: String,
}

impl Pack {
    /// Loads a run's checkpoint, the [preferred](RunDirectory::preferred) one if none is named, and writes it as one file.
    ///
    /// # Errors
    ///
    /// Those of [`Bundle::load`], and [`DecodeError::Write`]; what stood at `output` before is then still there.
    pub fn write(
        run: &RunDirectory,
        checkpoint: Option<Checkpoint>,
        output: &Path,
        device: &Device,
    ) -> Result<(), DecodeError> {
        // Loaded whole: what cannot be used is not handed on.
        let bundle = Bundle::load(run.path(), checkpoint, device)?;
        let mut config = crate::parse(&run.config())?;
        config.retain(|name, _| SECTIONS.contains(&name));
        let tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = parameters(&bundle.model)
            .into_iter()
            .map(|tensor| {
                let values = tensor.values.iter();
                let bytes = values.flat_map(|value| value.to_le_bytes()).collect();
                (tensor.name, (tensor.shape, bytes))
            })
            .collect();
        let mut header = Header {
            format: PACK_FORMAT,
            step: bundle.step,
            names: names(run, bundle.step),
            config: config.to_string(),
            tokenizers: bundle.tokenizers.to_files(),
            digest: String::new(),
        };
        header.digest = header.digest_with(tensors.values().map(|(_, bytes)| bytes.as_slice()));

        let failed = |reason: String| DecodeError::Pack {
            path: output.into(),
            reason,
        };
        let views = tensors.iter().map(|(name, (shape, bytes))| {
            Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        });
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        let json = serde_json::to_string(&header).map_err(|error| failed(error.to_string()))?;
        let metadata = HashMap::from([(KEY.to_owned(), json)]);
        let file = views
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(|error| failed(error.to_string()))?;
        write_atomically(output, &file)
    }

    /// Reads what a pack says of itself, and makes sure that all of it is there as it was written.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Read`], [`DecodeError::Format`] if a later version wrote it, [`DecodeError::Pack`] if it is damaged or
    /// something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DecodeError> {
        let path = path.into();
        let failed = |reason: String| DecodeError::Pack {
            path: path.clone(),
            reason,
        };
        let bytes = files::read(&path)?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(|error| failed(format!("it is cut off or damaged ({error})")))?;
        let metadata = SafeTensors::read_metadata(&bytes);
        let json = metadata
            .ok()
            .and_then(|(_, metadata)| metadata.metadata().as_ref()?.get(KEY).cloned())
            .ok_or_else(|| {
                failed("it holds tensors, but no configuration and no tokenizer".into())
            })?;
        let invalid =
            |error: serde_json::Error| failed(format!("`{KEY}` of its metadata: {error}"));
        // A later format may have other keys, which are not to be called wrong.
        let value: Value = serde_json::from_str(&json).map_err(invalid)?;
        if let Some(found) = value["format"]
            .as_i64()
            .filter(|&found| found > PACK_FORMAT)
        {
            return Err(DecodeError::Format {
                path,
                found,
                supported: PACK_FORMAT,
            });
        }
        let header: Header = serde_json::from_value(value).map_err(invalid)?;
        let sorted: BTreeMap<&str, TensorView> = tensors.iter().collect();
        if header.digest_with(sorted.values().map(TensorView::data)) != header.digest {
            return Err(failed(
                "it is damaged: it does not hold what was written".into(),
            ));
        }
        Ok(Self { path, header })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The step of its weights; `None` for an average of several.
    pub fn step(&self) -> Option<u64> {
        self.header.step
    }

    /// What its run called the checkpoint: `best`, `last`, `average`; it may have no name.
    pub fn names(&self) -> &[String] {
        &self.header.names
    }

    /// Loads what is in it; `checkpoint` may name that and nothing else.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotPacked`] if the checkpoint is another, and what [`Bundle::load`] says of parts that do not fit.
    pub fn load(
        &self,
        checkpoint: Option<Checkpoint>,
        device: &Device,
    ) -> Result<Bundle, DecodeError> {
        if let Some(wanted) = checkpoint.filter(|&wanted| !self.holds(wanted)) {
            return Err(DecodeError::NotPacked {
                path: self.path.clone(),
                wanted: wanted.to_string(),
                held: self.held(),
            });
        }
        let config: Table = self
            .header
            .config
            .parse()
            .map_err(|source| DecodeError::Toml {
                path: self.path.clone(),
                source: Box::new(source),
            })?;
        let config = BundleConfig::from_table(&self.path, &config)?;
        let files = &self.header.tokenizers;
        let tokenizers = Tokenizers::from_files(files, &self.path, &config.tokenizer);
        let tokenizers = tokenizers.map_err(|source| DecodeError::Tokenizer {
            path: self.path.clone(),
            source,
        })?;
        check_vocabularies(&self.path, &config.model, &tokenizers)?;
        let (source, target) = (tokenizers.source(), tokenizers.target());
        // The seed does not matter: every value is replaced.
        let model = config.model.init(
            source.vocabulary_size(),
            target.vocabulary_size(),
            &Init::new(0, device),
        );
        Ok(Bundle {
            model: load_parameters(model, &self.path)?,
            config,
            tokenizers,
            step: self.header.step,
        })
    }

    fn holds(&self, wanted: Checkpoint) -> bool {
        let is_called = |name: &str| self.header.names.iter().any(|held| held == name);
        match wanted {
            Checkpoint::Best => is_called("best"),
            Checkpoint::Last => is_called("last"),
            Checkpoint::Average => is_called("average"),
            Checkpoint::Step(step) => self.header.step == Some(step),
        }
    }

    /// The checkpoint in it, in words.
    fn held(&self) -> String {
        let names = self.header.names.join(", ");
        match self.header.step {
            None => format!("`{names}`"),
            Some(step) if names.is_empty() => format!("at step {step}"),
            Some(step) => format!("at step {step} ({names})"),
        }
    }
}

impl Header {
    fn digest_with<'a>(&self, tensors: impl Iterator<Item = &'a [u8]>) -> String {
        let mut hasher = XxHash3_64::with_seed(0);
        let texts = self.tokenizers.iter().flat_map(|(name, file)| [name, file]);
        for text in std::iter::once(&self.config).chain(texts) {
            hasher.write(&(text.len() as u64).to_le_bytes());
            hasher.write(text.as_bytes());
        }
        for bytes in tensors {
            hasher.write(bytes);
        }
        format!("{:016x}", hasher.finish())
    }
}

/// What a run calls the checkpoint at `step`.
fn names(run: &RunDirectory, step: Option<u64>) -> Vec<String> {
    let Some(step) = step else {
        return vec!["average".into()];
    };
    let named = [("best", Checkpoint::Best), ("last", Checkpoint::Last)];
    let held = named
        .into_iter()
        .filter(|&(_, checkpoint)| run.find(checkpoint).is_ok_and(|found| found == step));
    held.map(|(name, _)| name.to_owned()).collect()
}
