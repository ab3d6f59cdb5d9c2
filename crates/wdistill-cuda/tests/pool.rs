//! The memory pool and what happens when a machine fails, on a machine that only counts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use wdistill_autograd::{DropoutSource, Tape, Targets, Workspace};
use wdistill_base::Hinted;
use wdistill_cuda::{
    Address, Argument, CudaError, Device, DropoutMask, Grid, Kernel, Launcher, Parameter, Pool,
    Product, Reuse, TapeMachine,
};
use wdistill_kernels::Precision;
use wdistill_kernels::layers::LossTargets;
use wdistill_model::{Architecture, Config, DecoderState, Tokens, Transformer, Vocabularies};

/// A machine with so many bytes, whose kernels do nothing, or fail.
#[derive(Debug)]
struct Counter {
    total: usize,
    used: RefCell<HashMap<Address, usize>>,
    allocations: RefCell<u64>,
    broken: bool,
    reuse: Reuse,
}

impl Counter {
    fn new(total: usize) -> Counter {
        Counter {
            total,
            used: RefCell::default(),
            allocations: RefCell::new(0),
            broken: false,
            reuse: Reuse::Blocks,
        }
    }

    fn used(&self) -> usize {
        self.used.borrow().values().sum()
    }

    fn allocations(&self) -> u64 {
        *self.allocations.borrow()
    }
}

impl Launcher for Counter {
    fn allocate(&self, bytes: usize) -> Result<Address, CudaError> {
        let free = self.total - self.used();
        if bytes > free {
            return Err(CudaError::OutOfMemory { wanted: bytes, used: 0, free, total: self.total });
        }
        *self.allocations.borrow_mut() += 1;
        let address = Address(self.allocations() << 32);
        self.used.borrow_mut().insert(address, bytes);
        Ok(address)
    }

    fn reuse(&self) -> Reuse {
        self.reuse
    }

    fn free(&self, address: Address) {
        assert!(self.used.borrow_mut().remove(&address).is_some(), "{address:?} is freed twice");
    }

    fn upload(&self, _: Address, _: &[u8]) -> Result<(), CudaError> {
        Ok(())
    }

    fn download(&self, _: &mut [u8], _: Address) -> Result<(), CudaError> {
        Err(CudaError::call("cuStreamSynchronize", "an illegal memory access was encountered"))
    }

    fn clear(&self, _: Address, _: usize) -> Result<(), CudaError> {
        Ok(())
    }

    fn copy(&self, _: Address, _: Address, _: usize) -> Result<(), CudaError> {
        Ok(())
    }

    #[allow(unsafe_code)]
    unsafe fn launch(&self, kernel: Kernel, _: Grid, _: &[Argument]) -> Result<(), CudaError> {
        match self.broken {
            true => Err(CudaError::call(kernel.name(), "invalid device function")),
            false => Ok(()),
        }
    }

    #[allow(unsafe_code)]
    unsafe fn product(&self, _: &Product) -> Result<(), CudaError> {
        Ok(())
    }

    fn memory(&self) -> Result<(usize, usize), CudaError> {
        Ok((self.total - self.used(), self.total))
    }
}

#[test]
fn a_buffer_that_is_dropped_is_used_again() {
    let pool = Pool::new(Counter::new(1 << 20));
    let first = pool.take::<f32>(1000).unwrap();
    let address = first.part().address();
    drop(first);
    // As many bytes, or somewhat fewer, of another kind of number.
    let again = pool.take::<u32>(900).unwrap();
    assert_eq!(again.part().address(), address);
    assert_eq!((again.length(), again.part().length()), (900, 900));
    assert_eq!(pool.launcher().allocations(), 1);
    // While it is in use another one is made, and for much less than a free block no such block is wasted.
    let second = pool.take::<f32>(1000).unwrap();
    assert_ne!(second.part().address(), address);
    drop(second);
    let small = pool.take::<f32>(100).unwrap();
    assert_eq!(pool.launcher().allocations(), 3);
    assert_eq!(pool.in_use(), (4096 + 512, 8192));
    drop((again, small));
    assert_eq!(pool.in_use().0, 0);
}

#[test]
fn the_smallest_free_block_that_fits_is_taken() {
    let pool = Pool::new(Counter::new(1 << 30));
    let [large, small] = [1 << 20, 900 << 10].map(|bytes| pool.take::<f32>(bytes / 4).unwrap());
    let address = small.part().address();
    drop((large, small));
    let taken = pool.take::<f32>((850 << 10) / 4).unwrap();
    assert_eq!(taken.part().address(), address);
}

