//! A card: the driver's calls behind [`Launcher`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};

use cudarc::driver::{DriverError, result, sys};

use crate::CudaError;
use crate::kernel::Kernel;
use crate::launcher::{Address, Argument, Grid, Launcher, Product};

mod compile;
mod product;
mod system;

pub use compile::compile;
pub use system::{Capability, System, load_library, look_for_card};

use product::Products;
use system::Present;

/// An NVIDIA card. Its calls run one after another, on one stream; it stays on the thread that opened it.
pub struct Card {
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    name: String,
    /// What the kernels are compiled for.
    architecture: String,
    /// Bytes of shared memory that a block may have.
    shared: i32,
    products: RefCell<Option<Products>>,
    functions: RefCell<HashMap<Kernel, sys::CUfunction>>,
}

/// An error of a call of the driver.
fn failed(call: &str) -> impl Fn(DriverError) -> CudaError {
    move |DriverError(code)| {
        let error = DriverError(code);
        let text = error.error_string().map(|text| text.to_string_lossy().into_owned());
        CudaError::call(call, text.unwrap_or_else(|_| format!("error {code:?}")))
    }
}

impl Card {
    /// Opens a card by its number, counted from 0. The folders that [`LIBRARIES_VARIABLE`](crate::LIBRARIES_VARIABLE) names are
    /// looked into for libraries before the system's.
    ///
    /// # Errors
    /// If a library is missing, the driver is too old, there is no such card, or it is too old.
    pub fn open(number: usize) -> Result<Card, CudaError> {
        let capability = look_for_card(&Present, &system::folders(), number)?;
        let architecture = compile::architecture_for(capability)?;
        // SAFETY: the driver is initialised, and the device is one that it has just named.
        #[allow(unsafe_code)]
        unsafe {
            let device = result::device::get(number as i32).map_err(failed("cuDeviceGet"))?;
            let name = result::device::get_name(device).map_err(failed("cuDeviceGetName"))?;
            let context = result::primary_ctx::retain(device);
            let context = context.map_err(failed("cuDevicePrimaryCtxRetain"))?;
            let mut card = Card {
                device,
                context,
                stream: std::ptr::null_mut(),
                name,
                architecture,
                shared: 0,
                products: RefCell::default(),
                functions: RefCell::default(),
            };
            card.bind()?;
            let limit =
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
            card.shared = result::device::get_attribute(device, limit)
                .map_err(failed("cuDeviceGetAttribute"))?;
            let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
            card.stream = stream.map_err(failed("cuStreamCreate"))?;
            let workspace = card.allocate(product::WORKSPACE)?;
            *card.products.borrow_mut() = Some(Products::new(workspace)?);
            Ok(card)
        }
    }

    /// What the driver calls the card.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes this card the one that the thread's calls are for.
    fn bind(&self) -> Result<(), CudaError> {
        // SAFETY: the context is retained until the card is dropped.
        #[allow(unsafe_code)]
        unsafe {
            result::ctx::set_current(self.context).map_err(failed("cuCtxSetCurrent"))
        }
    }

    /// The compiled kernel; its file is compiled when the first of its kernels is wanted.
    fn function(&self, kernel: Kernel) -> Result<sys::CUfunction, CudaError> {
        if let Some(function) = self.functions.borrow().get(&kernel) {
            return Ok(*function);
        }
        let image = compile(kernel.source(), &self.architecture)?;
        // SAFETY: the image is what the compiler gave, and lives until it is loaded; the module is never unloaded.
        #[allow(unsafe_code)]
        unsafe {
            let module = result::module::load_data(image.as_ptr().cast());
            let module = module.map_err(failed("cuModuleLoadData"))?;
            for kernel in kernel.source().kernels {
                let name = CString::new(kernel.name()).expect("a name without zeros");
                let function = result::module::get_function(module, name);
                let function = function.map_err(failed("cuModuleGetFunction"))?;
                let most =
                    sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                result::function::set_function_attribute(function, most, self.shared)
                    .map_err(failed("cuFuncSetAttribute"))?;
                self.functions.borrow_mut().insert(*kernel, function);
            }
        }
        Ok(self.functions.borrow()[&kernel])
    }
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Card").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // Nothing can be done about what fails here: the process ends soon, or the card has failed before.
        let _ = self.bind();
        if let Some(products) = self.products.take() {
            self.free(products.workspace());
        }
        // SAFETY: both are this card's own, and not used after this.
        #[allow(unsafe_code)]
        unsafe {
            if !self.stream.is_null() {
                let _ = result::stream::destroy(self.stream);
            }
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

impl Launcher for Card {
    fn allocate(&self, bytes: usize) -> Result<Address, CudaError> {
        self.bind()?;
        // SAFETY: a context is current.
        #[allow(unsafe_code)]
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(Address(address)),
            Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                let (free, total) = self.memory()?;
                Err(CudaError::OutOfMemory { wanted: bytes, used: 0, free, total })
            }
            Err(error) => Err(failed("cuMemAlloc")(error)),
        }
    }

