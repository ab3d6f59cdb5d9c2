//! Named arrays as another toolkit's file holds them, read as float32 when they are needed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use half::{bf16, f16};

/// What each number of an array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NumberType {
    Float64,
    Float32,
    Float16,
    BFloat16,
    Int64,
    Int32,
    Int16,
    Int8,
    UInt8,
}

impl NumberType {
    /// The name as PyTorch and NumPy write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            NumberType::Float64 => "float64",
            NumberType::Float32 => "float32",
            NumberType::Float16 => "float16",
            NumberType::BFloat16 => "bfloat16",
            NumberType::Int64 => "int64",
            NumberType::Int32 => "int32",
            NumberType::Int16 => "int16",
            NumberType::Int8 => "int8",
            NumberType::UInt8 => "uint8",
        }
    }

    /// Bytes of a number.
    pub(crate) fn size(self) -> usize {
        match self {
            NumberType::Float64 | NumberType::Int64 => 8,
            NumberType::Float32 | NumberType::Int32 => 4,
            NumberType::Float16 | NumberType::BFloat16 | NumberType::Int16 => 2,
            NumberType::Int8 | NumberType::UInt8 => 1,
        }
    }

    /// A number from its little-endian bytes.
    fn read(self, bytes: &[u8]) -> f64 {
        macro_rules! number {
            ($number:ty) => {
                f64::from(<$number>::from_le_bytes(bytes.try_into().expect("bytes of one number")))
            };
        }
        match self {
            NumberType::Float64 => number!(f64),
            NumberType::Float32 => number!(f32),
            NumberType::Float16 => number!(f16),
            NumberType::BFloat16 => number!(bf16),
            NumberType::Int64 => {
                i64::from_le_bytes(bytes.try_into().expect("bytes of one number")) as f64
            }
            NumberType::Int32 => number!(i32),
            NumberType::Int16 => number!(i16),
            NumberType::Int8 => number!(i8),
            NumberType::UInt8 => number!(u8),
        }
    }
}

/// Numbers and how they are laid out.
#[derive(Clone, Debug)]
pub(crate) struct Array<'f> {
    /// Length of every axis, outermost first; a scalar has none.
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: NumberType,
    /// Little-endian numbers.
    pub(crate) bytes: Cow<'f, [u8]>,
    /// Numbers between neighbours along each axis, where these are not simply one row after the other.
    pub(crate) strides: Option<Vec<usize>>,
    /// Quantised numbers are divided by one factor for each row, or by one for all. An array of several names
    /// has them once.
    pub(crate) divisors: Rc<[f32]>,
}

/// Numbers of an array of this shape; `None` if nobody could have as many.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    // An axis of length 0 must not hide others that overflow.
    let all = shape.iter().try_fold(1usize, |count, axis| count.checked_mul((*axis).max(1)))?;
    Some(if shape.contains(&0) { 0 } else { all })
}

impl<'f> Array<'f> {
    /// An array whose numbers lie one row after the other.
    ///
    /// # Errors
    /// What is wrong if `bytes` are not exactly its numbers.
    pub(crate) fn new(
        shape: Vec<usize>,
        kind: NumberType,
        bytes: Cow<'f, [u8]>,
    ) -> Result<Array<'f>, String> {
        let needed = count(&shape).and_then(|count| count.checked_mul(kind.size()));
        if needed != Some(bytes.len()) {
            return Err(format!("is {shape:?} of {kind:?}, but has {} bytes", bytes.len()));
        }
        Ok(Array { shape, kind, bytes, strides: None, divisors: Rc::default() })
    }

    /// An array of which a number lies at the sum of `index * stride`.
    ///
    /// # Errors
    /// What is wrong if a number lies outside `bytes`, or if they are too many for these bytes.
    pub(crate) fn strided(
        shape: Vec<usize>,
        strides: Vec<usize>,
        kind: NumberType,
        bytes: Cow<'f, [u8]>,
    ) -> Result<Array<'f>, String> {
        let numbers = bytes.len() / kind.size();
        let last = shape.iter().zip(&strides).try_fold(0usize, |last, (axis, stride)| {
            last.checked_add(axis.saturating_sub(1).checked_mul(*stride)?)
        });
        // A stride of 0 repeats a number without end: what is expanded so must not exceed what is there.
        match (count(&shape), last) {
            (Some(0), _) => {}
            (Some(count), Some(last)) if count <= numbers && last < numbers => {}
            _ => {
                return Err(format!(
                    "is {shape:?} with strides {strides:?}, but its storage has {numbers} numbers"
                ));
            }
        }
        let rows = row_strides(&shape);
        let in_order = strides == rows && count(&shape) == Some(numbers);
        let strides = (!in_order).then_some(strides);
        Ok(Array { shape, kind, bytes, strides, divisors: Rc::default() })
    }

    /// All numbers as float32, the last axis running fastest.
    pub(crate) fn numbers(&self) -> Vec<f32> {
        let size = self.kind.size();
        let read = |bytes: &[u8]| self.kind.read(bytes) as f32;
        let mut numbers: Vec<f32> = match &self.strides {
            None => self.bytes.chunks_exact(size).map(read).collect(),
            Some(strides) => places(&self.shape, strides)
                .into_iter()
                .map(|place| read(&self.bytes[place * size..][..size]))
                .collect(),
        };
        if !self.divisors.is_empty() {
            let row = (numbers.len() / self.divisors.len()).max(1);
            for (row, divisor) in numbers.chunks_mut(row).zip(self.divisors.iter()) {
                row.iter_mut().for_each(|number| *number /= divisor);
            }
        }
        numbers
    }

    /// Keeps the first of an axis. Numbers stay where they are, and are passed over.
    pub(crate) fn cut(&mut self, axis: usize, length: usize) {
        let strides = self.strides.take().unwrap_or_else(|| row_strides(&self.shape));
        self.strides = Some(strides);
        self.shape[axis] = length;
    }

    /// The same with its axes in the other order; numbers stay where they are.
    pub(crate) fn transposed(mut self) -> Array<'f> {
        let mut strides = self.strides.unwrap_or_else(|| row_strides(&self.shape));
        strides.reverse();
        self.shape.reverse();
        self.strides = Some(strides);
        self
    }

    /// The only number of an array that has one.
    pub(crate) fn scalar(&self) -> Option<f64> {
        (count(&self.shape) == Some(1)).then(|| self.kind.read(&self.bytes[..self.kind.size()]))
    }
}

