//! Named tensors: what is written is what is read, and what the `safetensors` crate reads.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use proptest::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use wdistill_formats::{FormatError, Metadata, Tensor, read_tensors, write_tensors};

/// Numbers of any bit pattern, compared as bits.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<u32>)>;

fn tensors() -> impl Strategy<Value = Tensors> {
    let tensor = prop::collection::vec(0..5usize, 0..4).prop_flat_map(|shape| {
        let count: usize = shape.iter().product();
        (Just(shape), prop::collection::vec(any::<u32>(), count))
    });
    prop::collection::btree_map("\\PC{0,12}", tensor, 0..6)
}

fn borrowed(
    tensors: &BTreeMap<String, Tensor>,
) -> impl Iterator<Item = (&str, Vec<usize>, &[f32])> {
    tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.clone(), &tensor.data[..]))
}

fn from_bits(tensors: &Tensors) -> BTreeMap<String, Tensor> {
    let numbers = |bits: &[u32]| bits.iter().map(|bits| f32::from_bits(*bits)).collect();
    tensors
        .iter()
        .map(|(name, (shape, bits))| {
            (name.clone(), Tensor { shape: shape.clone(), data: numbers(bits) })
        })
        .collect()
}

fn to_bits(tensors: &BTreeMap<String, Tensor>) -> Tensors {
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect();
    tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), (tensor.shape.clone(), bits(&tensor.data))))
        .collect()
}

fn metadata() -> impl Strategy<Value = Metadata> {
    prop::collection::btree_map("\\PC{0,8}", "\\PC{0,8}", 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(expected in tensors(), metadata in metadata()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.safetensors");
        write_tensors(&path, borrowed(&from_bits(&expected)), &metadata).unwrap();
        let (found, found_metadata) = read_tensors(&path).unwrap();
        prop_assert_eq!(to_bits(&found), expected);
        prop_assert_eq!(found_metadata, metadata);
    }

    #[test]
    fn another_reader_agrees(expected in tensors(), metadata in metadata()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.safetensors");
        write_tensors(&path, borrowed(&from_bits(&expected)), &metadata).unwrap();
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        prop_assert!(header.is_multiple_of(8), "the numbers are not aligned");
        prop_assert_eq!(file.len(), expected.len());
        for (name, (shape, bits)) in &expected {
            let tensor = file.tensor(name).unwrap();
            let found: Vec<u32> = tensor
                .data()
                .chunks(4)
                .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
                .collect();
            prop_assert_eq!((tensor.shape(), tensor.dtype()), (&shape[..], Dtype::F32));
            prop_assert_eq!(&found, bits);
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused(expected in tensors(), cut in any::<prop::sample::Index>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        write_tensors(&path, borrowed(&from_bits(&expected)), &Metadata::new()).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..cut.index(whole.len())]).unwrap();
        let error = read_tensors(&path).unwrap_err();
        let refused = matches!(
            error,
            FormatError::NotSafetensors { .. } | FormatError::WrongLength { .. }
        );
        prop_assert!(refused, "{}", error);
        prop_assert!(error.to_string().contains("c.safetensors"));
    }
}

/// More numbers than are converted at a time, and not a multiple of it.
#[test]
fn long_tensors_survive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.safetensors");
    let data: Vec<f32> = (0..50_001).map(|i| i as f32 * 0.5).collect();
    write_tensors(&path, [("long", vec![3, 16_667], &data[..])], &Metadata::new()).unwrap();
    let (found, _) = read_tensors(&path).unwrap();
    assert_eq!(found["long"], Tensor { shape: vec![3, 16_667], data });
}

#[test]
fn bytes_do_not_depend_on_the_order_given() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let metadata: Metadata = (0..20).map(|i| (format!("key {i}"), format!("value {i}"))).collect();
    let (a, b) = ([1.0], [2.0, 3.0]);
    write_tensors(&one, [("a", vec![1], &a[..]), ("b", vec![2], &b[..])], &metadata).unwrap();
    write_tensors(&other, [("b", vec![2], &b[..]), ("a", vec![1], &a[..])], &metadata).unwrap();
    assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap());
}

#[test]
fn tensors_that_contradict_themselves_are_refused_together_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.safetensors");
    let data = [1.0, 2.0, 3.0];
    let tensors = [
        ("a", vec![2, 2], &data[..]),
        ("b", vec![3], &data[..]),
        ("b", vec![3], &data[..]),
        ("__metadata__", vec![3], &data[..]),
    ];
    let message = write_tensors(&path, tensors, &Metadata::new()).unwrap_err().to_string();
    let expected = format!(
        "{}: 3 problems with its tensors:\n  \
         a is [2, 2], 4 numbers, but 3 were given\n  \
         b was given twice\n  \
         __metadata__ is the name of the metadata, no tensor can have it",
        path.display()
    );
    assert_eq!(message, expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn every_tensor_of_another_type_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.safetensors");
    let bytes = [0; 8];
    let tensors = [
        ("whole", TensorView::new(Dtype::I64, vec![1], &bytes).unwrap()),
        ("right", TensorView::new(Dtype::F32, vec![2], &bytes).unwrap()),
        ("half", TensorView::new(Dtype::F16, vec![4], &bytes).unwrap()),
    ];
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    let message = read_tensors(&path).unwrap_err().to_string();
    let lines: HashSet<&str> = message.lines().skip(1).collect();
    let expected = ["  whole holds I64, expected F32", "  half holds F16, expected F32"];
    assert_eq!(lines, HashSet::from(expected), "{message}");
}

#[test]
fn a_header_that_lies_about_offsets_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.safetensors");
    let header = br#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}}  "#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    fs::write(&path, bytes).unwrap();
    let message = read_tensors(&path).unwrap_err().to_string();
    assert!(message.contains("f.safetensors is not a safetensors file"), "{message}");
    assert!(message.contains("invalid shape, data type, or offset"), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.safetensors");
    let message = read_tensors(&path).unwrap_err().to_string();
    assert!(message.starts_with(&format!("cannot read {}: ", path.display())), "{message}");
}
