//! The command line.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use regard_decode::Checkpoint;
use regard_eval::bleu::{Smoothing, Tokenizer};
use regard_nn::ModelConfig;

/// The first that was compiled in.
const DEFAULT_DEVICE: &str = if cfg!(feature = "flex") {
    "flex"
} else if cfg!(feature = "cuda") {
    "cuda"
} else if cfg!(feature = "vulkan") {
    "vulkan"
} else if cfg!(feature = "wgpu") {
    "wgpu"
} else {
    "ndarray"
};

/// Trains, runs and explains sequence-to-sequence models.
#[derive(Debug, Parser)]
#[command(name = "regard", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where to compute; `regard devices` lists what there is
    #[arg(long, global = true, env = "REGARD_DEVICE", default_value = DEFAULT_DEVICE, value_name = "NAME")]
    pub(crate) device: String,
    /// Processor cores to use [default: all]
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
    /// Seed of every random draw [default: that of the configuration, else 1]
    #[arg(long, global = true, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the pairs of a toy task as files
    Data(DataOptions),
    /// Find everything that is wrong with a configuration and its data, before the first step
    Check(CheckOptions),
    /// Train a model
    Train(TrainOptions),
    /// Translate line for line
    Translate(TranslateOptions),
    /// Say how probable given translations are
    Score(ScoreOptions),
    /// Score translations against references
    Evaluate(EvaluateOptions),
    /// Link words with those of their translations by where a model looks, or score such links against those that people drew
    Align(AlignOptions),
    /// Show what a model looks at while it translates a sentence
    Attend(AttendOptions),
    /// Show what the length of a sentence does to the quality of runs, side by side
    Compare(CompareOptions),
    /// Draw how training went: loss, learning rate, gradient norm, validation scores and speed of runs
    Plot(PlotOptions),
    /// Average the weights of several checkpoints into the checkpoint `average`
    Average(AverageOptions),
    /// Make a run of weights that were trained elsewhere
    Import(ImportOptions),
    /// Write one file with weights, configuration and tokenizer of a run, which the commands that use a model take instead of it
    Pack(PackOptions),
    /// Say what a run directory, or a file of `regard pack`, holds
    Inspect(InspectOptions),
    /// List the devices that were compiled in and found
    Devices(DevicesOptions),
    /// Measure speed and memory
    Bench(BenchOptions),
    /// Print what makes a shell complete this program's command lines
    Completions(CompletionsOptions),
}

#[derive(Debug, Args)]
pub(crate) struct DataOptions {
    /// What to make
    pub(crate) task: TaskName,
    /// Directory for train.tsv, valid.tsv and test.tsv
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Pairs in train.tsv [default: 100000]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) pairs: Option<usize>,
    /// Most words of a source [default: 60 for toy, 20 for the others]
    #[arg(long, value_name = "L", value_parser = at_least_one)]
    pub(crate) max_length: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TaskName {
    /// English-French sentences from a grammar
    Toy,
    /// A sequence and its reverse
    Reverse,
    /// A sequence and its copy
    Copy,
    /// A sequence and its sorted form
    Sort,
}

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// Configuration file
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) set: SetOptions,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SetOptions {
    /// Replace a value of the configuration; may be given several times
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TrainOptions {
    /// Configuration file
    pub(crate) config: PathBuf,
    /// Run directory [default: runs/NAME for NAME.toml]
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Continue from the last checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
    /// Draw curves in the terminal while it trains; with the feature `dashboard`
    #[arg(long)]
    pub(crate) dashboard: bool,
    /// Begin with tokenizers and weights of another run, to fine-tune them
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    pub(crate) init: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) set: SetOptions,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Run directory, or a file of `regard pack`
    pub(crate) run: PathBuf,
    /// Weights to use: best, last, average or a step [default: average where there is one, else best, else last]
    #[arg(long, value_name = "WHICH")]
    pub(crate) checkpoint: Option<Checkpoint>,
}

