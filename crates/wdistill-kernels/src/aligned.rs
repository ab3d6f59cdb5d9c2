//! Numbers that start at a cache line.

/// Numbers of a cache line.
const NUMBERS: usize = 16;

/// A cache line, and a register of AVX-512.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; NUMBERS]);

/// Memory for float32 numbers, the first of which starts a cache line: whole registers that are read from
/// it, or written to it, touch one line each. All of it always holds numbers.
#[derive(Clone, Debug, Default)]
pub struct AlignedNumbers(Vec<Line>);

impl AlignedNumbers {
    /// Room for `count` numbers or a few more, all zero.
    pub fn zeros(count: usize) -> AlignedNumbers {
        AlignedNumbers(vec![Line([0.0; NUMBERS]); count.div_ceil(NUMBERS)])
    }

    /// How many numbers there are.
    pub fn room(&self) -> usize {
        self.0.len() * NUMBERS
    }

    /// All of them.
    pub fn numbers(&self) -> &[f32] {
        let first = self.0.as_ptr().cast::<f32>();
        // SAFETY: lines are arrays of numbers side by side, without gaps: they are as long as they are
        // aligned.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(first, self.room())
        }
    }

    /// All of them, to be changed.
    pub fn numbers_mut(&mut self) -> &mut [f32] {
        let (first, room) = (self.0.as_mut_ptr().cast::<f32>(), self.room());
        // SAFETY: as above, and the lines are borrowed as long as the numbers.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts_mut(first, room)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_at_a_cache_line_and_stay() {
        for count in [0, 1, 15, 16, 17, 63, 64, 65] {
            let mut aligned = AlignedNumbers::zeros(count);
            assert!((count..count + NUMBERS).contains(&aligned.room()));
            assert!(aligned.numbers().as_ptr().addr().is_multiple_of(64));
            assert!(aligned.numbers().iter().all(|number| *number == 0.0));
            for (index, number) in aligned.numbers_mut().iter_mut().enumerate() {
                *number = index as f32;
            }
            assert!((0..).zip(aligned.clone().numbers()).all(|(index, n)| *n == index as f32));
        }
    }
}
