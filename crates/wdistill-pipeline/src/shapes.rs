//! Which shape of a student is how fast: shapes are measured with random weights, before anything is trained.

use std::sync::Arc;

use wdistill_model::{Architecture, Dense, Embeddings, Model, Shape};
use wdistill_runtime::{DecodingOptions, Precision, Shortlist, TokenTranslator};

use crate::error::PipelineError;
use crate::stages::benchmark;

/// Decoder layers of the shapes, as far as they divide the teacher's.
const LAYERS: [usize; 3] = [1, 2, 3];

/// Quarters of the teacher's width, and of a feed-forward block in proportion to it.
const QUARTERS: [usize; 3] = [4, 3, 2];

/// How shapes are measured.
pub struct Measuring<'a> {
    /// Source sentences as token ids, each with its end token.
    pub sentences: &'a [Vec<u32>],
    /// How to decode. Every sentence gets [`Measuring::words`] words, whatever the options say of lengths: random weights
    /// would never end.
    pub decoding: &'a DecodingOptions,
    /// Words of every translation.
    pub words: usize,
    /// Words that a sentence may be translated with, for the students; the teacher has all.
    pub shortlist: Option<Arc<Shortlist>>,
    /// Threads.
    pub threads: usize,
    /// Rounds, of which the median counts.
    pub rounds: usize,
}

/// The precisions in which shapes are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasuredIn {
    /// float32.
    Float32,
    /// int8.
    Int8,
}

/// A shape, and its speed on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredShape {
    /// The student's architecture.
    pub architecture: Architecture,
    /// Its weights.
    pub parameters: usize,
    /// How many times as fast as the teacher in float32 without a shortlist, in float32 and in int8.
    pub speed_ups: [f64; 2],
}

impl MeasuredShape {
    /// Its speed-up in a precision.
    pub fn speed_up(&self, precision: MeasuredIn) -> f64 {
        match precision {
            MeasuredIn::Float32 => self.speed_ups[0],
            MeasuredIn::Int8 => self.speed_ups[1],
        }
    }
}

/// Which stacks of the teacher's a student's shape changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vary {
    /// The decoder: one to three layers, at the whole width, three quarters or half of it, and feed-forward blocks from the
    /// whole to half of what the width has.
    Decoder,
    /// The encoder as well: half or twice its layers, or three quarters or half of its width.
    Both,
}

/// Shapes of students of a teacher, the largest first.
pub fn student_shapes(teacher: &Architecture, vary: Vary) -> Vec<Architecture> {
    let encoders = match vary {
        Vary::Decoder => vec![teacher.encoder],
        Vary::Both => encoders(&teacher.encoder),
    };
    let mut shapes = Vec::new();
    for encoder in encoders {
        for decoder in decoders(&teacher.decoder) {
            // One table for both stacks needs one width.
            let embeddings = match teacher.embeddings {
                Embeddings::AllTied if decoder.width != encoder.width => Embeddings::DecoderTied,
                as_it_is => as_it_is,
            };
            shapes.push(Architecture { encoder, decoder, embeddings, ..teacher.clone() });
        }
    }
    let size = |Architecture { encoder, decoder, .. }: &Architecture| {
        let layer = |shape: &Shape| shape.width * (4 * shape.width + 2 * shape.feed_forward);
        let source = 2 * decoder.width * (decoder.width + encoder.width);
        encoder.layers * layer(encoder) + decoder.layers * (layer(decoder) + source)
    };
    shapes.sort_by_key(|architecture| std::cmp::Reverse(size(architecture)));
    shapes
}

fn encoders(teacher: &Shape) -> Vec<Shape> {
    let mut encoders = vec![Shape { layers: 2 * teacher.layers, ..*teacher }];
    encoders.extend(QUARTERS.into_iter().filter_map(|width| part(teacher, width, 4)));
    if teacher.layers.is_multiple_of(2) {
        encoders.push(Shape { layers: teacher.layers / 2, ..*teacher });
    }
    encoders
}

fn decoders(teacher: &Shape) -> Vec<Shape> {
    let layers = LAYERS.into_iter().filter(|layers| teacher.layers.is_multiple_of(*layers));
    let parts = layers.flat_map(|layers| {
        let deep = Shape { layers, ..*teacher };
        let parts = QUARTERS.into_iter().flat_map(|width| QUARTERS.map(|inner| (width, inner)));
        parts.filter_map(move |(width, inner)| part(&deep, width, inner))
    });
    parts.collect()
}

/// Quarters of a stack's width, and of what feed-forward blocks have in proportion to it; none where that is no whole number
/// of heads' elements.
fn part(stack: &Shape, width_quarters: usize, feed_forward_quarters: usize) -> Option<Shape> {
    let width = stack.width * width_quarters / 4;
    let feed_forward = stack.feed_forward * width_quarters * feed_forward_quarters / 16;
    let fits = (stack.width * width_quarters).is_multiple_of(4)
        && width.is_multiple_of(stack.heads)
        && width.is_multiple_of(2)
        && width >= 4
        && feed_forward > 0;
    fits.then_some(Shape { width, feed_forward, ..*stack })
}

