//! The machine that the tests run on: the CPU, or a card.

use wdistill_cuda::{Address, Argument, Card, CudaError, Grid, Kernel, Launcher, Product, Reuse};

use crate::machine::Fibres;

/// Names the card, by its number, that the tests run on in place of the CPU.
const CARD: &str = "WDISTILL_TEST_CARD";

/// What mixes blocks and threads.
const MIXED: u64 = 0x2545_f491_4f6c_dd1d;

/// How a run of a test differs from the other.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Blocks and threads in their natural order.
    Natural,
    /// Blocks and threads in a mixed order. A card has an order of its own in every run.
    Mixed,
}

/// The CPU or a card.
pub struct Tested(Box<dyn Launcher>);

impl Tested {
    pub fn new(order: Order) -> Tested {
        if let Ok(number) = std::env::var(CARD) {
            let number = number.parse().expect("the number of a card");
            return Tested(Box::new(Card::open(number).unwrap_or_else(|error| panic!("{error}"))));
        }
        Tested(Box::new(Fibres::new(match order {
            Order::Natural => 0,
            Order::Mixed => MIXED,
        })))
    }
}

impl Launcher for Tested {
    fn allocate(&self, bytes: usize) -> Result<Address, CudaError> {
        self.0.allocate(bytes)
    }

    fn reuse(&self) -> Reuse {
        self.0.reuse()
    }

    fn free(&self, address: Address) {
        self.0.free(address);
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), CudaError> {
        self.0.upload(to, bytes)
    }

    fn download(&self, bytes: &mut [u8], from: Address) -> Result<(), CudaError> {
        self.0.download(bytes, from)
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<(), CudaError> {
        self.0.clear(at, bytes)
    }

    fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<(), CudaError> {
        self.0.copy(to, from, bytes)
    }

    #[allow(unsafe_code)]
    unsafe fn launch(
        &self,
        kernel: Kernel,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), CudaError> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.launch(kernel, grid, arguments) }
    }

    #[allow(unsafe_code)]
    unsafe fn product(&self, product: &Product) -> Result<(), CudaError> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.product(product) }
    }

    fn memory(&self) -> Result<(usize, usize), CudaError> {
        self.0.memory()
    }
}
