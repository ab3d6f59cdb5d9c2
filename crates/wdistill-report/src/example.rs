//! A small report that the tests share.

use crate::{
    Comparison, Curve, CurvePoint, DataSet, Decoding, Difference, Inheritance, Machine, Measured,
    RateRow, Report, Sample, Signatures, SystemRow, TestRow, TestScores,
};

pub(crate) fn example() -> Report {
    Report {
        title: "Distilling a toy teacher".to_string(),
        task_description: "English to German, everyday sentences".to_string(),
        created: "2026-01-31".to_string(),
        machine: Machine {
            cpu: "Example CPU".to_string(),
            cores: 2,
            threads: 2,
            memory_gib: 15.6,
            operating_system: "Linux 6.1".to_string(),
            features: vec!["avx2".to_string(), "fma".to_string()],
        },
        commit: Some("abc1234".to_string()),
        version: "0.1.0".to_string(),
        unfinished: None,
        seed: 42,
        recipe_toml: "[student]\nlayers = 1\nname = \"a < b & c\"\n".to_string(),
        data: vec![
            data_set("training", 20_000, 310_000),
            data_set("validation", 500, 7_700),
            data_set("test", 500, 7_800),
        ],
        decoding: Decoding {
            beam: 4,
            length_penalty: 0.6,
            max_ratio: 2.0,
            max_surplus: 20,
            max_length: 512,
            batch: 32,
            precision: "float32".to_string(),
        },
        systems: vec![teacher(), from_scratch(), distilled()],
        curves: curves(),
        tests: vec![TestRow { system: "distilled".to_string(), scores: test("news", 81.0, 90.0) }],
        rates: vec![RateRow {
            system: "distilled".to_string(),
            learning_rate: 0.005,
            loss_validation: 1.6,
            score_validation: Some(84.0),
        }],
        comparisons: vec![Comparison {
            better: "distilled".to_string(),
            than: "from scratch".to_string(),
            metric: "BLEU".to_string(),
            difference: 21.45,
            confidence_half_width: 1.3,
            p_value: 0.001,
            samples: 1_000,
        }],
        samples: vec![Sample {
            text: "test".to_string(),
            line: 7,
            reason: "worst of distilled".to_string(),
            reference: "Das ist ein Haus.".to_string(),
            translations: vec![("distilled".to_string(), "Das <Haus>.".to_string())],
        }],
        notes: vec!["The first stage used every sentence.".to_string()],
    }
}

fn data_set(role: &str, pairs: u64, tokens: u64) -> DataSet {
    DataSet {
        role: role.to_string(),
        judges: None,
        label: "everyday sentences".to_string(),
        pairs,
        source_tokens: tokens,
        target_tokens: tokens + tokens / 10,
        notes: Vec::new(),
    }
}

fn signatures() -> Signatures {
    Signatures {
        bleu: Some("nrefs:1|case:mixed|tok:13a".to_string()),
        chrf: Some("nrefs:1|case:mixed|nc:6".to_string()),
        ter: Some("nrefs:1|case:lc|tok:tercom".to_string()),
    }
}

fn measured(value: f64) -> Measured {
    Measured { value, deviation: None, half_width: Some(0.75) }
}

fn test(text: &str, bleu: f64, chrf: f64) -> TestScores {
    let (bleu, chrf, ter) = (measured(bleu), measured(chrf), measured(9.5));
    TestScores { text: text.to_string(), bleu, chrf, ter, length_ratio: 0.987 }
}

fn teacher() -> SystemRow {
    SystemRow {
        name: "teacher".to_string(),
        description: "trained on the references".to_string(),
        shape: "4x128/512 + 2x128/512".to_string(),
        parameters: 1_234_567,
        seeds: Vec::new(),
        learning_rate: None,
        updates: Some(1_500),
        loss_validation: None,
        bleu_validation: Some(measured(91.25)),
        test: Some(test("test", 90.8, 95.1)),
        inheritance: None,
        tokens_per_second: Some(4_321.0),
        sentences_per_second: Some(250.0),
        speed_up: Some(1.0),
        training_seconds: Some(725.0),
        signatures: signatures(),
    }
}

fn from_scratch() -> SystemRow {
    SystemRow {
        name: "from scratch".to_string(),
        description: "small, trained on the references".to_string(),
        shape: "4x64/256 + 1x64/256".to_string(),
        parameters: 345_000,
        seeds: vec![42],
        learning_rate: None,
        updates: Some(400),
        loss_validation: Some(measured(2.4)),
        bleu_validation: Some(measured(62.5)),
        test: Some(test("test", 61.75, 78.32)),
        inheritance: None,
        tokens_per_second: Some(12_345.6),
        sentences_per_second: Some(710.0),
        speed_up: Some(2.857),
        training_seconds: Some(95.0),
        signatures: signatures(),
    }
}

fn distilled() -> SystemRow {
    SystemRow {
        name: "distilled".to_string(),
        description: "small, its weights made from the teacher's".to_string(),
        seeds: vec![42, 43],
        learning_rate: Some(0.005),
        loss_validation: Some(Measured { value: 1.6, deviation: Some(0.014), half_width: None }),
        bleu_validation: Some(measured(84.0)),
        test: Some(TestScores {
            bleu: Measured { deviation: Some(0.1414), ..measured(83.2) },
            ..test("test", 83.2, 90.25)
        }),
        inheritance: Some(Inheritance {
            twin: "distilled-blank".to_string(),
            loss: -0.035,
            bleu: Difference { value: 0.46, half_width: 0.35, p_value: 0.011 },
            chrf: Difference { value: 0.52, half_width: 0.3, p_value: 0.002 },
        }),
        tokens_per_second: None,
        sentences_per_second: None,
        speed_up: None,
        training_seconds: None,
        ..from_scratch()
    }
}

fn curves() -> Vec<Curve> {
    vec![
        curve("teacher", "training", 0, 15, 91.25, 1.3),
        curve("from scratch", "training", 0, 4, 62.5, 2.4),
        curve("distilled", "generator", 0, 2, 70.0, 2.0),
        curve("distilled", "student", 200, 2, 84.0, 1.6),
        Curve { seed: Some(43), ..curve("distilled", "student", 200, 2, 82.0, 1.7) },
    ]
}

fn curve(system: &str, stage: &str, offset: u64, count: u64, bleu: f64, loss: f64) -> Curve {
    let point = |index: u64| {
        let progress = (index as f64 / count as f64).sqrt();
        CurvePoint {
            updates: offset + 100 * index,
            training_loss: Some(6.0 + (loss - 0.1 - 6.0) * progress),
            validation_loss: Some(6.0 + (loss - 6.0) * progress),
            validation_bleu: Some(bleu * progress),
        }
    };
    Curve {
        system: system.to_string(),
        stage: stage.to_string(),
        seed: Some(42),
        points: (1..=count).map(point).collect(),
    }
}