/// Strides of an array that lies one row after the other.
fn row_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// Place of every number, the last axis running fastest.
fn places(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    shape.iter().zip(strides).fold(vec![0], |places, (axis, stride)| {
        let along = |place: usize| (0..*axis).map(move |index| place + index * stride);
        places.into_iter().flat_map(along).collect()
    })
}

/// All arrays of a file, by name.
pub(crate) type Arrays<'f> = BTreeMap<String, Array<'f>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_cut_along_any_axis() {
        let numbers = floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let mut array = Array::new(vec![3, 2], NumberType::Float32, numbers).unwrap();
        array.cut(0, 2);
        assert_eq!(array.numbers(), [1.0, 2.0, 3.0, 4.0]);
        array.cut(1, 1);
        assert_eq!((array.numbers(), array.shape), (vec![1.0, 3.0], vec![2, 1]));
    }

    fn floats(numbers: &[f32]) -> Cow<'static, [u8]> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>().into()
    }

    #[test]
    fn every_type_is_read() {
        // 1.5 in each type's own bits (IEEE 754; bfloat16 is the upper half of float32), or 3 and -2.
        let cases: [(NumberType, &[u8], &[f32]); 9] = [
            (NumberType::Float64, &1.5f64.to_le_bytes(), &[1.5]),
            (NumberType::Float32, &[0, 0, 0xc0, 0x3f], &[1.5]),
            (NumberType::Float16, &[0x00, 0x3e], &[1.5]),
            (NumberType::BFloat16, &[0xc0, 0x3f], &[1.5]),
            (NumberType::Int64, &[3, 0, 0, 0, 0, 0, 0, 0], &[3.0]),
            (NumberType::Int32, &[0xfe, 0xff, 0xff, 0xff], &[-2.0]),
            (NumberType::Int16, &[0xfe, 0xff], &[-2.0]),
            (NumberType::Int8, &[3, 0xfe], &[3.0, -2.0]),
            (NumberType::UInt8, &[3, 0xfe], &[3.0, 254.0]),
        ];
        for (kind, bytes, numbers) in cases {
            let array = Array::new(vec![numbers.len()], kind, bytes.into()).unwrap();
            assert_eq!(array.numbers(), numbers, "{kind:?}");
        }
    }

    #[test]
    fn strides_may_transpose_and_skip() {
        let storage = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let strided = |shape: &[usize], strides: &[usize]| {
            let kind = NumberType::Float32;
            Array::strided(shape.to_vec(), strides.to_vec(), kind, storage.clone())
        };
        assert_eq!(strided(&[3, 2], &[1, 3]).unwrap().numbers(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(strided(&[2, 2], &[3, 1]).unwrap().numbers(), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(strided(&[6], &[1]).unwrap().strides, None);
        assert!(strided(&[0, 9], &[usize::MAX, 1]).unwrap().numbers().is_empty());
        for (shape, strides) in [
            ([4, 2], [2, 1]),
            ([7, 1], [0, 1]),
            ([2, 2], [usize::MAX, 1]),
            ([usize::MAX, 2], [1, 1]),
        ] {
            let error = strided(&shape, &strides).unwrap_err();
            assert!(error.contains("its storage has 6 numbers"), "{error}");
        }
    }

    #[test]
    fn bytes_have_to_be_the_numbers_of_the_shape() {
        let new = |shape: &[usize]| {
            Array::new(shape.to_vec(), NumberType::Float32, floats(&[1.0, 2.0])).map(|_| ())
        };
        assert!(new(&[2]).is_ok() && new(&[1, 2]).is_ok());
        for shape in [vec![3], vec![usize::MAX, 2], vec![0, usize::MAX, usize::MAX]] {
            assert!(new(&shape).unwrap_err().contains("has 8 bytes"));
        }
    }

    #[test]
    fn quantised_rows_are_divided_by_their_factors() {
        let mut array = Array::new(vec![2, 2], NumberType::Int8, vec![2, 4, 3, 6].into()).unwrap();
        array.divisors = [2.0, 3.0].into();
        assert_eq!(array.numbers(), [1.0, 2.0, 1.0, 2.0]);
        array.divisors = [0.5].into();
        assert_eq!(array.numbers(), [4.0, 8.0, 6.0, 12.0]);
    }
}
