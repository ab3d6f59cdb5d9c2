//! Gradients of a whole tiny model, with every kind of dropout on, against central differences.

use wdistill_autograd::{
    DropoutSource, Gradients, LossSums, Place, Tape, Targets, Tracked, Variable, Workspace,
};
use wdistill_kernels::layers::LossTargets;
use wdistill_kernels::{
    Host, LikenessGradient, Real, RelationShape, Rows, relation_divergence, state_distance,
};
use wdistill_model::{
    Activation, Architecture, AttentionKind, AttentionRole, Autoregression, Config, DecoderState,
    Dense, DropoutRates, Embeddings, FinalNorm, LayerPlace, LinearPlace, Model, NormPlace,
    NormPlacement, OutputBias, RecurrenceRole, Spans, Stack, SubLayer, Tokens, Vocabularies,
};

fn models() -> Vec<Model<Dense<f64>>> {
    let mut post = Architecture::preset("transformer-nano").unwrap();
    post.encoder.layers = 1;
    post.decoder.layers = 1;
    let mut narrow = post.clone();
    narrow.decoder.width = 8;
    narrow.activation = Activation::Swish;
    narrow.embeddings = Embeddings::Separate;
    narrow.output_bias = OutputBias::Present;
    let mut pre = post.clone();
    pre.norm = NormPlacement::Pre;
    pre.final_norm = FinalNorm::Present;
    pre.activation = Activation::Gelu;
    pre.embeddings = Embeddings::AllTied;
    let ssru = Architecture { autoregression: Autoregression::Ssru, ..post.clone() };
    [post, narrow, pre, ssru]
        .map(|architecture| Config::new(architecture, Vocabularies::shared(11)).unwrap())
        .map(|config| Model::initialise(config, 5).convert::<f64>())
        .into()
}

fn source_pairs() -> [(Vec<u32>, Vec<u32>); 3] {
    [(vec![3, 1, 4, 0], vec![5, 2, 6]), (vec![7, 0], vec![8, 1, 8, 2, 8]), (vec![0], vec![])]
}

/// Loss of some pairs; gradients too if there is a place for them.
fn loss<R: Real>(
    model: &Model<Dense<R>>,
    pairs: &[(Vec<u32>, Vec<u32>)],
    dropout: DropoutSource,
    gradients: Option<&mut Gradients<Host<R>>>,
) -> LossSums {
    let workspace = Workspace::new();
    let (tape, tracked) = Tape::record(model, &workspace, dropout);
    let source = Tokens::from_sentences(pairs.iter().map(|(source, _)| source.as_slice()));
    let input: Vec<Vec<u32>> =
        pairs.iter().map(|(_, target)| [&[0], &target[..]].concat()).collect();
    let words: Vec<u32> =
        pairs.iter().flat_map(|(_, target)| [&target[..], &[0]].concat()).collect();
    let target = Tokens::from_sentences(input.iter().map(Vec::as_slice));
    let encoded = tracked.encode(&tape, &source);
    let mut state = DecoderState::new(&model.config);
    let states = tracked.decode(&tape, &target, target.spans(), &encoded, &mut state);
    let right = LossTargets { words: &words, smoothing: 0.1, teacher: None };
    let targets = Targets { loss: right, gradient_scale: 1.0 };
    match gradients {
        Some(gradients) => {
            let (inside, slopes) = inside(&tape, &tracked, [source.spans(), target.spans()]);
            let Ok(sums) = tape.backward(&tracked, states, &targets, slopes, gradients);
            LossSums { inside, ..sums }
        }
        None => {
            let (inside, _) = inside(&tape, &tracked, [source.spans(), target.spans()]);
            let Ok(sums) = tape.loss(&tracked, states, &targets);
            LossSums { inside, ..sums }
        }
    }
}

/// Something lost at every kind of place inside a model, and its slopes there: how far its numbers are from some others.
fn inside<R: Real>(
    tape: &Tape<'_, Host<R>>,
    model: &Model<Tracked>,
    [source, target]: [&Spans; 2],
) -> (f64, Vec<(Variable, Vec<R>)>) {
    let layer = |stack| LayerPlace { stack, layer: 0 };
    let (encoder, decoder) = (layer(Stack::Encoder), layer(Stack::Decoder));
    let attention = |kind, role| LinearPlace::Attention(decoder, kind, role);
    let history = match model.config.architecture.autoregression {
        Autoregression::SelfAttention => {
            attention(AttentionKind::SelfAttention, AttentionRole::Output)
        }
        Autoregression::Ssru => LinearPlace::Recurrence(decoder, RecurrenceRole::Forget),
    };
    let norm = NormPlace::SubLayer(decoder, SubLayer::Attention(AttentionKind::CrossAttention));
    let places = [
        (Place::After(encoder), source),
        (Place::After(decoder), target),
        (Place::Stream(norm), target),
        (Place::Normal(norm), target),
        (Place::Read(history), target),
        (Place::Written(attention(AttentionKind::CrossAttention, AttentionRole::Query)), target),
        (Place::Written(attention(AttentionKind::CrossAttention, AttentionRole::Value)), source),
    ];
    let mut sum = 0.0;
    let slopes = places.into_iter().enumerate().map(|(index, (place, spans))| {
        let variable = tape.at(model, place);
        let (value, width) = (tape.value(variable), tape.width(variable));
        // The same for every token, so that a batch is the sum of its sentences.
        let other = |n: usize| R::from_f64(((n % width) as f64 * 1.7).sin() + 0.5);
        let others: Vec<R> = (0..value.len()).map(other).collect();
        let (ours, theirs) = (Rows { values: &value, width }, Rows { values: &others, width });
        let mut gradient = vec![R::ZERO; value.len()];
        let slopes = LikenessGradient { gradient: &mut gradient, scale: 1.0 };
        sum += match index % 2 {
            0 => state_distance(ours, theirs, slopes),
            _ => {
                let shape = RelationShape { heads: 2, offsets: spans.offsets() };
                relation_divergence(ours, theirs, shape, slopes)
            }
        };
        (variable, gradient)
    });
    let slopes = slopes.collect();
    (sum, slopes)
}

