//! The recurrence of a simpler simple recurrent unit (Kim et al., "From Research to Production and Back", 2019):
//! `c(t) = f(t) c(t-1) + (1 - f(t)) a(t)` with `f = sigmoid(g)`, element by element, and `y = relu(c)`.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};

/// What the recurrences of a packed batch read.
#[derive(Clone, Copy, Debug)]
pub struct RecurrenceInputs<'a, R> {
    /// `a [tokens, width]`.
    pub candidates: &'a [R],
    /// `g [tokens, width]`, before the logistic function.
    pub forget: &'a [R],
    /// First row of each sentence, and the number of rows.
    pub offsets: &'a [usize],
    /// Numbers of a row.
    pub width: usize,
}

/// Where the gradients go; they are overwritten.
#[derive(Debug)]
pub struct RecurrenceGradients<'a, R> {
    /// Of `a [tokens, width]`.
    pub candidates: &'a mut [R],
    /// Of `g [tokens, width]`.
    pub forget: &'a mut [R],
}

impl<R: Real> RecurrenceInputs<'_, R> {
    fn check(&self, rows: &[&[R]]) {
        let tokens = self.offsets.last().copied().unwrap_or(0);
        let length = tokens * self.width;
        let lengths = rows.iter().map(|rows| rows.len());
        for actual in lengths.chain([self.candidates.len(), self.forget.len()]) {
            assert_eq!(actual, length, "recurrence: [{tokens}, {}]", self.width);
        }
    }

    /// One sentence after another: the range of its numbers.
    fn sentences(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.offsets.windows(2).map(|ends| ends[0] * self.width..ends[1] * self.width)
    }
}

/// `y [tokens, width]`. `state [sentences, width]` is `c` before the first token of each sentence, and after its last one
/// when this is done; `cells [tokens, width]`, if somebody wants them, is `c` after each token.
///
/// # Panics
/// If a length does not fit.
pub fn recur_forward<R: Real>(
    output: &mut [R],
    state: &mut [R],
    mut cells: Option<&mut [R]>,
    inputs: &RecurrenceInputs<'_, R>,
) {
    let width = inputs.width;
    inputs.check(&[output]);
    cells.iter().for_each(|cells| inputs.check(&[cells]));
    assert_eq!(state.len() + width, inputs.offsets.len() * width, "recurrence: one state each");
    for (sentence, state) in inputs.sentences().zip(state.chunks_exact_mut(width)) {
        for start in sentence.step_by(width) {
            let row = start..start + width;
            let (candidates, forget) =
                (&inputs.candidates[row.clone()], &inputs.forget[row.clone()]);
            recur_row(&mut output[row.clone()], state, candidates, forget);
            if let Some(cells) = &mut cells {
                cells[row].copy_from_slice(state);
            }
        }
    }
}

/// The gradients of [`recur_forward`] with a state of zeros: `dy [tokens, width]` is that of `y`, `cells [tokens, width]`
/// what it gave.
///
/// # Panics
/// If a length does not fit.
pub fn recur_backward<R: Real>(
    target: RecurrenceGradients<'_, R>,
    dy: &[R],
    cells: &[R],
    inputs: &RecurrenceInputs<'_, R>,
) {
    let width = inputs.width;
    inputs.check(&[target.candidates, target.forget, dy, cells]);
    let mut slope = vec![R::ZERO; width];
    let start_state = vec![R::ZERO; width];
    for sentence in inputs.sentences() {
        slope.fill(R::ZERO);
        for start in sentence.clone().step_by(width).rev() {
            let row = start..start + width;
            let before = match start == sentence.start {
                true => &start_state,
                false => &cells[start - width..start],
            };
            recur_row_back(
                &mut target.candidates[row.clone()],
                &mut target.forget[row.clone()],
                &mut slope,
                &dy[row.clone()],
                (before, &cells[row.clone()]),
                (&inputs.candidates[row.clone()], &inputs.forget[row]),
            );
        }
    }
}

multiversion! {
    fn recur_row<R: Real>(output: &mut [R], state: &mut [R], candidates: &[R], forget: &[R]) = recur_row_body;
    fn recur_row_back<R: Real>(
        candidate_gradient: &mut [R],
        forget_gradient: &mut [R],
        slope: &mut [R],
        dy: &[R],
        cells: (&[R], &[R]),
        inputs: (&[R], &[R]),
    ) = recur_row_back_body;
}

#[inline(always)]
fn recur_row_body<I: Instructions, R: Real>(
    output: &mut [R],
    state: &mut [R],
    candidates: &[R],
    forget: &[R],
) {
    let inputs = candidates.iter().zip(forget);
    for ((output, state), (candidate, forget)) in output.iter_mut().zip(state).zip(inputs) {
        let keep = forget.sigmoid::<I>();
        *state = I::multiply_add(keep, *state - *candidate, *candidate);
        *output = if *state > R::ZERO { *state } else { R::ZERO };
    }
}

/// `slope` is the gradient of the cells after the token, without what `dy` adds; it becomes that of the cells before.
#[inline(always)]
fn recur_row_back_body<I: Instructions, R: Real>(
    candidate_gradient: &mut [R],
    forget_gradient: &mut [R],
    slope: &mut [R],
    dy: &[R],
    (before, after): (&[R], &[R]),
    (candidates, forget): (&[R], &[R]),
) {
    let targets = candidate_gradient.iter_mut().zip(forget_gradient).zip(slope);
    let cells = before.iter().zip(after);
    let inputs = candidates.iter().zip(forget);
    for (((targets, dy), (before, after)), (candidate, forget)) in
        targets.zip(dy).zip(cells).zip(inputs)
    {
        let ((candidate_gradient, forget_gradient), slope) = targets;
        let keep = forget.sigmoid::<I>();
        let all = if *after > R::ZERO { *slope + *dy } else { *slope };
        *candidate_gradient = all * (R::ONE - keep);
        *forget_gradient = *candidate_gradient * keep * (*before - *candidate);
        *slope = all * keep;
    }
}