#[derive(Debug, Args)]
pub(crate) struct SearchOptions {
    /// Hypotheses to keep at every step; 1 is greedy search [default: the run's `decode.beam`]
    #[arg(long, value_name = "W", value_parser = at_least_one)]
    pub(crate) beam: Option<usize>,
    /// Rank hypotheses by log-probability / ((5 + tokens) / 6)^A [default: the run's `decode.length_penalty`]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub(crate) length_penalty: Option<f64>,
    /// Replace a value of the run's `[decode]` section, for example `decode.no_repeat_ngram=3`; may be given several times
    #[arg(long, value_name = "decode.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Another run with the same tokenizers, to be asked together with the first: its preferred checkpoint; may be given several
    /// times
    #[arg(long, value_name = "RUN")]
    pub(crate) ensemble: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TranslateOptions {
    #[command(flatten)]
    pub(crate) run: RunOptions,
    #[command(flatten)]
    pub(crate) search: SearchOptions,
    /// File to translate; may be given several times [default: standard input]
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Vec<PathBuf>,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Translate N blocks of lines at a time, each on its share of `--threads`: faster for many lines on many cores, with more
    /// memory
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = at_least_one)]
    pub(crate) workers: usize,
    /// Write the N best translations of each line, at most as many as `--beam`, or as are drawn: LINE ||| TEXT ||| LOG-PROBABILITY ||| SCORE, with
    /// lines counted from 0
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) n_best: Option<usize>,
    /// Write one JSON object a line, with tokens and scores
    #[arg(long)]
    pub(crate) json: bool,
    /// What each translation begins with, a line for each line
    #[arg(long, value_name = "FILE")]
    pub(crate) prefixes: Option<PathBuf>,
    /// Phrases that each translation must have, a line for each line, a TAB between phrases; with a beam wider than 1 they find
    /// better places
    #[arg(long, value_name = "FILE")]
    pub(crate) phrases: Option<PathBuf>,
    /// Words, a TAB and the phrase that the translation of a line with these words must have
    #[arg(long, value_name = "FILE")]
    pub(crate) terminology: Option<PathBuf>,
    /// Add where each token of the translation looked, ||| behind it: pairs SOURCE-TARGET of tokens, counted from 0 (`hard`), or
    /// for each target token the weights of all source tokens (`soft`)
    #[arg(long, value_name = "KIND", conflicts_with_all = ["json", "n_best"])]
    pub(crate) alignment: Option<AlignmentName>,
    /// Add to JSON where each token looked: rows of the last layer's cross-attention, mean over heads
    #[arg(long, requires = "json")]
    pub(crate) attention: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AlignmentName {
    /// The source token that each looked at most, as Pharaoh writes it
    Hard,
    /// Weights with four decimals, a comma between source tokens and a blank between target tokens
    Soft,
}

