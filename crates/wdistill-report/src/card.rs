//! A model card: what a folder's reader should know of the model, with front matter as Hugging Face reads it
//! (`hub-docs/modelcard.md`).

use std::fmt::Write;

use crate::number::{grouped, score, short};
use crate::{DataSet, Decoding, Machine, Signatures, TestScores};

/// The name of the file in a model's folder.
pub const CARD_FILE: &str = "README.md";

/// The entry of the front matter that names the program which a folder is for.
const LIBRARY: &str = "library_name";

/// Our own folders' entry.
const OURS: &str = "wdistill";

/// What is known of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCard {
    /// Its name.
    pub name: String,
    /// Codes of source and target language.
    pub languages: Option<[String; 2]>,
    /// The folder of the teacher that it is made of, if that was given.
    pub base_model: Option<String>,
    /// What it is, in a few words.
    pub description: String,
    /// Shape of both stacks.
    pub shape: String,
    /// Number of parameters.
    pub parameters: u64,
    /// What it was trained and judged on, in words.
    pub task_description: String,
    /// The texts.
    pub data: Vec<DataSet>,
    /// Decided its random choices.
    pub seed: Option<u64>,
    /// Scores in each test.
    pub tests: Vec<TestScores>,
    /// How scores were computed.
    pub signatures: Signatures,
    /// How it translated for the scores.
    pub decoding: Decoding,
    /// Target tokens a second, and how many times the teacher's that is.
    pub speed: Option<(f64, f64)>,
    /// Where it was trained and timed.
    pub machine: Machine,
    /// Version of the program.
    pub version: String,
}

/// A text as YAML reads it, whatever is in it: JSON's texts are YAML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

impl ModelCard {
    /// The file.
    pub fn to_markdown(&self) -> String {
        let front = self.front_matter();
        let sections = [self.introduction(), self.scores(), self.training(), self.use_of_it()];
        let sections = sections.into_iter().filter(|section| !section.is_empty());
        format!("---\n{front}---\n\n{}\n", sections.collect::<Vec<_>>().join("\n\n"))
    }

    /// What it translates, such as `en to de`.
    fn pair(&self) -> String {
        self.languages.as_ref().map_or(String::new(), |[from, to]| format!("{from}-{to}"))
    }

    fn front_matter(&self) -> String {
        let mut front = String::new();
        let mut line = |text: &str| {
            front.push_str(text);
            front.push('\n');
        };
        if let Some(languages) = &self.languages {
            line("language:");
            languages.iter().for_each(|language| line(&format!("- {}", quoted(language))));
        }
        line(&format!("{LIBRARY}: {OURS}"));
        line("pipeline_tag: translation");
        line("tags:\n- translation\n- wdistill");
        if let Some(base) = &self.base_model {
            line(&format!("base_model: {}", quoted(base)));
        }
        if self.tests.is_empty() {
            return front;
        }
        line("metrics:\n- bleu\n- chrf\n- ter");
        line(&format!("model-index:\n- name: {}\n  results:", quoted(&self.name)));
        let pair = self.pair();
        for TestScores { text, bleu, chrf, ter, .. } in &self.tests {
            let text = quoted(text);
            line(&format!(
                "  - task:\n      type: translation\n      name: {}",
                quoted(format!("Translation {pair}").trim_end())
            ));
            line(&format!("    dataset:\n      type: {text}\n      name: {text}\n    metrics:"));
            let Signatures { bleu: of_bleu, chrf: of_chrf, ter: of_ter } = &self.signatures;
            for (name, value, signature) in
                [("bleu", bleu, of_bleu), ("chrf", chrf, of_chrf), ("ter", ter, of_ter)]
            {
                let upper = if name == "chrf" { "chrF" } else { &name.to_uppercase() };
                let signature = signature.as_deref().unwrap_or_default();
                line(&format!(
                    "    - type: {name}\n      name: {upper}\n      value: {}\n      args: {}",
                    score(value.value),
                    quoted(signature)
                ));
            }
        }
        front
    }

    fn introduction(&self) -> String {
        let ModelCard { name, description, shape, parameters, .. } = self;
        let between = match &self.languages {
            Some([from, to]) => format!(" from `{from}` to `{to}`"),
            None => String::new(),
        };
        let made = match &self.base_model {
            Some(base) => format!(" It is made of the teacher `{base}`."),
            None => String::new(),
        };
        format!(
            "# {name}\n\nA translation model{between}: {description}.{made} Its encoder and decoder have the shape \
             {shape} (layers x width/feed-forward width), and {} parameters.",
            short(*parameters)
        )
    }

