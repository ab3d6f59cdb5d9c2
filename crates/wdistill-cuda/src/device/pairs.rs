//! Losses inside a model: its states, the relations of its tokens, and an attention head that learns alignments.

use super::*;
use crate::device::attention::Rows;
use crate::device::sums::LossSum;
use crate::launcher::Passed;

/// Where a loss's slopes go.
#[derive(Clone, Copy, Debug)]
pub struct LikenessGradient<'a> {
    /// The slope at every number `[rows, width]`, overwritten.
    pub gradient: Part<'a, bf16>,
    /// Factor on it.
    pub scale: f64,
}

/// Which rows of a packed batch belong to which sentence, and where the pairs of a sentence's queries and keys lie.
#[derive(Debug)]
pub struct PairSpans<L: Launcher> {
    queries: Offsets<L>,
    keys: Offsets<L>,
    starts: Buffer<L, u32>,
    pairs: usize,
}

impl<L: Launcher> PairSpans<L> {
    /// How many pairs there are: the sum of queries times keys over sentences.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// A warp for each row of each sentence and head.
    fn grid(&self, most_rows: usize, heads: usize) -> Grid {
        let mut grid = warp_a_row(most_rows);
        grid.blocks[1] = self.queries.sentences() as u32;
        grid.blocks[2] = heads as u32;
        grid
    }
}

/// A head of an attention that learns alignments.
#[derive(Clone, Copy, Debug)]
pub struct GuidedHead<'a> {
    /// `[query rows, width]`.
    pub queries: Rows<'a>,
    /// `[key rows, width]`.
    pub keys: Rows<'a>,
    /// Width of both, all heads together.
    pub width: usize,
    /// Heads, which divide the width.
    pub heads: usize,
    /// Number of the head.
    pub head: usize,
    /// How much of each query comes from each key: sentence by sentence `[queries, keys]`.
    pub alignments: Part<'a, f32>,
}

/// Activations of a student and its teacher whose relations are compared, over the same rows.
#[derive(Clone, Copy, Debug)]
pub struct Relations<'a> {
    /// The student's `[rows, student's width]`.
    pub student: Part<'a, bf16>,
    /// The teacher's `[rows, teacher's width]`.
    pub teacher: Part<'a, bf16>,
    /// Parts of a row, each with relations of its own; they divide both widths.
    pub heads: usize,
}

/// `PairShape` of `pairs.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Shape {
    first_head: i32,
    head_width: i32,
    query_distance: i32,
    key_distance: i32,
    pairs: i32,
}

// SAFETY: `repr(C)`, of numbers only.
#[allow(unsafe_code)]
unsafe impl Passed for Shape {}

/// Which slopes belong to a row, as `pairs.cu` numbers it.
#[derive(Clone, Copy)]
enum Side {
    Queries = 0,
    Keys = 1,
    Both = 2,
}

/// The heads of some rows: which are the first and how many, and how wide.
#[derive(Clone, Copy)]
struct Heads {
    first: usize,
    count: usize,
    width: usize,
}

impl<L: Launcher> Device<L> {
    /// The pairs of a batch: sentence `b` owns the query rows `query_offsets[b]..query_offsets[b + 1]`, and key rows alike.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If the offsets do not start at 0, decrease, or are of different numbers.
    pub fn pair_spans(
        &self,
        query_offsets: &[usize],
        key_offsets: &[usize],
    ) -> Result<PairSpans<L>, CudaError> {
        assert_eq!(query_offsets.len(), key_offsets.len(), "pairs: numbers of offsets");
        let (queries, keys) = (self.offsets(query_offsets)?, self.offsets(key_offsets)?);
        let mut pairs = 0;
        let mut starts = vec![0];
        for (queries, keys) in query_offsets.windows(2).zip(key_offsets.windows(2)) {
            pairs += (queries[1] - queries[0]) * (keys[1] - keys[0]);
            starts.push(count(pairs) as u32);
        }
        Ok(PairSpans { queries, keys, starts: self.upload(&starts)?, pairs })
    }

