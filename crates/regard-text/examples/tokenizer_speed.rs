//! Microseconds per word of encoding, plain and sampled, on one thread.
//!
//! ```console
//! cargo run --release -p regard-text --example tokenizer_speed -- FILE [VOCABULARY]
//! ```

use std::error::Error;
use std::time::Instant;

use regard_text::{Tokenizer, TokenizerConfig, TokenizerKind};

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("expected a file of text")?;
    let vocabulary = arguments.next().map_or(Ok(8000), |given| given.parse())?;
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    let words: usize = lines
        .iter()
        .map(|line| line.split_whitespace().count())
        .sum();

    let config = TokenizerConfig {
        vocabulary,
        ..TokenizerConfig::default()
    };
    let dropping = |dropout| TokenizerConfig {
        dropout,
        ..config.clone()
    };
    let drawing = |alpha| TokenizerConfig {
        kind: TokenizerKind::Unigram,
        alpha,
        ..config.clone()
    };
    for config in [
        dropping(0.0),
        dropping(0.1),
        dropping(0.5),
        drawing(None),
        drawing(Some(0.2)),
    ] {
        let start = Instant::now();
        let tokenizer = Tokenizer::train(&config, lines.iter().copied())?.sampled(&config)?;
        let training = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let tokens: usize = lines
            .iter()
            .zip(0..)
            .map(|(line, key)| tokenizer.encode_sampled(line, key).len())
            .sum();
        println!(
            "{:?}, dropout {}, alpha {:?}: {:.2} us a word, {:.3} tokens a word; training {training:.1} s",
            config.kind,
            config.dropout,
            config.alpha,
            start.elapsed().as_secs_f64() * 1e6 / words as f64,
            tokens as f64 / words as f64,
        );
    }
    Ok(())
}