    fn scores(&self) -> String {
        if self.tests.is_empty() {
            return String::new();
        }
        let mut text =
            "## Scores\n\n| test | BLEU | chrF | TER | length |\n|---|---|---|---|---|\n"
                .to_string();
        for TestScores { text: test, bleu, chrf, ter, length_ratio } in &self.tests {
            let [bleu, chrf, ter] = [bleu, chrf, ter].map(|measured| {
                let width = measured.half_width.map(|width| format!(" ± {}", score(width)));
                score(measured.value) + &width.unwrap_or_default()
            });
            writeln!(text, "| {test} | {bleu} | {chrf} | {ter} | {length_ratio:.3} |")
                .expect("strings grow");
        }
        let Decoding { beam, length_penalty, precision, .. } = &self.decoding;
        let Signatures { bleu, chrf, ter } = &self.signatures;
        let signatures: Vec<String> =
            [bleu, chrf, ter].into_iter().flatten().map(|one| format!("`{one}`")).collect();
        write!(
            text,
            "\nDecoded with a beam of {beam}, length penalty {length_penalty}, in {precision}. Intervals hold 95 of 100 \
             samples of the lines with replacement. Signatures: {}.",
            signatures.join(", ")
        )
        .expect("strings grow");
        if let Some((tokens, times)) = self.speed {
            write!(
                text,
                " It translates {} target tokens a second on {} threads ({}), {times:.2} times its teacher.",
                grouped(tokens.round() as u64),
                self.machine.threads,
                self.machine.cpu
            )
            .expect("strings grow");
        }
        text
    }

    fn training(&self) -> String {
        let mut text = "## Training\n\n".to_string();
        if !self.task_description.is_empty() {
            write!(text, "{}\n\n", self.task_description).expect("strings grow");
        }
        text += "| text | files | sentence pairs | source tokens | target tokens |\n|---|---|---|---|---|\n";
        for DataSet { role, label, pairs, source_tokens, target_tokens, .. } in &self.data {
            let [pairs, source, target] = [*pairs, *source_tokens, *target_tokens].map(grouped);
            writeln!(text, "| {role} | {label} | {pairs} | {source} | {target} |")
                .expect("strings grow");
        }
        let seed = self.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
        write!(text, "\nTrained by wdistill {}{seed}.", self.version).expect("strings grow");
        text
    }

    fn use_of_it(&self) -> String {
        "## Use\n\n```sh\nwdistill translate --model FOLDER < TEXT\n```".to_string()
    }
}

/// The card of the same model in a folder for some program: the front matter names that program, and what is said of the use
/// of a folder of ours is left out.
pub fn card_for(card: &str, library: &str) -> String {
    if library == OURS {
        return card.to_string();
    }
    let line = format!("{LIBRARY}: {OURS}\n");
    let renamed = card.replacen(&line, &format!("{LIBRARY}: {library}\n"), 1);
    match renamed.split_once("\n## Use\n") {
        Some((before, _)) => before.to_string(),
        None => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    fn card() -> ModelCard {
        let report = example();
        let row = &report.systems[1];
        ModelCard {
            name: row.name.clone(),
            languages: Some(["en".to_string(), "de".to_string()]),
            base_model: Some("opus: \"en-de\"".to_string()),
            description: row.description.clone(),
            shape: row.shape.clone(),
            parameters: row.parameters,
            task_description: report.task_description,
            data: report.data,
            seed: Some(7),
            tests: row.test.clone().into_iter().collect(),
            signatures: row.signatures.clone(),
            decoding: report.decoding,
            speed: row.tokens_per_second.zip(row.speed_up),
            machine: report.machine,
            version: report.version,
        }
    }

    /// The front matter of a card, by its own reader.
    fn front_matter(text: &str) -> yaml_rust2::Yaml {
        let front = text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap().0;
        yaml_rust2::YamlLoader::load_from_str(front).unwrap().remove(0)
    }

    #[test]
    fn front_matter_is_yaml_with_what_the_hub_asks_for() {
        let card = card();
        let text = card.to_markdown();
        let front = front_matter(&text);
        assert_eq!(front["language"][1].as_str(), Some("de"));
        assert_eq!(front["library_name"].as_str(), Some("wdistill"));
        assert_eq!(front["pipeline_tag"].as_str(), Some("translation"));
        assert_eq!(front["base_model"].as_str(), Some("opus: \"en-de\""));
        let result = &front["model-index"][0]["results"][0];
        assert_eq!(result["task"]["type"].as_str(), Some("translation"));
        assert_eq!(result["task"]["name"].as_str(), Some("Translation en-de"));
        let scores = &card.tests[0];
        assert_eq!(result["dataset"]["name"].as_str(), Some(scores.text.as_str()));
        for (place, name, value) in
            [(0, "BLEU", &scores.bleu), (1, "chrF", &scores.chrf), (2, "TER", &scores.ter)]
        {
            let metric = &result["metrics"][place];
            assert_eq!(metric["name"].as_str(), Some(name));
            assert!((metric["value"].as_f64().unwrap() - value.value).abs() < 0.0051);
        }
        assert_eq!(result["metrics"][0]["args"].as_str(), card.signatures.bleu.as_deref());
    }

    #[test]
    fn a_card_without_scores_says_what_is_known() {
        let plain = ModelCard {
            languages: None,
            base_model: None,
            tests: Vec::new(),
            speed: None,
            seed: None,
            ..card()
        };
        let text = plain.to_markdown();
        let front = front_matter(&text);
        assert!(front["model-index"].is_badvalue() && front["language"].is_badvalue());
        assert!(!text.contains("## Scores") && text.contains("## Training"), "{text}");
    }

    #[test]
    fn another_programs_card_names_it() {
        let own = card().to_markdown();
        assert_eq!(card_for(&own, "wdistill"), own);
        let text = card_for(&own, "transformers");
        assert_eq!(front_matter(&text)["library_name"].as_str(), Some("transformers"));
        assert!(text.contains("## Scores") && !text.contains("wdistill translate"), "{text}");
    }
}
