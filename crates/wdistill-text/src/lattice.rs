//! Drawing one of all segmentations of a text.

use wdistill_base::Random;

/// A piece at a place in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// Bytes before it.
    pub(crate) start: usize,
    /// Bytes before what follows.
    pub(crate) end: usize,
    /// The piece.
    pub(crate) id: u32,
    /// Its score.
    pub(crate) score: f64,
}

/// Draws a path through a text of `length` bytes, whose probability is in proportion to `exp(smoothing * sum of its scores)`
/// (forward filtering, backward sampling; Kudo, 2018). With the sum over all paths to a place
///
/// `F(0) = 1`, `F(e) = sum over edges (s, e) of F(s) exp(smoothing * score)`,
///
/// the path is drawn from its end: the edge `(s, e)` with probability `F(s) exp(smoothing * score) / F(e)`. Every edge begins
/// where others end, and a path reaches the end.
pub(crate) fn drawn_path(
    length: usize,
    mut edges: Vec<Edge>,
    smoothing: f64,
    random: &mut Random,
) -> Vec<Edge> {
    edges.sort_by_key(|edge| edge.end);
    let mut logs = vec![f64::NEG_INFINITY; length + 1];
    logs[0] = 0.0;
    for edge in &edges {
        logs[edge.end] = log_sum(logs[edge.end], logs[edge.start] + smoothing * edge.score);
    }
    let mut path = Vec::new();
    let mut end = length;
    while end > 0 {
        let first = edges.partition_point(|edge| edge.end < end);
        let mut arriving = edges[first..].iter().take_while(|edge| edge.end == end).peekable();
        let mut left = random.uniform();
        while let Some(edge) = arriving.next() {
            left -= (logs[edge.start] + smoothing * edge.score - logs[end]).exp();
            // The last one whatever rounding leaves.
            if left < 0.0 || arriving.peek().is_none() {
                path.push(*edge);
                end = edge.start;
                break;
            }
        }
    }
    path.reverse();
    path
}

/// ln(eˣ + eʸ).
pub(crate) fn log_sum(x: f64, y: f64) -> f64 {
    let (low, high) = if x < y { (x, y) } else { (y, x) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
