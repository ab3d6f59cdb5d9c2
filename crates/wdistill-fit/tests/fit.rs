//! Fitted students of random teachers.

use wdistill_autograd::{DropoutSource, Tape, Workspace};
use wdistill_fit::{Examples, fit, fit_stacks, reordered};
use wdistill_generator::{Choice, cut};
use wdistill_model::{
    Architecture, Config, DecoderState, Dense, Embeddings, FinalNorm, Model, NormPlacement, Stack,
    Tokens, Vocabularies,
};

const WORDS: usize = 40;

/// Sentences of 1 to 12 words.
fn tokens(seed: u64, sentences: usize) -> Tokens {
    let mut state = seed;
    let mut next = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let all: Vec<Vec<u32>> = (0..sentences)
        .map(|_| (0..1 + next(12)).map(|_| next(WORDS as u64) as u32).collect())
        .collect();
    Tokens::from_sentences(all.iter().map(Vec::as_slice))
}

fn architecture(
    norm: NormPlacement,
    final_norm: FinalNorm,
    embeddings: Embeddings,
) -> Architecture {
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    for shape in [&mut architecture.encoder, &mut architecture.decoder] {
        (shape.layers, shape.width, shape.feed_forward, shape.heads) = (4, 16, 32, 4);
    }
    Architecture { norm, final_norm, embeddings, ..architecture }
}

/// A teacher whose norms are not those of a new one.
fn teacher(architecture: Architecture) -> Model<Dense<f32>> {
    let config = Config::new(architecture, Vocabularies::shared(WORDS)).unwrap();
    let mut model = Model::initialise(config, 1);
    for (index, (slot, numbers)) in model.weights.slices_mut().into_iter().enumerate() {
        let name = slot.to_string();
        let size = if name.ends_with("gain") { 0.3 } else { 0.2 };
        if !name.ends_with("weight") && !name.starts_with("embeddings") {
            let wave = |place: usize| ((place * 7 + index * 3) as f32).sin() * size;
            numbers.iter_mut().enumerate().for_each(|(place, number)| *number += wave(place));
        }
    }
    model
}

/// Logits for what no fit has seen, `[target tokens, words]`.
fn logits(model: &Model<Dense<f32>>) -> Vec<f32> {
    let (source, target) = (tokens(91, 20), tokens(92, 20));
    let workspace = Workspace::new();
    let (tape, tracked) = Tape::record(model, &workspace, DropoutSource::NONE);
    let encoded = tracked.encode(&tape, &source);
    let mut state = DecoderState::new(&model.config);
    let states = tracked.decode(&tape, &target, target.spans(), &encoded, &mut state);
    tape.value(tracked.logits(&tape, &states)).to_vec()
}

/// Mean square of what a student's logits miss, over that of the teacher's about each row's mean.
fn missed(teacher: &Model<Dense<f32>>, student: &Model<Dense<f32>>) -> f64 {
    let rows = |model| -> Vec<f64> {
        let centre = |row: &[f32]| {
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / row.len() as f64;
            row.iter().map(move |x| f64::from(*x) - mean).collect::<Vec<_>>()
        };
        logits(model).chunks(WORDS).flat_map(centre).collect()
    };
    let (theirs, ours) = (rows(teacher), rows(student));
    let square = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    square(&mut theirs.iter().zip(&ours).map(|(a, b)| a - b)) / square(&mut theirs.iter().copied())
}

fn each_kind() -> Vec<Architecture> {
    vec![
        architecture(NormPlacement::Post, FinalNorm::Absent, Embeddings::DecoderTied),
        architecture(NormPlacement::Pre, FinalNorm::Present, Embeddings::Separate),
    ]
}