/// Sentences with their translations.
#[derive(Debug, Args)]
pub(crate) struct PairOptions {
    /// What was translated, one a line
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(crate) source: Option<PathBuf>,
    /// Its translations, one a line
    #[arg(long, value_name = "FILE", requires = "source")]
    pub(crate) target: Option<PathBuf>,
    /// Instead of SOURCE and TARGET: one file with a TAB between them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "target"])]
    pub(crate) tsv: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreOptions {
    #[command(flatten)]
    pub(crate) run: RunOptions,
    #[command(flatten)]
    pub(crate) pairs: PairOptions,
    /// Print one JSON object a line, with the log-probability of each token
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateOptions {
    /// Run directory, or a file of `regard pack`; translates SOURCE first
    #[arg(conflicts_with = "hypothesis", required_unless_present = "hypothesis")]
    pub(crate) run: Option<PathBuf>,
    /// Weights to use: best, last, average or a step
    #[arg(long, value_name = "WHICH", requires = "run")]
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Translations to score, one a line
    #[arg(long, value_name = "FILE", requires = "reference")]
    pub(crate) hypothesis: Option<PathBuf>,
    /// Text to translate, one a line
    #[arg(long, value_name = "FILE", requires = "reference", requires = "run")]
    pub(crate) source: Option<PathBuf>,
    /// Right translations, one a line; may be given several times, for several right ones of each line
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Vec<PathBuf>,
    /// Instead of SOURCE and REFERENCE: one file with a TAB between them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "reference", "hypothesis"])]
    pub(crate) tsv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) search: SearchOptions,
    /// Lower-case both sides before counting; without it case counts, in exact match, too
    #[arg(long)]
    pub(crate) lowercase: bool,
    /// How BLEU cuts lines into words, in sacreBLEU's words
    #[arg(long, default_value = "13a", value_name = "NAME", value_parser = tokenizer)]
    pub(crate) tokenize: Tokenizer,
    /// What an order without a match counts as in BLEU: exp, none, floor, add-k, or the last two with their value, as floor=0.2
    #[arg(long, default_value = "exp", value_name = "METHOD", value_parser = smoothing)]
    pub(crate) smooth: Smoothing,
    /// Translations of another system: how much better these are, and how often chance alone would bring forth as much
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// How chance is tried out
    #[arg(long, default_value = "bootstrap", requires = "against")]
    pub(crate) test: TestName,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with 1 if BLEU is lower
    #[arg(long, value_name = "X", value_parser = score)]
    pub(crate) min_bleu: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TestName {
    /// Test sets drawn anew from the lines, 1,000 times
    Bootstrap,
    /// Translations that change sides by the toss of a coin, 10,000 times
    Randomisation,
}

#[derive(Debug, Args)]
pub(crate) struct AlignOptions {
    /// Run directory, or a file of `regard pack`: a word is linked with the one it looks at most
    #[arg(required_unless_present = "links", conflicts_with = "links")]
    pub(crate) run: Option<PathBuf>,
    /// Weights to use: best, last, average or a step [default: average where there is one, else best, else last]
    #[arg(long, value_name = "WHICH", requires = "run")]
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Instead of RUN: links SOURCE-TARGET of words counted from 0, a line for each pair
    #[arg(long, value_name = "FILE", requires = "gold")]
    pub(crate) links: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pairs: PairOptions,
    /// Links that people drew, a line for each pair: 0-0 is a sure one, 1?2 or 1p2 a possible one; prints the alignment error rate
    /// instead of links
    #[arg(long, value_name = "FILE")]
    pub(crate) gold: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, requires = "gold")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AttendOptions {
    #[command(flatten)]
    pub(crate) run: RunOptions,
    #[command(flatten)]
    pub(crate) search: SearchOptions,
    /// Sentence to translate [default: a line of standard input]
    pub(crate) sentence: Option<String>,
    /// Print one JSON object, as `translate --json --attention` does
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompareOptions {
    /// Run directories, or files of `regard pack`; the last part of each path names the run
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Text to translate, one a line
    #[arg(long, value_name = "FILE", requires = "reference")]
    pub(crate) source: Option<PathBuf>,
    /// Right translations, one a line
    #[arg(long, value_name = "FILE", requires = "source")]
    pub(crate) reference: Option<PathBuf>,
    /// Instead of SOURCE and REFERENCE: one file with a TAB between them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "reference"])]
    pub(crate) tsv: Option<PathBuf>,
    /// Words of a source at which buckets begin: 3,11,21 is 3 to 10, 11 to 20, 21 and more; shorter ones have a bucket of
    /// their own [default: up to six buckets, evenly filled]
    #[arg(long, value_name = "N,N...", value_delimiter = ',')]
    pub(crate) edges: Option<Vec<usize>>,
    /// Lower-case translations and references before counting; without it case counts, in exact match, too
    #[arg(long)]
    pub(crate) lowercase: bool,
    /// Write one HTML page with curves, attention side by side and tables
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Weights of every run to use: best, last, average or a step [default: average where there is one, else best, else
    /// last]
    #[arg(long, value_name = "WHICH")]
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlotOptions {
    /// Run directories; the last part of each path names the run
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Write the charts as one picture
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write one HTML page with the charts and a table
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AverageOptions {
    /// Run directory
    pub(crate) run: PathBuf,
    /// Average the last N checkpoints [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "best")]
    pub(crate) last: Option<usize>,
    /// Average the N checkpoints with the best validations
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) best: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Configuration file; `[tokenizer]`, `[model]` and `[decode]` are read
    pub(crate) config: PathBuf,
    /// Weights: safetensors with our names, or what PyTorch's `torch.save(model.state_dict(), path)` wrote
    pub(crate) weights: PathBuf,
    /// A `tokenizer.json`, or a run whose tokenizers to take; given twice, the file of the source and that of the target
    /// [default: what `[tokenizer]` names]
    #[arg(long, value_name = "PATH")]
    pub(crate) tokenizer: Vec<PathBuf>,
    /// Run directory to make [default: runs/NAME for NAME.toml]
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) set: SetOptions,
}

#[derive(Debug, Args)]
pub(crate) struct PackOptions {
    /// Run directory
    pub(crate) run: PathBuf,
    /// Weights to pack: best, last, average or a step [default: average where there is one, else best, else last]
    #[arg(long, value_name = "WHICH")]
    pub(crate) checkpoint: Option<Checkpoint>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// Run directory, or a file of `regard pack`
    pub(crate) run: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevicesOptions {
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsOptions {
    /// Shell to complete in
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    #[command(subcommand)]
    pub(crate) what: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Time a training step: pre-norm, ReLU, tied embeddings, dropout 0.1 on residuals, smoothing 0.1, Adam, clip 1,
    /// the last eighth of every source padded unless `--shortest` is given
    Train(BenchTrainOptions),
    /// Time search with random weights and forced length
    Decode(BenchDecodeOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ShapeOptions {
    /// Kind of model
    #[arg(long, default_value = "transformer", value_parser = PossibleValuesParser::new(ModelConfig::KINDS))]
    pub(crate) model: String,
    /// Layers of encoder and of decoder [default: 3, of recurrent models 1]
    #[arg(long, value_name = "N")]
    pub(crate) layers: Option<usize>,
    /// Width D; of recurrent models that of embeddings and decoder, and half of it for each direction of the encoder
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub(crate) d_model: usize,
    /// Feed-forward width F [default: 1024]; of a transformer
    #[arg(long, value_name = "N")]
    pub(crate) d_ff: Option<usize>,
    /// Heads H [default: 4]; of a transformer
    #[arg(long, value_name = "N")]
    pub(crate) n_heads: Option<usize>,
    /// Tokens V
    #[arg(long, default_value_t = 8000, value_name = "N")]
    pub(crate) vocabulary: usize,
    /// Rows B
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub(crate) batch: usize,
    /// Source length S
    #[arg(long, default_value_t = 32, value_name = "N")]
    pub(crate) source_length: usize,
    /// Target length T
    #[arg(long, default_value_t = 32, value_name = "N")]
    pub(crate) target_length: usize,
    /// Runs that are timed; the median counts
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) steps: usize,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchTrainOptions {
    #[command(flatten)]
    pub(crate) shape: ShapeOptions,
    /// Spread the lengths of sources and targets evenly from N real tokens to S and T
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) shortest: Option<usize>,
    /// What becomes of padding between attention calls
    #[arg(long, default_value = "skipped")]
    pub(crate) padding: PaddingName,
    /// Float type of activations and products, as `train.precision`
    #[arg(long, default_value = "f32")]
    pub(crate) precision: PrecisionName,
    /// Keep of each layer what it reads, and compute the rest again in the backward pass; of a transformer
    #[arg(long)]
    pub(crate) recompute: bool,
    /// Print where the time of a step goes
    #[arg(long)]
    pub(crate) profile: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PrecisionName {
    /// 32 bits
    F32,
    /// bfloat16; parameters, norms, softmax, loss and optimizer stay f32
    Bf16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PaddingName {
    /// Left out, as in training
    Skipped,
    /// Multiplied like text, as PyTorch's layers do
    Computed,
}

#[derive(Debug, Args)]
pub(crate) struct BenchDecodeOptions {
    #[command(flatten)]
    pub(crate) shape: ShapeOptions,
    /// Hypotheses of each sentence W; 1 is greedy search
    #[arg(long, default_value_t = 1, value_name = "W")]
    pub(crate) beam: usize,
    /// Print where the time of a step goes, the encoder not counted
    #[arg(long)]
    pub(crate) profile: bool,
}

fn tokenizer(text: &str) -> Result<Tokenizer, String> {
    let found = Tokenizer::ALL.into_iter().find(|one| one.name() == text);
    found.ok_or_else(|| {
        let names = Tokenizer::ALL.map(Tokenizer::name).join(", ");
        format!("expected one of {names}, got `{text}`")
    })
}

fn smoothing(text: &str) -> Result<Smoothing, String> {
    let (method, value) = match text.split_once('=') {
        Some((method, value)) => (method, Some(value)),
        None => (text, None),
    };
    let number = |default: f64| match value {
        Some(value) => value
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite() && *value >= 0.0)
            .ok_or_else(|| format!("expected a number from 0 behind `{method}=`, got `{value}`")),
        None => Ok(default),
    };
    match (method, value) {
        ("exp", None) => Ok(Smoothing::Exponential),
        ("none", None) => Ok(Smoothing::None),
        ("floor", _) => number(Smoothing::FLOOR).map(Smoothing::Floor),
        ("add-k", _) => number(Smoothing::ADD_K).map(Smoothing::AddK),
        _ => Err(format!(
            "expected exp, none, floor, floor=X, add-k or add-k=X, got `{text}`"
        )),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("expected a whole number from 1, got `{text}`")),
        Ok(n) => Ok(n),
    }
}

fn score(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(score) if (0.0..=100.0).contains(&score) => Ok(score),
        _ => Err(format!("expected a number from 0 to 100, got `{text}`")),
    }
}
