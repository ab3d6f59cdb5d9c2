//! The kernels, by name, and the files that they are in.

/// A file of kernels, in CUDA C.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub file: &'static str,
    /// Its text, which includes headers of [`HEADERS`] by name.
    pub text: &'static str,
    /// The kernels in it.
    pub kernels: &'static [Kernel],
}

/// The headers that the files include: name and text.
pub const HEADERS: &[(&str, &str)] = &[
    ("numbers.cuh", include_str!("../kernels/numbers.cuh")),
    ("threads.cuh", include_str!("../kernels/threads.cuh")),
    ("mask.cuh", include_str!("../kernels/mask.cuh")),
];

macro_rules! sources {
    ($($source:ident $file:literal { $($kernel:ident = $name:ident),* $(,)? })*) => {
        /// A kernel: a function that a card runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kernel {
            $($(
                #[doc = concat!("`", stringify!($name), "` of `", $file, "`.")]
                $kernel,
            )*)*
        }

        impl Kernel {
            /// Its name in its file.
            pub fn name(self) -> &'static str {
                match self { $($(Kernel::$kernel => stringify!($name),)*)* }
            }

            /// The file that it is in.
            pub fn source(self) -> &'static Source {
                match self { $($(Kernel::$kernel => &$source,)*)* }
            }
        }

        $(static $source: Source = Source {
            file: $file,
            text: include_str!(concat!("../kernels/", $file)),
            kernels: &[$(Kernel::$kernel),*],
        };)*

        /// All files of kernels.
        pub static SOURCES: &[&Source] = &[$(&$source),*];
    };
}

sources! {
    ATTENTION "attention.cu" {
        AttentionForward = attention_forward,
        AttentionDeltas = attention_deltas,
        AttentionBackwardQueries = attention_backward_queries,
        AttentionBackwardKeys = attention_backward_keys,
    }
    LOSS "loss.cu" { CrossEntropy = cross_entropy }
    MUON "muon.cu" {
        MuonMomentum = muon_momentum,
        DivideByNorm = divide_by_norm,
        Combine = combine,
        MuonFinish = muon_finish,
    }
    NORM "norm.cu" {
        Residual = residual,
        NormForward = norm_forward,
        ResidualNormForward = residual_norm_forward,
        NormBackward = norm_backward,
    }
    DECODE "decode.cu" { Recall = recall, SelectRows = select_rows, BestWords = best_words }
    ELEMENTWISE "elementwise.cu" {
        Dropout = dropout,
        Add = add,
        AddFloat32 = add_float32,
        RoundToBf16 = round_to_bf16,
    }
    EMBED "embed.cu" { EmbedForward = embed_forward, EmbedBackward = embed_backward }
    LINEAR "linear.cu" { LinearFinish = linear_finish, LinearUndo = linear_undo }
    OPTIMISER "optimiser.cu" { Adam = adam, DotPieces = dot_pieces }
    GENERATE "generate.cu" {
        WeightedSum = weighted_sum,
        WeightedSumBackward = weighted_sum_backward,
        AddWeightGradients = add_weight_gradients,
        ScaleTanhShift = scale_tanh_shift,
        ScaleTanhShiftBackward = scale_tanh_shift_backward,
    }
    PAIRS "pairs.cu" {
        PairLogs = pair_logs,
        GuidanceSlopes = guidance_slopes,
        RelationSlopes = relation_slopes,
        PairGradients = pair_gradients,
        StateDistance = state_distance,
    }
    RECUR "recur.cu" { RecurForward = recur_forward, RecurBackward = recur_backward }
    SUMS "sums.cu" { ColumnSums = column_sums, AddPartialSums = add_partial_sums, AddResults = add_results }
}

impl Source {
    /// The text with its headers in place of the lines that include them, as a compiler takes it that reads no files. What
    /// it says of lines is of the file that they are in.
    pub fn whole(&self) -> String {
        let mut whole = String::new();
        for (number, line) in (1..).zip(self.text.lines()) {
            let included = line.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix('"'));
            let header =
                included.and_then(|name| HEADERS.iter().find(|(header, _)| *header == name));
            match header {
                Some((name, text)) => {
                    let text = text.replace("#pragma once\n", "\n");
                    whole += &format!(
                        "#line 1 \"{name}\"\n{text}#line {} \"{}\"\n",
                        number + 1,
                        self.file
                    );
                }
                None => whole += &format!("{line}\n"),
            }
        }
        format!("#line 1 \"{}\"\n{whole}", self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_of_a_file_has_a_name() {
        for source in SOURCES {
            let found = source.text.matches("extern \"C\" __global__ void ").count();
            assert_eq!(found, source.kernels.len(), "{}", source.file);
            for kernel in source.kernels {
                assert_eq!(kernel.source(), *source);
                let start = format!("extern \"C\" __global__ void {}(", kernel.name());
                assert!(source.text.contains(&start), "{}: {start}", source.file);
            }
        }
    }

    #[test]
    fn headers_stand_in_place_of_their_lines() {
        for source in SOURCES {
            let whole = source.whole();
            assert!(!whole.contains("#include"), "{}", source.file);
            let kept = source.text.lines().filter(|line| !line.starts_with("#include"));
            assert!(kept.into_iter().all(|line| whole.contains(line)), "{}", source.file);
        }
    }
}
