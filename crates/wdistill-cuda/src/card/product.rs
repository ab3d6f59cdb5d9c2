//! Products of matrices by cuBLASLt.

use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::size_of_val;

use cudarc::cublaslt::result::CublasError;
use cudarc::cublaslt::{result, sys};
use wdistill_kernels::{Accumulate, Layout};

use crate::CudaError;
use crate::launcher::{Address, Epilogue, Factor, Product, Storage};

/// Bytes of memory that products may use, as NVIDIA recommends for Hopper.
pub(super) const WORKSPACE: usize = 32 << 20;

fn failed(call: &str) -> impl Fn(CublasError) -> CudaError {
    move |error| CudaError::call(call, format!("{:?}", error.0))
}

/// The library, and what it has chosen for products of a shape. The same shape has the same algorithm, and so the same bits.
pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    workspace: Address,
    plans: HashMap<Key, Plan>,
}

/// All that an algorithm is chosen by: the product without its addresses, of which the alignment stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    sizes: [usize; 3],
    layouts: [bool; 2],
    distances: [usize; 3],
    storages: [Storage; 2],
    adds: bool,
    epilogue: u8,
    alignments: [u32; 3],
}

/// Bytes that an address is a multiple of, 256 at most.
fn alignment(address: Address) -> u32 {
    1 << address.0.trailing_zeros().min(8)
}

impl Key {
    fn of(product: &Product) -> Key {
        let is_transposed = |factor: Factor| factor.layout == Layout::Transposed;
        let (left, right) = (product.left, product.right);
        Key {
            sizes: [product.rows, product.inner, product.columns],
            layouts: [left, right].map(is_transposed),
            distances: [left.distance, right.distance, product.distance],
            storages: [product.factors, product.stored],
            adds: product.accumulate == Accumulate::Add,
            epilogue: match product.epilogue {
                Epilogue::None => 0,
                Epilogue::Bias(_) => 1,
                Epilogue::BiasRelu(_) => 2,
            },
            alignments: [left.address, right.address, product.result].map(alignment),
        }
    }
}

/// What the library needs to compute a product. It counts columns first: what is stored row by row is the transpose for it, so it
/// computes `c^T = b^T a^T`, of which nothing is moved.
struct Plan {
    operation: sys::cublasLtMatmulDesc_t,
    /// Of `b`, `a` and `c`.
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
}

fn type_of(storage: Storage) -> sys::cudaDataType {
    match storage {
        Storage::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        Storage::Float32 => sys::cudaDataType::CUDA_R_32F,
    }
}

/// A matrix as it is stored: so many rows of so many numbers, which are columns for the library.
fn layout(
    storage: Storage,
    rows: usize,
    width: usize,
    distance: usize,
) -> Result<sys::cublasLtMatrixLayout_t, CudaError> {
    result::create_matrix_layout(type_of(storage), width as u64, rows as u64, distance as i64)
        .map_err(failed("cublasLtMatrixLayoutCreate"))
}

/// A factor of so many rows and columns, of which its layout says how they are stored.
fn layout_of(
    factor: Factor,
    storage: Storage,
    rows: usize,
    columns: usize,
) -> Result<sys::cublasLtMatrixLayout_t, CudaError> {
    match factor.layout {
        Layout::Normal => layout(storage, rows, columns, factor.distance),
        Layout::Transposed => layout(storage, columns, rows, factor.distance),
    }
}