/// All that was lost.
fn whole(sums: LossSums) -> f64 {
    sums.smoothed + sums.inside
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    let rates = DropoutRates { residual: 0.2, attention: 0.3, activation: 0.1 };
    let dropout = DropoutSource { rates, seed: 3, step: 7 };
    for mut model in models() {
        let mut gradients = Gradients::zeros(&model.weights);
        loss(&model, &source_pairs(), dropout, Some(&mut gradients));
        let step = 1e-5;
        for (weight, buffer) in gradients.slices().enumerate() {
            let entries = [0, buffer.len() / 3, buffer.len() / 2, buffer.len() - 1];
            for entry in entries {
                let mut at = |value: f64| {
                    let (slot, slice) = &mut model.weights.slices_mut()[weight];
                    let path = slot.to_string();
                    slice[entry] += value;
                    (path, whole(loss(&model, &source_pairs(), dropout, None)))
                };
                let ((path, above), (_, below)) = (at(step), at(-2.0 * step));
                at(step);
                let slope = (above - below) / (2.0 * step);
                let gradient = buffer[entry];
                assert!(
                    (slope - gradient).abs() < 1e-6 * (1.0 + gradient.abs()),
                    "{path}[{entry}]: slope {slope}, gradient {gradient}"
                );
            }
        }
    }
}

#[test]
fn losses_and_gradients_of_a_batch_are_the_sums_of_its_sentences() {
    for model in models() {
        let mut together = Gradients::zeros(&model.weights);
        let mut alone = together.clone();
        let batch = loss(&model, &source_pairs(), DropoutSource::NONE, Some(&mut together));
        let mut sum = LossSums::default();
        for pair in source_pairs() {
            sum += loss(&model, &[pair], DropoutSource::NONE, Some(&mut alone));
        }
        assert_eq!((batch.tokens, batch.correct), (sum.tokens, sum.correct));
        assert!((batch.smoothed - sum.smoothed).abs() < 1e-10);
        for (a, b) in together.data().iter().zip(alone.data()) {
            assert!((a - b).abs() < 1e-10, "{a} against {b}");
        }
    }
}

#[test]
fn dropout_depends_on_seed_and_step_and_nothing_else() {
    let rates = DropoutRates { residual: 0.2, attention: 0.2, activation: 0.2 };
    let at = |seed, step| {
        loss(&models()[0], &source_pairs(), DropoutSource { rates, seed, step }, None).smoothed
    };
    assert_eq!(at(1, 1), at(1, 1));
    assert_ne!(at(1, 1), at(2, 1));
    assert_ne!(at(1, 1), at(1, 2));
}

/// The loss under some mask differs from the loss without dropout, for each rate alone: none is
/// forgotten. Attention with one key has nothing to mix, so the pairs have several.
#[test]
fn each_dropout_rate_acts() {
    let none = DropoutRates::NONE;
    let rates = [
        DropoutRates { residual: 0.5, ..none },
        DropoutRates { attention: 0.5, ..none },
        DropoutRates { activation: 0.5, ..none },
    ];
    for model in models() {
        let without = loss(&model, &source_pairs(), DropoutSource::NONE, None).smoothed;
        for rates in rates {
            let source = DropoutSource { rates, seed: 1, step: 1 };
            let with = loss(&model, &source_pairs(), source, None).smoothed;
            assert_ne!(with, without, "{rates:?}");
        }
    }
}

/// The float32 tape, which trains, gives what the float64 tape gives, up to float32's rounding.
#[test]
fn float32_losses_and_gradients_are_those_of_float64() {
    let rates = DropoutRates { residual: 0.2, attention: 0.3, activation: 0.1 };
    let dropout = DropoutSource { rates, seed: 3, step: 7 };
    for wide in models() {
        let narrow: Model<Dense<f32>> = wide.convert();
        let mut exact = Gradients::zeros(&wide.weights);
        let mut rounded = Gradients::zeros(&narrow.weights);
        let expected = loss(&wide, &source_pairs(), dropout, Some(&mut exact));
        let found = loss(&narrow, &source_pairs(), dropout, Some(&mut rounded));
        let difference = (found.smoothed - expected.smoothed).abs();
        assert!(difference < 1e-4, "{} against {}", found.smoothed, expected.smoothed);
        let largest = exact.data().iter().fold(0.0f64, |most, x| most.max(x.abs()));
        for (found, expected) in rounded.data().iter().zip(exact.data()) {
            let difference = (f64::from(*found) - expected).abs();
            assert!(difference < 1e-5 * largest, "{found} against {expected}");
        }
    }
}
