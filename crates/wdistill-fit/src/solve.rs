//! The layers of a student, one regression after another.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};
use wdistill_autograd::{Place, Workspace};
use wdistill_generator::{Piece, best_pieces, layer_group};
use wdistill_kernels::Host;
use wdistill_model::{
    Autoregression, Block, Dense, Embeddings, LayerPlace, LinearPart, LinearPlace, Matrix, Model,
    NormPart, NormPlace, NormPlacement, Slot, Stack,
};

use crate::algebra::{Affine, Covariance, LowRank, Regression, best_rank, narrowed, widened};
use crate::observe::{Examples, Seen, see};

/// A student whose states are its teacher's, as far as its shape allows.
pub struct Fitted {
    /// The student.
    pub model: Model<Dense<f32>>,
    /// The stacks that were fitted.
    pub stacks: Vec<Stack>,
    /// For each norm that was fitted, what part of the variance of the teacher's states after it the student's explain.
    pub explained: Vec<(NormPlace, f64)>,
}

/// Fits the stacks of a student in which it differs from its teacher, and a decoder that reads a fitted encoder. A stack can
/// be fitted that attends to itself, and has no more of anything than its teacher's: layers, width, a head's elements, and heads
/// and hidden units of all layers of a group together. With a decoder, or one table of words for stacks, that cannot be fitted nothing is.
///
/// # Panics
/// If the depths do not divide, which who makes the student has checked, or if there are no examples.
pub fn fit(
    teacher: &Model<Dense<f32>>,
    student: Model<Dense<f32>>,
    examples: &[Examples<'_>],
) -> Fitted {
    let shapes = |stack| [&teacher.config, &student.config].map(|config| config.shape(stack));
    let can_be_fitted = |stack| {
        let [theirs, ours] = shapes(stack);
        let group = theirs.layers / ours.layers.max(1);
        let is_recurrent = stack == Stack::Decoder
            && student.config.architecture.autoregression != Autoregression::SelfAttention;
        group > 0
            && !is_recurrent
            && ours.width <= theirs.width
            && ours.width / ours.heads <= theirs.width / theirs.heads
            && ours.heads <= theirs.heads * group
            && ours.feed_forward <= theirs.feed_forward * group
    };
    let differs = |stack| {
        let [theirs, ours] = shapes(stack);
        theirs != ours
    };
    let [theirs, ours] = shapes(Stack::Decoder);
    let table_changes =
        student.config.architecture.embeddings == Embeddings::AllTied && theirs.width != ours.width;
    let stacks: &[Stack] = match [Stack::Decoder, Stack::Encoder].map(can_be_fitted) {
        [true, true] if differs(Stack::Encoder) => &[Stack::Encoder, Stack::Decoder],
        [true, false] if table_changes => &[],
        [true, _] if differs(Stack::Decoder) || differs(Stack::Encoder) => &[Stack::Decoder],
        _ => &[],
    };
    fit_stacks(teacher, student, examples, stacks)
}

/// The same for these stacks, whether or not they differ.
///
/// # Panics
/// As [`fit`].
pub fn fit_stacks(
    teacher: &Model<Dense<f32>>,
    student: Model<Dense<f32>>,
    examples: &[Examples<'_>],
    stacks: &[Stack],
) -> Fitted {
    assert!(!examples.is_empty(), "a fit needs examples");
    let (workspace, explained) = (Workspace::new(), Vec::new());
    let mut fit = Fit { teacher, student, examples, workspace, explained };
    // Tables first: one for both stacks is the decoder's, and the encoder reads it.
    let bases: Vec<Option<LowRank>> = stacks.iter().map(|stack| fit.basis(*stack)).collect();
    for (stack, basis) in stacks.iter().zip(&bases) {
        basis.iter().for_each(|basis| fit.tables(*stack, basis));
    }
    for (stack, basis) in stacks.iter().zip(&bases) {
        fit.stack(*stack, basis.as_ref().map(|basis| &basis.forth));
    }
    Fitted { model: fit.student, stacks: stacks.to_vec(), explained: fit.explained }
}

/// A layer of the teacher's that a student's block takes heads or units of.
struct Source {
    /// For each maker, what the student's block reads against what the teacher's reads.
    readings: Vec<Regression>,
    /// Their solutions.
    maps: Vec<Affine>,
    /// What makes its heads or units.
    makers: Vec<Affine>,
    /// What brings them back, `[width, heads' elements or units]`.
    back: DMatrix<f64>,
}

impl Source {
    /// What makes one of its heads or units, of `from` elements, out of what the student's block reads, with at most `to`
    /// elements.
    fn piece(&self, number: usize, from: usize, to: usize) -> Vec<Affine> {
        let first = number * from;
        let rows = |maker: &Affine| Affine {
            weight: maker.weight.rows(first, from).into_owned(),
            bias: maker.bias.rows(first, from).into_owned(),
        };
        let mut piece: Vec<Affine> = self.makers.iter().map(rows).collect();
        if to < from {
            let back = self.back.columns(first, from).into_owned();
            piece = narrowed_head(piece, &self.readings, &back, to);
        }
        piece.iter().zip(&self.maps).map(|(piece, map)| piece.after(map)).collect()
    }
}

struct Fit<'a> {
    teacher: &'a Model<Dense<f32>>,
    student: Model<Dense<f32>>,
    examples: &'a [Examples<'a>],
    workspace: Workspace<Host<f32>>,
    explained: Vec<(NormPlace, f64)>,
}