fn with_batches<T>(use_them: impl FnOnce(&[Examples<'_>]) -> T) -> T {
    let batches: Vec<[Tokens; 2]> =
        (0..4).map(|batch| [tokens(2 * batch, 100), tokens(2 * batch + 1, 100)]).collect();
    let examples: Vec<Examples<'_>> = batches
        .iter()
        .map(|[source, target]| Examples { source, target, words: target.ids() })
        .collect();
    use_them(&examples)
}

/// Of the teacher's shape, whatever a stack began with, it becomes the teacher's: every regression is of a state on itself.
#[test]
fn a_student_of_the_teachers_shape_becomes_the_teacher() {
    for architecture in each_kind() {
        let teacher = teacher(architecture);
        let other = Model::initialise(teacher.config.clone(), 2);
        let mut start = teacher.clone();
        start.weights.encoder = other.weights.encoder;
        start.weights.decoder = other.weights.decoder;
        let before = missed(&teacher, &start);
        let stacks = [Stack::Encoder, Stack::Decoder];
        let fitted = with_batches(|examples| fit_stacks(&teacher, start, examples, &stacks));
        let after = missed(&teacher, &fitted.model);
        assert!(before > 0.5 && after < 1e-3, "{before} before, {after} after");
        let parts = fitted.explained.iter();
        parts.for_each(|(place, part)| assert!(*part > 0.999, "{place}: {part}"));
    }
}

/// Fewer layers, a narrower stream, fewer units, in either stack: nearer to the teacher than what it began with.
#[test]
fn smaller_students_come_nearer_to_their_teacher() {
    let shapes: [fn(&mut Architecture); 4] = [
        |student| student.decoder.layers = 2,
        |student| (student.decoder.width, student.decoder.feed_forward) = (8, 16),
        |student| student.decoder.feed_forward = 16,
        |student| (student.encoder.layers, student.encoder.width) = (2, 8),
    ];
    for architecture in each_kind() {
        let teacher = teacher(architecture.clone());
        for (number, shape) in shapes.iter().enumerate() {
            let mut student = architecture.clone();
            shape(&mut student);
            let config = Config::new(student, teacher.config.vocabularies).unwrap();
            let start = cut(&teacher, &config, Choice::CONCATENATED).unwrap();
            let before = missed(&teacher, &start);
            let fitted = with_batches(|examples| fit(&teacher, start, examples));
            let after = missed(&teacher, &fitted.model);
            assert!(
                after < 0.7 * before && after < 0.7,
                "{number}: {before} before, {after} after"
            );
        }
    }
}

/// One table for everything can be two in a student whose stacks differ in width.
#[test]
fn a_tied_table_becomes_two() {
    let one = architecture(NormPlacement::Post, FinalNorm::Absent, Embeddings::AllTied);
    let teacher = teacher(one.clone());
    let mut student = Architecture { embeddings: Embeddings::DecoderTied, ..one };
    student.decoder.width = 8;
    let config = Config::new(student, teacher.config.vocabularies).unwrap();
    let start = cut(&teacher, &config, Choice::CONCATENATED).unwrap();
    assert_eq!(start.weights.embeddings.source, teacher.weights.embeddings.source);
    let before = missed(&teacher, &start);
    let fitted = with_batches(|examples| fit(&teacher, start, examples)).model;
    assert!(missed(&teacher, &fitted) < 0.7 * before);
}

/// One table for everything, and both stacks narrower: the encoder is solved for the table that the decoder gives it.
#[test]
fn one_table_in_both_is_the_decoders() {
    let one = architecture(NormPlacement::Post, FinalNorm::Absent, Embeddings::AllTied);
    let teacher = teacher(one.clone());
    let mut student = one;
    (student.encoder.width, student.decoder.width) = (8, 8);
    let config = Config::new(student, teacher.config.vocabularies).unwrap();
    let start = cut(&teacher, &config, Choice::CONCATENATED).unwrap();
    let before = missed(&teacher, &start);
    let fitted = with_batches(|examples| fit(&teacher, start, examples)).model;
    let once = missed(&teacher, &fitted);
    // Solved once more from where it is, it has nothing to gain: the encoder knew its table.
    let stacks = [Stack::Encoder, Stack::Decoder];
    let again = with_batches(|examples| fit_stacks(&teacher, fitted, examples, &stacks)).model;
    let twice = missed(&teacher, &again);
    assert!(once < 0.9 * before && (twice - once).abs() < 0.05 * once, "{before} {once} {twice}");
}

/// What has more of anything than the teacher has stays as it is, and that is said.
#[test]
fn a_student_with_more_is_left_alone() {
    let more: [fn(&mut Architecture); 3] = [
        |student| student.decoder.layers = 8,
        |student| student.decoder.heads = 2,
        |student| student.decoder.feed_forward = 40,
    ];
    let [post, _] = &each_kind()[..] else { panic!("two kinds") };
    let teacher = teacher(post.clone());
    for change in more {
        let mut student = post.clone();
        change(&mut student);
        let config = Config::new(student, teacher.config.vocabularies).unwrap();
        let start = cut(&teacher, &config, Choice::CONCATENATED).unwrap();
        let fitted = with_batches(|examples| fit(&teacher, start.clone(), examples));
        assert!(fitted.stacks.is_empty() && fitted.model.weights == start.weights);
    }
}

#[test]
fn a_fit_repeated_gives_the_same_bits_and_leaves_equal_stacks_alone() {
    let [post, _] = &each_kind()[..] else { panic!("two kinds") };
    let teacher = teacher(post.clone());
    let mut student = post.clone();
    student.decoder.layers = 1;
    let config = Config::new(student, teacher.config.vocabularies).unwrap();
    let start = || cut(&teacher, &config, Choice::CONCATENATED).unwrap();
    let fitted = || with_batches(|examples| fit(&teacher, start(), examples).model.weights);
    let (one, other) = (fitted(), fitted());
    assert!(one == other);
    assert!(one.encoder == start().weights.encoder && one.embeddings == start().weights.embeddings);
    assert!(one.decoder != start().weights.decoder);
}

/// With other numbers for heads and hidden units a teacher computes the same; what is in order stays as it is.
#[test]
fn a_reordered_teacher_is_the_same_teacher() {
    for architecture in each_kind() {
        let teacher = teacher(architecture.clone());
        let of = |model: &Model<Dense<f32>>, student: &Config| {
            with_batches(|examples| reordered(model, student, examples))
        };
        let ordered = of(&teacher, &teacher.config);
        assert!(ordered.weights != teacher.weights);
        assert!(missed(&teacher, &ordered) < 1e-9);
        assert!(of(&ordered, &teacher.config).weights == ordered.weights);

        // A narrower student's stream has an order too.
        let mut narrow = architecture;
        narrow.decoder.width = 8;
        let narrow = Config::new(narrow, teacher.config.vocabularies).unwrap();
        let both = of(&teacher, &narrow).weights;
        assert!(both.encoder == ordered.weights.encoder);
        let table = |weights: &wdistill_model::Transformer<Dense<f32>>| {
            let mut row = weights.embeddings.target_table().row(3).to_vec();
            row.sort_by(f32::total_cmp);
            row
        };
        assert!(both.embeddings.target_table() != ordered.weights.embeddings.target_table());
        assert_eq!(table(&both), table(&ordered.weights));
    }
}
