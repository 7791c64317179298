//! Scores corpora given as lines of JSON on standard input, for `scripts/parity/metrics.py`; and times BLEU and chrF of
//! two files for `scripts/bench/metrics.sh`: `metrics HYPOTHESES REFERENCES`.

mod request;

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::time::Instant;

use regard_eval::bleu::Bleu;
use regard_eval::chrf::Chrf;
use request::Request;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [hypotheses, references] = arguments.as_slice() {
        return time(hypotheses, references);
    }
    for line in stdin().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        writeln!(stdout(), "{}", serde_json::to_string(&request.answer()?)?)?;
    }
    Ok(())
}

/// Seconds of the fastest of five runs, reading not counted.
fn time(hypotheses: &str, references: &str) -> Result<(), Box<dyn Error>> {
    let read = |path: &str| -> Result<Vec<String>, std::io::Error> {
        Ok(std::fs::read_to_string(path)?
            .lines()
            .map(str::to_owned)
            .collect())
    };
    let (hypotheses, references) = (read(hypotheses)?, read(references)?);
    let mut fastest = [f64::INFINITY; 2];
    let mut scores = [0.0; 2];
    for _ in 0..5 {
        let start = Instant::now();
        scores[0] = Bleu::default().corpus(&hypotheses, &references)?.score;
        fastest[0] = start.elapsed().as_secs_f64().min(fastest[0]);
        let start = Instant::now();
        scores[1] = Chrf::default().corpus(&hypotheses, &references)?.score;
        fastest[1] = start.elapsed().as_secs_f64().min(fastest[1]);
    }
    let [bleu, chrf] = scores;
    let [bleu_seconds, chrf_seconds] = fastest;
    writeln!(
        stdout(),
        "{{\"bleu\": {bleu}, \"chrf\": {chrf}, \"bleu_seconds\": {bleu_seconds}, \"chrf_seconds\": {chrf_seconds}}}"
    )?;
    Ok(())
}
