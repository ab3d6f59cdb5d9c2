//! From CUDA C to what a card runs.

use std::ffi::CString;

use cudarc::nvrtc::result::NvrtcError;
use cudarc::nvrtc::{result, sys};

use super::system::{Capability, load_compiler};
use crate::CudaError;
use crate::kernel::Source;

fn failed(call: &str) -> impl Fn(NvrtcError) -> CudaError {
    move |error| CudaError::call(call, format!("{:?}", error.0))
}

/// What kernels are compiled for, for a card: its own instructions, or, where the compiler is older than the card, the newest
/// ones in between that it knows, which the driver translates.
pub(super) fn architecture_for(card: Capability) -> Result<String, CudaError> {
    let mut count = 0;
    // SAFETY: the compiler is loaded, writes one number, and then as many as it said.
    #[allow(unsafe_code)]
    let known = unsafe {
        sys::nvrtcGetNumSupportedArchs(&mut count)
            .result()
            .map_err(failed("nvrtcGetNumSupportedArchs"))?;
        let mut known = vec![0; usize::try_from(count).unwrap_or(0)];
        let called = sys::nvrtcGetSupportedArchs(known.as_mut_ptr());
        called.result().map_err(failed("nvrtcGetSupportedArchs"))?;
        known
    };
    Ok(architecture(&known, card))
}

/// The architecture for a card among those that a compiler knows, each 10 times its major number and its minor one.
fn architecture(known: &[i32], card: Capability) -> String {
    let own = 10 * card.major + card.minor;
    if known.contains(&own) {
        return format!("sm_{own}");
    }
    let newest = known.iter().filter(|known| **known <= own).max().unwrap_or(&80);
    format!("compute_{newest}")
}

/// Compiles a file of kernels for an architecture: `sm_90` gives instructions, `compute_90` text that a driver translates. Needs the
/// compiler, but no card.
///
/// # Errors
/// If the compiler is missing, or refuses the file.
pub fn compile(source: &Source, architecture: &str) -> Result<Vec<u8>, CudaError> {
    load_compiler()?;
    let (code, name) = (CString::new(source.whole()), CString::new(source.file));
    let (code, name) = (code.expect("a text without zeros"), name.expect("a name without zeros"));
    let options = [format!("--gpu-architecture={architecture}"), "--std=c++17".to_owned()];
    // SAFETY: the program is made here, used in the order that the compiler wants, and destroyed once.
    #[allow(unsafe_code)]
    unsafe {
        let program =
            result::create_program(&code, Some(&name)).map_err(failed("nvrtcCreateProgram"))?;
        let compiled = match result::compile_program(program, &options) {
            Ok(()) => image(program, architecture),
            Err(error) => {
                let log = result::get_program_log(program).unwrap_or_default();
                let log: Vec<u8> = log.iter().map(|c| *c as u8).filter(|c| *c != 0).collect();
                let log = match log.is_empty() {
                    true => format!("{:?}", error.0),
                    false => String::from_utf8_lossy(&log).trim_end().to_owned(),
                };
                let architecture = architecture.to_owned();
                Err(CudaError::Compile { file: source.file, architecture, log })
            }
        };
        result::destroy_program(program).map_err(failed("nvrtcDestroyProgram"))?;
        compiled
    }
}

/// What a compiled program is.
///
/// # Safety
/// The program is compiled, and not destroyed.
#[allow(unsafe_code)]
unsafe fn image(program: sys::nvrtcProgram, architecture: &str) -> Result<Vec<u8>, CudaError> {
    // SAFETY: the compiler says how many bytes it writes.
    unsafe {
        if architecture.starts_with("compute_") {
            let text = result::get_ptx(program).map_err(failed("nvrtcGetPTX"))?;
            return Ok(text.iter().map(|c| *c as u8).collect());
        }
        let mut size = 0;
        sys::nvrtcGetCUBINSize(program, &mut size).result().map_err(failed("nvrtcGetCUBINSize"))?;
        let mut image = vec![0u8; size];
        let called = sys::nvrtcGetCUBIN(program, image.as_mut_ptr().cast());
        called.result().map_err(failed("nvrtcGetCUBIN"))?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_compiler_leaves_the_rest_to_the_driver() {
        let known = [75, 80, 86, 89, 90];
        let of = |major, minor| architecture(&known, Capability { major, minor });
        assert_eq!(of(9, 0), "sm_90");
        assert_eq!(of(8, 0), "sm_80");
        assert_eq!(of(8, 7), "compute_86");
        assert_eq!(of(12, 0), "compute_90");
    }
}