impl Plan {
    /// Chooses an algorithm.
    fn new(handle: sys::cublasLtHandle_t, product: &Product) -> Result<Plan, CudaError> {
        use sys::cublasLtMatmulDescAttributes_t as Attribute;
        let compute = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let operation = result::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F);
        let Product { rows, inner, columns, left, right, factors, .. } = *product;
        let mut plan = Plan {
            operation: operation.map_err(failed("cublasLtMatmulDescCreate"))?,
            layouts: [std::ptr::null_mut(); 3],
            algorithm: sys::cublasLtMatmulAlgo_t { data: [0; 8] },
        };
        plan.layouts[0] = layout_of(right, factors, inner, columns)?;
        plan.layouts[1] = layout_of(left, factors, rows, inner)?;
        plan.layouts[2] = layout(product.stored, rows, columns, product.distance)?;
        let transposition = |factor: Factor| i32::from(factor.layout == Layout::Transposed);
        plan.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &transposition(right))?;
        plan.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, &transposition(left))?;
        let epilogue = match product.epilogue {
            Epilogue::None => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_DEFAULT,
            Epilogue::Bias(_) => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS,
            Epilogue::BiasRelu(_) => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_RELU_BIAS,
        };
        plan.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue)?;
        plan.set_bias(product.epilogue)?;
        plan.algorithm = plan.choose(handle, product)?;
        Ok(plan)
    }

    fn set<T>(
        &self,
        attribute: sys::cublasLtMatmulDescAttributes_t,
        value: &T,
    ) -> Result<(), CudaError> {
        // SAFETY: the description is this plan's, and the value has the type of its attribute.
        #[allow(unsafe_code)]
        unsafe {
            let value_pointer = std::ptr::from_ref(value).cast::<c_void>();
            result::set_matmul_desc_attribute(
                self.operation,
                attribute,
                value_pointer,
                size_of_val(value),
            )
            .map_err(failed("cublasLtMatmulDescSetAttribute"))
        }
    }

    /// Says where the bias lies, which is another for each layer of the same shape.
    fn set_bias(&self, epilogue: Epilogue) -> Result<(), CudaError> {
        use sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER;
        match epilogue {
            Epilogue::None => Ok(()),
            Epilogue::Bias(bias) | Epilogue::BiasRelu(bias) => {
                self.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias.0)
            }
        }
    }

    /// The algorithm that the library expects to be the fastest.
    fn choose(
        &self,
        handle: sys::cublasLtHandle_t,
        product: &Product,
    ) -> Result<sys::cublasLtMatmulAlgo_t, CudaError> {
        use sys::cublasLtMatmulPreferenceAttributes_t as Attribute;
        let preference =
            result::create_matmul_pref().map_err(failed("cublasLtMatmulPreferenceCreate"))?;
        let of_result = alignment(product.result);
        let set = |attribute, value: *const c_void, size| {
            // SAFETY: the preference is alive, and the value has the type of its attribute.
            #[allow(unsafe_code)]
            unsafe {
                result::set_matmul_pref_attribute(preference, attribute, value, size)
                    .map_err(failed("cublasLtMatmulPreferenceSetAttribute"))
            }
        };
        let alignments = [
            (
                Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                alignment(product.right.address),
            ),
            (
                Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                alignment(product.left.address),
            ),
            (Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, of_result),
            (Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, of_result),
        ];
        let most = std::ptr::from_ref(&WORKSPACE).cast();
        let workspace = Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        let settings = set(workspace, most, size_of::<usize>()).and_then(|()| {
            alignments.iter().try_for_each(|(attribute, value)| {
                set(*attribute, std::ptr::from_ref(value).cast(), size_of::<u32>())
            })
        });
        let [b, a, c] = self.layouts;
        // SAFETY: all handles are alive; the preference is destroyed once.
        #[allow(unsafe_code)]
        unsafe {
            let chosen = settings.and_then(|()| {
                let chosen = result::get_matmul_algo_heuristic(
                    handle,
                    self.operation,
                    b,
                    a,
                    c,
                    c,
                    preference,
                );
                chosen.map_err(failed(&format!("cublasLtMatmulAlgoGetHeuristic of {product:?}")))
            });
            let destroyed = result::destroy_matmul_pref(preference);
            destroyed.map_err(failed("cublasLtMatmulPreferenceDestroy"))?;
            Ok(chosen?.algo)
        }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: these are this plan's own. Nothing can be done about what fails.
        #[allow(unsafe_code)]
        unsafe {
            for layout in self.layouts.into_iter().filter(|layout| !layout.is_null()) {
                let _ = result::destroy_matrix_layout(layout);
            }
            let _ = result::destroy_matmul_desc(self.operation);
        }
    }
}

impl Products {
    /// The library, with [`WORKSPACE`] bytes of memory.
    pub(super) fn new(workspace: Address) -> Result<Products, CudaError> {
        let handle = result::create_handle().map_err(failed("cublasLtCreate"))?;
        Ok(Products { handle, workspace, plans: HashMap::new() })
    }

    /// The memory that it was given.
    pub(super) fn workspace(&self) -> Address {
        self.workspace
    }

    /// Computes a product on a stream.
    ///
    /// # Safety
    /// The matrices lie in memory of the current card that is alive, and `c` overlaps neither factor.
    #[allow(unsafe_code)]
    pub(super) unsafe fn compute(
        &mut self,
        product: &Product,
        stream: cudarc::driver::sys::CUstream,
    ) -> Result<(), CudaError> {
        let key = Key::of(product);
        if !self.plans.contains_key(&key) {
            self.plans.insert(key, Plan::new(self.handle, product)?);
        }
        let plan = &self.plans[&key];
        plan.set_bias(product.epilogue)?;
        let alpha = 1.0f32;
        let beta = if key.adds { 1.0f32 } else { 0.0 };
        let pointer = |address: Address| address.0 as *const c_void;
        let [b, a, c] = plan.layouts;
        // SAFETY: the handles are alive, the matrices are as the caller says, and alpha and beta are read before the call returns.
        unsafe {
            result::matmul(
                self.handle,
                plan.operation,
                std::ptr::from_ref(&alpha).cast(),
                std::ptr::from_ref(&beta).cast(),
                pointer(product.right.address),
                b,
                pointer(product.left.address),
                a,
                pointer(product.result),
                c,
                pointer(product.result).cast_mut(),
                c,
                &plan.algorithm,
                pointer(self.workspace).cast_mut(),
                WORKSPACE,
                stream.cast(),
            )
            .map_err(failed("cublasLtMatmul"))
        }
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        self.plans.clear();
        // SAFETY: the handle is this one's own, and its plans are gone.
        #[allow(unsafe_code)]
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}
