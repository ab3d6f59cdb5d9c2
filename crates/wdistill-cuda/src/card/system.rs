//! What a system has to have before a card can be opened.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use cudarc::driver::{DriverError, result, sys};

use super::failed;
use crate::error::{CudaError, LIBRARIES_VARIABLE, Library};

/// The oldest version of CUDA that a driver may be made for: 12.0, as the numbers of drivers have it.
const OLDEST_DRIVER: i32 = 12_000;

/// The oldest cards that have bfloat16.
const OLDEST_CARD: Capability = Capability { major: 8, minor: 0 };

/// Which instructions a card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    /// Its generation.
    pub major: i32,
    /// Its place in the generation.
    pub minor: i32,
}

/// What is asked of a system, so that tests can have another one.
pub trait System {
    /// Loads a file for good, and says whether that worked.
    fn load(&self, file: &Path) -> bool;

    /// Whether a library is there: loaded already, or found by the system.
    fn finds(&self, library: Library) -> bool;

    /// Starts the driver.
    ///
    /// # Errors
    /// [`CudaError::NoCard`], or what the driver says.
    fn start(&self) -> Result<(), CudaError>;

    /// The newest version of CUDA that the driver knows: 1000 times the major number, 10 times the minor one.
    ///
    /// # Errors
    /// What the driver says.
    fn driver_version(&self) -> Result<i32, CudaError>;

    /// How many cards there are.
    ///
    /// # Errors
    /// What the driver says.
    fn cards(&self) -> Result<usize, CudaError>;

    /// Name and capability of a card.
    ///
    /// # Errors
    /// What the driver says.
    fn card(&self, number: usize) -> Result<(String, Capability), CudaError>;
}

/// Loads a library from the first folder that has it, or as the system finds it.
///
/// # Errors
/// If it is nowhere.
pub fn load_library(
    system: &impl System,
    folders: &[PathBuf],
    library: Library,
) -> Result<(), CudaError> {
    // What is loaded from a folder is what a later search by name finds.
    folders.iter().any(|folder| system.load(&folder.join(library.file())));
    if system.finds(library) {
        return Ok(());
    }
    let folders = folders.iter().map(|folder| format!("{}, ", folder.display()));
    let looked = folders.collect::<String>() + "the system's folders of libraries";
    Err(CudaError::NoLibrary { library, looked })
}

/// Checks all that a card needs, and gives its capability.
///
/// # Errors
/// The first thing that is missing: the driver, the card, then the other libraries.
pub fn look_for_card(
    system: &impl System,
    folders: &[PathBuf],
    number: usize,
) -> Result<Capability, CudaError> {
    load_library(system, folders, Library::Driver)?;
    system.start()?;
    let version = system.driver_version()?;
    if version < OLDEST_DRIVER {
        let words = |version: i32| format!("{}.{}", version / 1000, version % 1000 / 10);
        return Err(CudaError::OldDriver { found: words(version), needed: words(OLDEST_DRIVER) });
    }
    let count = system.cards()?;
    if count == 0 {
        return Err(CudaError::NoCard);
    }
    if number >= count {
        return Err(CudaError::NoSuchCard { number, count });
    }
    let (name, capability) = system.card(number)?;
    if capability < OLDEST_CARD {
        let found = format!("{}.{}", capability.major, capability.minor);
        return Err(CudaError::OldCard { name, found });
    }
    load_library(system, folders, Library::Compiler)?;
    load_library(system, folders, Library::Products)?;
    Ok(capability)
}

/// The system that the program runs on.
pub(super) struct Present;

impl System for Present {
    fn load(&self, file: &Path) -> bool {
        // SAFETY: whoever names a folder trusts its libraries, whose initialisers run here as they would for any program.
        #[allow(unsafe_code)]
        match unsafe { libloading::Library::new(file) } {
            Ok(library) => {
                std::mem::forget(library);
                true
            }
            Err(_) => false,
        }
    }

    fn finds(&self, library: Library) -> bool {
        // SAFETY: as above. Without this question a call panics where the library is missing.
        #[allow(unsafe_code)]
        unsafe {
            match library {
                Library::Driver => cudarc::driver::sys::is_culib_present(),
                Library::Compiler => cudarc::nvrtc::sys::is_culib_present(),
                Library::Products => cudarc::cublaslt::sys::is_culib_present(),
            }
        }
    }

    fn start(&self) -> Result<(), CudaError> {
        match result::init() {
            Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Err(CudaError::NoCard),
            other => other.map_err(failed("cuInit")),
        }
    }

    fn driver_version(&self) -> Result<i32, CudaError> {
        let mut version = 0;
        // SAFETY: the driver is loaded, and writes one number.
        #[allow(unsafe_code)]
        let called = unsafe { sys::cuDriverGetVersion(&mut version) };
        called.result().map_err(failed("cuDriverGetVersion"))?;
        Ok(version)
    }

    fn cards(&self) -> Result<usize, CudaError> {
        let count = result::device::get_count().map_err(failed("cuDeviceGetCount"))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    fn card(&self, number: usize) -> Result<(String, Capability), CudaError> {
        use sys::CUdevice_attribute as Attribute;
        let device = result::device::get(number as i32).map_err(failed("cuDeviceGet"))?;
        // SAFETY: the driver has just named the device.
        #[allow(unsafe_code)]
        let attribute = |which| unsafe {
            result::device::get_attribute(device, which).map_err(failed("cuDeviceGetAttribute"))
        };
        let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let name = result::device::get_name(device).map_err(failed("cuDeviceGetName"))?;
        Ok((name, Capability { major, minor }))
    }
}

/// The folders that the environment names for libraries.
pub(super) fn folders() -> Vec<PathBuf> {
    in_list(&std::env::var_os(LIBRARIES_VARIABLE).unwrap_or_default())
}

/// The folders of a list like that of `PATH`. An empty place in it is no folder.
fn in_list(list: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(list).filter(|folder| !folder.as_os_str().is_empty()).collect()
}

/// Loads the compiler of kernels, for which no card is needed.
///
/// # Errors
/// If it is not there.
pub(super) fn load_compiler() -> Result<(), CudaError> {
    load_library(&Present, &folders(), Library::Compiler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_has_no_folder() {
        assert!(in_list(OsStr::new("")).is_empty());
        let list = std::env::join_paths(["/a", "", "/b"]).unwrap();
        assert_eq!(in_list(&list), ["/a", "/b"].map(PathBuf::from));
    }
}
