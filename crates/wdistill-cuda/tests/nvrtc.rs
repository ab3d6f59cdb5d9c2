//! Every file of kernels, compiled as for a card. These tests need NVRTC, but no card: `tests/nvrtc.sh` runs them.

use wdistill_cuda::{CudaError, SOURCES, Source, compile};

/// The first cards that have bfloat16, and Hopper; instructions, and text for the driver.
const ARCHITECTURES: [&str; 4] = ["sm_80", "sm_90", "compute_80", "compute_90"];

#[test]
#[ignore = "needs NVRTC: tests/nvrtc.sh"]
fn every_file_compiles() {
    for source in SOURCES {
        for architecture in ARCHITECTURES {
            let image = compile(source, architecture).unwrap_or_else(|error| panic!("{error}"));
            let start: &[u8] = if architecture.starts_with("sm") { b"\x7fELF" } else { b"//" };
            assert!(image.starts_with(start) || image.starts_with(b"\n//"), "{}", source.file);
            for kernel in source.kernels {
                let entry = match architecture.starts_with("sm") {
                    true => format!(".text.{}\0", kernel.name()),
                    false => format!(".entry {}(", kernel.name()),
                };
                let mut windows = image.windows(entry.len());
                let is_there = windows.any(|window| window == entry.as_bytes());
                assert!(is_there, "{}: no {} for {architecture}", source.file, kernel.name());
            }
        }
    }
}

#[test]
#[ignore = "needs NVRTC: tests/nvrtc.sh"]
fn a_mistake_is_shown_with_its_line() {
    let text = "#include \"numbers.cuh\"\n\n__device__ int f() { return undeclared; }\n";
    let source = Source { file: "mistake.cu", text, kernels: &[] };
    let Err(CudaError::Compile { file, architecture, log }) = compile(&source, "sm_90") else {
        panic!("a mistake is compiled")
    };
    assert_eq!((file, architecture.as_str()), ("mistake.cu", "sm_90"));
    assert!(log.contains("mistake.cu(3)") && log.contains("undeclared"), "{log}");
}