impl Fit<'_> {
    fn stack(&mut self, stack: Stack, forth: Option<&DMatrix<f64>>) {
        let [theirs, ours] =
            [&self.teacher.config, &self.student.config].map(|config| *config.shape(stack));
        for layer in 0..ours.layers {
            let group = layer_group(stack, theirs.layers, ours.layers, layer)
                .expect("the depths divide, or no student was made");
            for sub_layer in self.student.config.architecture.sub_layers(stack) {
                let place = LayerPlace { stack, layer };
                self.block(Block { place, sub_layer: *sub_layer }, group.clone(), forth);
            }
        }
        let last = NormPlace::Final(stack);
        if self.slot(Slot::Norm(last, NormPart::Gain)).is_some() {
            self.norm(last, last, forth);
        }
    }

    fn block(&mut self, block: Block, group: Range<usize>, forth: Option<&DMatrix<f64>>) {
        let last = block.at(group.end - 1);
        // Ahead of the block, the regressions have what the norm could do.
        self.unit_norm(block.norm());
        self.makers(block, group);
        self.back(block, last, forth);
        if self.student.config.architecture.norm == NormPlacement::Post {
            self.norm(block.norm(), last.norm(), forth);
        }
    }

    /// Runs both models over all examples: the teacher comes first.
    fn observe(&self, mut look: impl FnMut(&Seen<'_, '_>, &Seen<'_, '_>)) {
        for examples in self.examples {
            see(self.teacher, &self.workspace, examples, |theirs| {
                see(&self.student, &self.workspace, examples, |ours| look(theirs, ours));
            });
        }
    }

    /// The directions that a narrower stream keeps: those that matter most to what reads a stack's last states.
    fn basis(&self, stack: Stack) -> Option<LowRank> {
        let [theirs, ours] =
            [&self.teacher.config, &self.student.config].map(|config| config.shape(stack).width);
        if theirs == ours {
            return None;
        }
        let mut states = Covariance::new(theirs);
        for examples in self.examples {
            see(self.teacher, &self.workspace, examples, |seen| {
                states.add(match stack {
                    Stack::Encoder => &seen.encoded,
                    Stack::Decoder => &seen.decoded,
                });
            });
        }
        Some(match stack {
            // What all keys have in common makes no difference to attention, and values have biases.
            Stack::Encoder => best_rank(&self.cross_attention_metric(), &states.matrix(), ours),
            // The mean of the states makes logits too.
            Stack::Decoder => best_rank(&self.words_metric(), &states.second_moments(), ours),
        })
    }

    /// Of an error in the encoder's states: how much it changes keys and values, all layers together.
    fn cross_attention_metric(&self) -> DMatrix<f64> {
        let width = self.teacher.config.shape(Stack::Encoder).width;
        let mut metric = DMatrix::zeros(width, width);
        for layer in &self.teacher.weights.decoder.layers {
            for linear in [&layer.cross_attention.key, &layer.cross_attention.value] {
                let weight = widened(&linear.weight);
                metric += weight.tr_mul(&weight);
            }
        }
        metric
    }

    /// Of an error in the decoder's states: how much it changes logits, words counted as often as they come; a change that
    /// all have in common is none.
    fn words_metric(&self) -> DMatrix<f64> {
        let table = widened(self.teacher.weights.embeddings.output_layer().table);
        // Every word once more, so that none has no weight.
        let mut counts = vec![1.0f64; table.nrows()];
        let words = self.examples.iter().flat_map(|examples| examples.words);
        words.for_each(|word| {
            if let Some(count) = counts.get_mut(*word as usize) {
                *count += 1.0;
            }
        });
        let all: f64 = counts.iter().sum();
        let parts = DVector::from_vec(counts) / all;
        let mean = table.tr_mul(&parts);
        let mut weighted = table.clone();
        for (mut row, part) in weighted.row_iter_mut().zip(parts.iter()) {
            row *= *part;
        }
        table.tr_mul(&weighted) - &mean * mean.transpose()
    }

    /// Word tables in the basis of a narrower stack: what writes words so that the logits are nearly the same, what only
    /// reads them so that the stream has their coordinates.
    fn tables(&mut self, stack: Stack, basis: &LowRank) {
        let [theirs, ours] = [&self.teacher.config, &self.student.config]
            .map(|c| c.architecture.embedding_scale.factor(c.shape(stack).width));
        let read =
            |table: &Matrix<f32>| narrowed(&(widened(table) * &basis.forth * (theirs / ours)));
        let written = |table: &Matrix<f32>| narrowed(&(widened(table) * &basis.back));
        let teacher = &self.teacher.weights.embeddings;
        let student = &mut self.student.weights.embeddings;
        let output = teacher.output_layer().table;
        match (stack, &mut student.target, &mut student.output) {
            // Tied with a table of the decoder, it is that one's.
            (Stack::Encoder, None, _) => {}
            (Stack::Encoder, Some(_), _) => student.source = read(&teacher.source),
            (Stack::Decoder, target, Some(place)) => {
                *place = written(output);
                let target = target.as_mut().unwrap_or(&mut student.source);
                *target = read(teacher.target_table());
            }
            (Stack::Decoder, Some(target), None) => *target = written(output),
            (Stack::Decoder, None, None) => student.source = written(output),
        }
    }

    /// The teacher's or the student's weight of a slot, as it is.
    fn slot(&mut self, slot: Slot) -> Option<&mut [f32]> {
        let slices = self.student.weights.slices_mut().into_iter();
        slices.filter(|(place, _)| *place == slot).map(|(_, slice)| slice).next()
    }

    fn write(&mut self, slot: Slot, numbers: &DMatrix<f64>) {
        let numbers = narrowed(numbers);
        self.slot(slot).expect("the student has the slot").copy_from_slice(numbers.data());
    }

    fn write_affine(&mut self, place: LinearPlace, Affine { weight, bias }: &Affine) {
        self.write(Slot::Linear(place, LinearPart::Weight), weight);
        let bias = DMatrix::from_column_slice(bias.len(), 1, bias.as_slice());
        self.write(Slot::Linear(place, LinearPart::Bias), &bias);
    }

    /// A linear layer of the teacher's.
    fn teacher_affine(&self, place: LinearPlace) -> Affine {
        let weights = &self.teacher.weights;
        let bias = weights.bias(place);
        Affine {
            weight: widened(weights.weight(place)),
            bias: DVector::from_iterator(bias.len(), bias.iter().map(|b| f64::from(*b))),
        }
    }

    fn unit_norm(&mut self, place: NormPlace) {
        self.slot(Slot::Norm(place, NormPart::Gain)).expect("a norm").fill(1.0);
        self.slot(Slot::Norm(place, NormPart::Shift)).expect("a norm").fill(0.0);
    }

    /// The layers of a group, as what they read can be made of what a block of the student reads.
    fn sources(&self, block: Block, group: Range<usize>) -> Vec<Source> {
        let ours = block.makers();
        let blocks: Vec<Block> = group.map(|layer| block.at(layer)).collect();
        let mut readings: Vec<Vec<Option<Regression>>> =
            blocks.iter().map(|_| vec![None; ours.len()]).collect();
        self.observe(|teacher, student| {
            let read: Vec<DMatrix<f64>> =
                ours.iter().map(|place| student.at(Place::Read(*place))).collect();
            for (block, readings) in blocks.iter().zip(&mut readings) {
                for ((place, x), regression) in block.makers().iter().zip(&read).zip(readings) {
                    let theirs = teacher.at(Place::Read(*place));
                    regression
                        .get_or_insert_with(|| Regression::new(x.ncols(), theirs.ncols()))
                        .add(x, &theirs);
                }
            }
        });
        let source = |(block, readings): (&Block, Vec<Option<Regression>>)| {
            let readings: Vec<Regression> = readings.into_iter().flatten().collect();
            Source {
                maps: readings.iter().map(Regression::solve).collect(),
                readings,
                makers: block.makers().iter().map(|place| self.teacher_affine(*place)).collect(),
                back: self.teacher_affine(block.back()).weight,
            }
        };
        blocks.iter().zip(readings).map(source).collect()
    }

    /// Queries, keys and values, or hidden units: those of the best of the teacher's heads and units.
    fn makers(&mut self, block: Block, group: Range<usize>) {
        let stack = block.place.stack;
        let [theirs, ours] = [&self.teacher.config, &self.student.config]
            .map(|config| config.shape(stack).pieces(block.sub_layer));
        let (count, from, to) = (ours.count, theirs.elements, ours.elements);
        let layers: Vec<LayerPlace> =
            group.clone().map(|layer| LayerPlace { stack, layer }).collect();
        let pieces = best_pieces(self.teacher, &layers, block.sub_layer, count);
        let sources = self.sources(block, group.clone());
        // What there is no head or unit for stays zero.
        let zeros = |map: &Affine| Affine {
            weight: DMatrix::zeros(count * to, map.weight.ncols()),
            bias: DVector::zeros(count * to),
        };
        let mut made: Vec<Affine> = sources[0].maps.iter().map(zeros).collect();
        for (place, Piece { layer, number }) in pieces.into_iter().enumerate() {
            let piece = sources[layer - group.start].piece(number, from, to);
            for (made, Affine { weight, bias }) in made.iter_mut().zip(piece) {
                made.weight.rows_mut(place * to, weight.nrows()).copy_from(&weight);
                made.bias.rows_mut(place * to, bias.len()).copy_from(&bias);
            }
        }
        for (place, affine) in block.makers().into_iter().zip(&made) {
            self.write_affine(place, affine);
        }
    }

    /// What brings heads or units back: the teacher's sum of stream and branch, less the student's stream, regressed on
    /// what the student's block gives.
    fn back(&mut self, block: Block, last: Block, forth: Option<&DMatrix<f64>>) {
        let theirs = self.teacher_affine(last.back());
        let mut regression: Option<Regression> = None;
        self.observe(|teacher, student| {
            let mut sum = teacher.at(Place::Stream(last.norm()));
            sum += teacher.at(Place::Read(last.back())) * theirs.weight.transpose();
            for mut row in sum.row_iter_mut() {
                row += theirs.bias.transpose();
            }
            let wanted = in_basis(sum, forth) - student.at(Place::Stream(block.norm()));
            let given = student.at(Place::Read(block.back()));
            regression
                .get_or_insert_with(|| Regression::new(given.ncols(), wanted.ncols()))
                .add(&given, &wanted);
        });
        let solved = regression.expect("there are examples").solve();
        self.write_affine(block.back(), &solved);
    }

    /// The gain and the shift of a norm that bring it closest to the teacher's.
    fn norm(&mut self, ours: NormPlace, theirs: NormPlace, forth: Option<&DMatrix<f64>>) {
        self.unit_norm(ours);
        let mut regression: Option<Regression> = None;
        self.observe(|teacher, student| {
            let wanted = in_basis(teacher.at(Place::Normal(theirs)), forth);
            let normal = student.at(Place::Normal(ours));
            regression
                .get_or_insert_with(|| Regression::new(normal.ncols(), wanted.ncols()))
                .add(&normal, &wanted);
        });
        let lines = regression.expect("there are examples").lines();
        for (part, numbers) in [(NormPart::Gain, &lines.gain), (NormPart::Shift, &lines.shift)] {
            let numbers = DMatrix::from_column_slice(numbers.len(), 1, numbers.as_slice());
            self.write(Slot::Norm(ours, part), &numbers);
        }
        self.explained.push((ours, lines.explained));
    }
}

