//! Scores translations, as sacreBLEU does, and compares two systems by a paired bootstrap.
//!
//!     cargo run --release -p wdistill --example score -- REFERENCE BASELINE SYSTEM

#![allow(clippy::print_stdout)] // An example shows what it finds.

use wdistill::metrics::{Bleu, Bootstrap, Chrf, CorpusMetric, Score, paired_bootstrap};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reference, baseline, system] = &arguments[..] else {
        return Err("expected REFERENCE BASELINE SYSTEM".into());
    };
    let lines = |path: &str| -> std::io::Result<Vec<String>> {
        Ok(std::fs::read_to_string(path)?.lines().map(str::to_string).collect())
    };
    let references = [lines(reference)?];
    let (bleu, chrf) = (Bleu::default(), Chrf::default());
    let mut statistics = Vec::new();
    for path in [baseline, system] {
        let hypotheses = lines(path)?;
        println!("{path}: {}", bleu.corpus_score(&hypotheses, &references)?.format(2));
        println!("{path}: {}", chrf.corpus_score(&hypotheses, &references)?.format(2));
        statistics.push(bleu.corpus_statistics(&hypotheses, &references)?);
    }
    let compared = paired_bootstrap(&bleu, &statistics[0], &statistics[1], Bootstrap::default())?;
    let difference = compared.system.score - compared.baseline.score;
    let half_width = compared.difference_confidence.half_width;
    println!("BLEU {difference:+.2} ± {half_width:.2}, p = {:.4}", compared.p_value);
    println!("{}", bleu.signature(references.len()));
    Ok(())
}