#[test]
fn free_blocks_are_given_back_before_memory_runs_out() {
    let pool = Pool::new(Counter::new(10_000));
    let kept = pool.take::<f32>(512).unwrap();
    drop(pool.take::<f32>(1024).unwrap());
    // 2048 bytes are in use and 4096 kept free: 7168 fit only without the latter.
    let large = pool.take::<f32>(1792).unwrap();
    assert_eq!(pool.launcher().used(), 2048 + 7168);
    let error = pool.take::<f32>(1792).unwrap_err();
    let expected =
        CudaError::OutOfMemory { wanted: 7168, used: 2048 + 7168, free: 784, total: 10_000 };
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        "7168 bytes do not fit: of 10000 bytes of the card's memory 9216 are in use here and 784 are free"
    );
    assert!(error.hint().unwrap().contains("fewer tokens"));
    drop((kept, large));
    assert!(pool.take::<f32>(1792).is_ok());
}

#[test]
fn a_pool_gives_everything_back() {
    let pool = Pool::new(Counter::new(1 << 20));
    let buffer = pool.take::<f64>(10).unwrap();
    drop(pool.take::<f64>(1000).unwrap());
    assert_eq!(pool.release(), 8192);
    assert_eq!(pool.release(), 0);
    assert_eq!(pool.launcher().used(), 512);
    // A buffer keeps its pool alive.
    let weak = Rc::downgrade(&pool);
    drop(pool);
    assert!(weak.upgrade().is_some());
    drop(buffer);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_machine_of_tests_has_new_memory_of_exact_length() {
    let pool = Pool::new(Counter { reuse: Reuse::Never, ..Counter::new(1 << 20) });
    let buffer = pool.take::<f32>(3).unwrap();
    assert_eq!((pool.in_use(), pool.launcher().used()), ((12, 12), 12));
    drop(buffer);
    assert_eq!((pool.in_use(), pool.launcher().used()), ((0, 12), 0));
    drop(pool.take::<f32>(3).unwrap());
    assert_eq!(pool.launcher().allocations(), 2);
}

#[test]
fn a_kernel_that_fails_is_named() {
    let device = Device::new(Counter { broken: true, ..Counter::new(1 << 20) });
    let x = device.take(64).unwrap();
    let error = device.dropout(x.part(), x.part(), 8, DropoutMask::NONE).unwrap_err();
    assert_eq!(error, CudaError::call("dropout", "invalid device function"));
    // An empty grid is no launch.
    let none = device.take(0).unwrap();
    device.dropout(none.part(), none.part(), 8, DropoutMask::NONE).unwrap();
}

#[test]
fn a_failure_of_the_past_is_seen_when_numbers_are_read() {
    let device = Device::new(Counter::new(1 << 20));
    let error = device.upload(&[1f32, 2.0]).unwrap().read().unwrap_err();
    assert!(error.to_string().contains("illegal memory access"), "{error}");
}

#[test]
#[should_panic(expected = "dropout's y: length")]
fn a_length_that_does_not_fit_is_a_programming_error() {
    let device = Device::new(Counter::new(1 << 20));
    let [x, y] = [64, 56].map(|length| device.take(length).unwrap());
    let _ = device.dropout(y.part(), x.part(), 8, DropoutMask::NONE);
}

/// The loss of a tape over a machine with so many bytes.
fn loss_with(total: usize) -> CudaError {
    let architecture = Architecture::preset("transformer-nano").unwrap();
    let config = Config::new(architecture, Vocabularies::shared(20)).unwrap();
    // The weights have memory of their own.
    let weights = Device::new(Counter::new(1 << 30));
    let buffer = |length| (weights.take(length).unwrap(), weights.take(length).unwrap());
    let weights: Vec<_> =
        Transformer::list(&config).iter().map(|info| buffer(info.count())).collect();
    let parts = weights.iter().map(|(rounded, exact)| (rounded.part(), exact.part()));
    let parameters = parts.map(|(rounded, exact)| Parameter { rounded, exact }).collect();
    let workspace = Workspace::over(TapeMachine::new(Device::new(Counter::new(total))));
    let weights = (&config, parameters);
    let (tape, model) = Tape::over(Precision::Bfloat16, weights, &workspace, DropoutSource::NONE);
    let tokens = Tokens::from_sentences([[5, 7, 0].as_slice()]);
    let encoded = model.encode(&tape, &tokens);
    let mut state = DecoderState::new(&config);
    let states = model.decode(&tape, &tokens, tokens.spans(), &encoded, &mut state);
    let loss = LossTargets { words: &[7, 0, 1], smoothing: 0.1, teacher: None };
    let targets = Targets { loss, gradient_scale: 1.0 };
    let first = tape.loss(&model, states, &targets).unwrap_err();
    assert_eq!(tape.loss(&model, states, &targets).unwrap_err(), first, "another failure is told");
    first
}

/// Wherever a machine fails, the rest of a tape does nothing, and reading the loss says why.
#[test]
fn a_tape_ends_with_the_first_failure() {
    // Rooms for nothing, for tokens, for some layers.
    for total in [0, 4 << 10, 16 << 10, 40 << 10] {
        let error = loss_with(total);
        assert!(matches!(error, CudaError::OutOfMemory { .. }), "{total}: {error}");
    }
    // There is room for everything, and then the machine cannot be read.
    let CudaError::Call { call, .. } = loss_with(1 << 30) else { panic!("another error") };
    assert_eq!(call, "cuStreamSynchronize");
}