/// States in the basis of a narrower stream.
fn in_basis(states: DMatrix<f64>, forth: Option<&DMatrix<f64>>) -> DMatrix<f64> {
    match forth {
        Some(forth) => states * forth,
        None => states,
    }
}

/// Queries, keys and values of a head with fewer elements: those with which the scores, and what the values bring to the
/// stream, change least. `read` are the regressions whose outputs are what the three read; `back` is
/// `[width, head's elements]`.
fn narrowed_head(
    head: Vec<Affine>,
    read: &[Regression],
    back: &DMatrix<f64>,
    elements: usize,
) -> Vec<Affine> {
    let covariance = |index: usize| {
        let weight = &head[index].weight;
        weight * read[index].outputs().matrix() * weight.transpose()
    };
    // A query's mean makes scores too; what a key has in common with all others makes none.
    let mean = &head[0].weight * read[0].outputs().mean() + &head[0].bias;
    let queries = covariance(0) + &mean * mean.transpose();
    let scores = best_rank(&covariance(1), &queries, elements);
    // A score is divided by the square root of the number of elements.
    let scale = (elements as f64 / head[0].bias.len() as f64).sqrt();
    let values = best_rank(&back.tr_mul(back), &covariance(2), elements).forth;
    [scores.forth * scale, scores.back, values]
        .into_iter()
        .zip(&head)
        .map(|(few, affine)| Affine {
            weight: few.tr_mul(&affine.weight),
            bias: few.tr_mul(&affine.bias),
        })
        .collect()
}