    /// `- sum over t, s of a_ts log p_ts` with `p_t = softmax_s(q_t · k_s / sqrt(d))`, and its slopes at queries and keys; the formula
    /// stands at [`wdistill_kernels::guidance_loss`].
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or the heads do not divide the width.
    pub fn guidance_loss(
        &self,
        head: &GuidedHead<'_>,
        [of_queries, of_keys]: [LikenessGradient<'_>; 2],
        spans: &PairSpans<L>,
    ) -> Result<LossSum<L>, CudaError> {
        let width = head.width;
        assert!(head.head < head.heads && width.is_multiple_of(head.heads), "guidance: heads");
        check("alignments", head.alignments, spans.pairs);
        check("guidance's dq", of_queries.gradient, spans.queries.rows() * width);
        check("guidance's dk", of_keys.gradient, spans.keys.rows() * width);
        let heads = Heads { first: head.head, count: 1, width: width / head.heads };
        let slopes = self.pair_logs(head.queries, head.keys, heads, spans)?;
        let results = self.take::<f64>(spans.queries.rows())?;
        results.clear()?;
        let arguments = arguments![
            results.part().address(),
            slopes.part().address(),
            head.alignments.address(),
            spans.queries.address(),
            spans.keys.address(),
            spans.starts.part().address(),
            count(spans.pairs)
        ];
        let grid = spans.grid(spans.queries.most(), 1);
        self.launch(Kernel::GuidanceSlopes, grid, &arguments)?;
        for (gradient, x, side) in
            [(of_queries, head.keys, Side::Queries), (of_keys, head.queries, Side::Keys)]
        {
            self.pair_gradients(gradient, slopes.part(), x, width, heads, side, spans)?;
        }
        self.sum(results.part(), 1.0)
    }

    /// `sum over rows of mean over heads of KL(softmax_j(t_i · t_j / sqrt(d_t)) || softmax_j(s_i · s_j / sqrt(d_s)))`, where `j` are the
    /// rows of the same sentence, and its slopes at the student's numbers, as [`wdistill_kernels::relation_divergence`]. The spans have the
    /// same rows as queries and keys.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or the heads do not divide a width.
    pub fn relation_divergence(
        &self,
        relations: &Relations<'_>,
        gradient: LikenessGradient<'_>,
        spans: &PairSpans<L>,
    ) -> Result<LossSum<L>, CudaError> {
        let (rows, count_heads) = (spans.queries.rows(), relations.heads);
        assert_eq!(rows, spans.keys.rows(), "relations: numbers of queries and keys");
        check("relations' gradient", gradient.gradient, relations.student.length());
        let logs = |of: Part<'_, bf16>| {
            let width = of.length() / rows.max(1);
            check("relations", of, rows * width);
            assert!(count_heads > 0 && width.is_multiple_of(count_heads), "relations: heads");
            let heads = Heads { first: 0, count: count_heads, width: width / count_heads };
            let rows = Rows::of(of, width);
            self.pair_logs(rows, rows, heads, spans).map(|logs| (logs, heads))
        };
        let (student, heads) = logs(relations.student)?;
        let (teacher, _) = logs(relations.teacher)?;
        let results = self.take::<f64>(rows * count_heads)?;
        let arguments = arguments![
            results.part().address(),
            student.part().address(),
            teacher.part().address(),
            spans.queries.address(),
            spans.starts.part().address(),
            count(spans.pairs),
            count(rows)
        ];
        let grid = spans.grid(spans.queries.most(), count_heads);
        self.launch(Kernel::RelationSlopes, grid, &arguments)?;
        let width = heads.width * count_heads;
        let x = Rows::of(relations.student, width);
        let scaled = LikenessGradient { scale: gradient.scale / count_heads as f64, ..gradient };
        self.pair_gradients(scaled, student.part(), x, width, heads, Side::Both, spans)?;
        self.sum(results.part(), count_heads as f64)
    }

    /// `sum over rows of |s - t|² / |t|²` for states of one width, and its slopes at the student's, as
    /// [`wdistill_kernels::state_distance`].
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn state_distance(
        &self,
        student: Part<'_, bf16>,
        teacher: Part<'_, bf16>,
        width: usize,
        gradient: LikenessGradient<'_>,
    ) -> Result<LossSum<L>, CudaError> {
        let rows = rows_of("state distance", student, width);
        check("state distance's teacher", teacher, student.length());
        check("state distance's gradient", gradient.gradient, student.length());
        let results = self.take::<f64>(rows)?;
        let arguments = arguments![
            results.part().address(),
            gradient.gradient.address(),
            student.address(),
            teacher.address(),
            count(rows),
            count(width),
            gradient.scale as f32
        ];
        self.launch(Kernel::StateDistance, warp_a_row(rows), &arguments)?;
        self.sum(results.part(), 1.0)
    }

    /// `log softmax_j(q_i · k_j / sqrt(head width))` of the pairs of some heads.
    fn pair_logs(
        &self,
        queries: Rows<'_>,
        keys: Rows<'_>,
        heads: Heads,
        spans: &PairSpans<L>,
    ) -> Result<Buffer<L, f32>, CudaError> {
        let width = (heads.first + heads.count) * heads.width;
        queries.check("pairs' queries", spans.queries.rows(), width);
        keys.check("pairs' keys", spans.keys.rows(), width);
        let logs = self.take::<f32>(heads.count * spans.pairs)?;
        let shape = Shape {
            first_head: count(heads.first),
            head_width: count(heads.width),
            query_distance: count(queries.distance),
            key_distance: count(keys.distance),
            pairs: count(spans.pairs),
        };
        let arguments = arguments![
            logs.part().address(),
            queries.numbers.address(),
            keys.numbers.address(),
            spans.queries.address(),
            spans.keys.address(),
            spans.starts.part().address(),
            shape
        ];
        let grid = spans.grid(spans.queries.most(), heads.count);
        self.launch(Kernel::PairLogs, grid, &arguments)?;
        Ok(logs)
    }

    /// The slopes at one side's numbers, zero outside of the heads.
    #[allow(clippy::too_many_arguments)]
    fn pair_gradients(
        &self,
        gradient: LikenessGradient<'_>,
        slopes: Part<'_, f32>,
        x: Rows<'_>,
        width: usize,
        heads: Heads,
        side: Side,
        spans: &PairSpans<L>,
    ) -> Result<(), CudaError> {
        let part = gradient.gradient;
        self.pool.launcher().clear(part.address(), part.bytes())?;
        let (own, others, most) = match side {
            Side::Queries | Side::Both => (&spans.queries, &spans.keys, spans.queries.most()),
            Side::Keys => (&spans.keys, &spans.queries, spans.keys.most()),
        };
        let factor = gradient.scale / (heads.width as f64).sqrt();
        let arguments = arguments![
            part.address(),
            slopes.address(),
            x.numbers.address(),
            own.address(),
            others.address(),
            spans.starts.part().address(),
            count(heads.first),
            count(heads.width),
            count(width),
            count(x.distance),
            count(spans.pairs),
            side as i32,
            factor as f32
        ];
        self.launch(Kernel::PairGradients, spans.grid(most, heads.count), &arguments)
    }
}