/// Times a shape against the teacher, in turn on the same sentences.
///
/// # Errors
/// [`PipelineError::Translate`], or a configuration that makes no sense.
pub fn measure_shape(
    teacher: &Model<Dense<f32>>,
    architecture: &Architecture,
    measuring: &Measuring<'_>,
) -> Result<MeasuredShape, PipelineError> {
    let config = teacher.config.with_architecture(architecture.clone())?;
    let student = Model::initialise(config, 1);
    let translator = |model: &Model<Dense<f32>>, precision, shortlist| {
        let decoding = DecodingOptions { precision, ..measuring.decoding.clone() };
        of_fixed_length(model, measuring.threads, &decoding, measuring.words, shortlist)
    };
    let shortlist = || measuring.shortlist.clone();
    let translators = [
        translator(teacher, Precision::Float32, None)?,
        translator(&student, Precision::Float32, shortlist())?,
        translator(&student, Precision::Int8, shortlist())?,
    ];
    let named: Vec<_> = translators.iter().map(|one| (String::new(), one)).collect();
    let sources = vec![measuring.sentences; named.len()];
    let speeds = benchmark(&named, &sources, measuring.rounds, &mut |_| {})?;
    Ok(MeasuredShape {
        architecture: architecture.clone(),
        parameters: student.weights.count(),
        speed_ups: [speeds[1].speed_up, speeds[2].speed_up],
    })
}

/// A translator that writes so many words for every sentence: random weights would never end.
///
/// # Errors
/// Options that make no sense.
pub(crate) fn of_fixed_length(
    model: &Model<Dense<f32>>,
    threads: usize,
    decoding: &DecodingOptions,
    words: usize,
    shortlist: Option<Arc<Shortlist>>,
) -> Result<TokenTranslator, PipelineError> {
    let mut decoding = decoding.clone();
    (decoding.search.min_length, decoding.search.max_length) = (words, words);
    (decoding.search.max_length_ratio, decoding.search.max_length_constant) = (0.0, words);
    Ok(TokenTranslator::new(model, threads, decoding, shortlist)?)
}

/// The largest of some shapes that is at least so many times as fast as the teacher.
pub fn largest_at(
    shapes: &[MeasuredShape],
    precision: MeasuredIn,
    speed_up: f64,
) -> Option<&MeasuredShape> {
    let fast_enough = shapes.iter().filter(|shape| shape.speed_up(precision) >= speed_up);
    fast_enough.max_by_key(|shape| shape.parameters)
}

#[cfg(test)]
mod tests {
    use wdistill_model::Config;

    use super::*;

    #[test]
    fn shapes_divide_the_teachers_depth_and_its_heads() {
        let teacher = Architecture::preset("transformer-base").unwrap();
        let shapes = student_shapes(&teacher, Vary::Decoder);
        assert_eq!(shapes.len(), 27);
        assert_eq!(shapes[0].summary(), "6x512/2048 + 3x512/2048");
        assert_eq!(shapes.last().unwrap().summary(), "6x512/2048 + 1x256/512");
        assert!(shapes.contains(&teacher.with_one_decoder_layer()));

        let mut five = teacher.clone();
        five.decoder.layers = 5;
        assert!(student_shapes(&five, Vary::Decoder).iter().all(|shape| shape.decoder.layers == 1));

        let tied = Architecture { embeddings: Embeddings::AllTied, ..teacher };
        let vocabularies = wdistill_model::Vocabularies::shared(20);
        for shape in student_shapes(&tied, Vary::Both) {
            Config::new(shape, vocabularies).unwrap();
        }
    }

    #[test]
    fn encoders_are_deeper_shallower_and_narrower() {
        let teacher = Architecture::preset("transformer-base").unwrap();
        let shapes = student_shapes(&teacher, Vary::Both);
        assert_eq!(shapes.len(), 5 * 27);
        let with_one_layer: Vec<String> = shapes
            .iter()
            .filter(|shape| shape.decoder == teacher.with_one_decoder_layer().decoder)
            .map(Architecture::summary)
            .collect();
        let encoders = ["12x512/2048", "6x512/2048", "6x384/1536", "3x512/2048", "6x256/1024"];
        assert_eq!(with_one_layer, encoders.map(|encoder| format!("{encoder} + 1x512/2048")));
    }

    #[test]
    fn the_largest_that_is_fast_enough_is_chosen() {
        let architecture = Architecture::preset("transformer-nano").unwrap();
        let shape = |parameters, speed_ups| MeasuredShape {
            architecture: architecture.clone(),
            parameters,
            speed_ups,
        };
        let shapes = [shape(30, [2.0, 3.0]), shape(20, [3.0, 5.0]), shape(10, [4.0, 6.0])];
        let chosen = |precision, speed_up| {
            largest_at(&shapes, precision, speed_up).map(|shape| shape.parameters)
        };
        assert_eq!(chosen(MeasuredIn::Float32, 2.5), Some(20));
        assert_eq!(chosen(MeasuredIn::Int8, 2.5), Some(30));
        assert_eq!(chosen(MeasuredIn::Int8, 7.0), None);
    }
}