    fn free(&self, address: Address) {
        // A failure leaves memory unused until the process ends, and the next call reports what made it fail.
        // SAFETY: the address is one of `allocate`, and freed once; cuMemFree waits for the card.
        #[allow(unsafe_code)]
        let _ = self.bind().map(|()| unsafe { result::free_sync(address.0) });
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), CudaError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: the caller's buffer is as long. The driver has taken a copy when a call for ordinary memory returns.
        #[allow(unsafe_code)]
        unsafe {
            result::memcpy_htod_async(to.0, bytes, self.stream).map_err(failed("cuMemcpyHtoD"))
        }
    }

    fn download(&self, bytes: &mut [u8], from: Address) -> Result<(), CudaError> {
        self.bind()?;
        // SAFETY: the caller's buffer is as long, and the stream is waited for before `bytes` is given back.
        #[allow(unsafe_code)]
        unsafe {
            if !bytes.is_empty() {
                let copy = result::memcpy_dtoh_async(bytes, from.0, self.stream);
                copy.map_err(failed("cuMemcpyDtoH"))?;
            }
            result::stream::synchronize(self.stream).map_err(failed("cuStreamSynchronize"))
        }
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<(), CudaError> {
        if bytes == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: the caller's buffer is as long.
        #[allow(unsafe_code)]
        unsafe {
            result::memset_d8_async(at.0, 0, bytes, self.stream).map_err(failed("cuMemsetD8"))
        }
    }

    fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<(), CudaError> {
        if bytes == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: the caller's buffers are as long.
        #[allow(unsafe_code)]
        unsafe {
            let copy = result::memcpy_dtod_async(to.0, from.0, bytes, self.stream);
            copy.map_err(failed("cuMemcpyDtoD"))
        }
    }

    #[allow(unsafe_code)]
    unsafe fn launch(
        &self,
        kernel: Kernel,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), CudaError> {
        self.bind()?;
        let function = self.function(kernel)?;
        let mut pointers: Vec<*mut c_void> =
            arguments.iter().map(|argument| argument.pointer().cast_mut()).collect();
        let ([x, y, z], [a, b, c]) = (grid.blocks, grid.threads);
        // SAFETY: the caller passes what the kernel takes; the driver copies the arguments before it returns.
        unsafe {
            let (blocks, threads) = ((x, y, z), (a, b, c));
            result::launch_kernel(
                function,
                blocks,
                threads,
                grid.shared,
                self.stream,
                &mut pointers,
            )
            .map_err(failed(&format!("{} with {grid:?}", kernel.name())))
        }
    }

    #[allow(unsafe_code)]
    unsafe fn product(&self, product: &Product) -> Result<(), CudaError> {
        self.bind()?;
        let mut products = self.products.borrow_mut();
        let products = products.as_mut().expect("an open card");
        // SAFETY: the caller's matrices are as large as the product says.
        unsafe { products.compute(product, self.stream) }
    }

    fn memory(&self) -> Result<(usize, usize), CudaError> {
        self.bind()?;
        result::mem_get_info().map_err(failed("cuMemGetInfo"))
    }
}
