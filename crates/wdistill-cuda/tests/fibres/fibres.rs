//! `fibres.h` itself: what it must refuse, and what it must show.

use wdistill_cuda::{Argument, Grid, Kernel, Launcher};

use crate::machine::{Fibres, run_text};
use crate::support::exact;

/// An order that is mixed.
const MIXED: u64 = 0x2545_f491_4f6c_dd1d;

/// One block of 64 threads with shared memory for 64 numbers, and an array of 64 numbers.
fn run(name: &str, body: &str, order: u64) -> Result<Vec<f64>, String> {
    let text = format!(
        "extern \"C\" __global__ void {name}(float* y) {{ int t = threadIdx.x; (void)t; {body} }}"
    );
    let numbers = [0f32; 64];
    let argument = Argument::of(numbers.as_ptr() as u64);
    run_text(name, &text, Grid::line(1, 64).with_shared(64), &[argument], order)?;
    Ok(exact(&numbers))
}

#[test]
fn threads_of_a_block_wait_for_each_other() {
    let body = "shared[t] = t; __syncthreads(); y[t] = shared[63 - t];";
    let found = run("waits", body, 0).unwrap();
    assert_eq!(found, (0..64).map(|t| f64::from(63 - t)).collect::<Vec<_>>());
}

#[test]
fn threads_of_a_warp_exchange_numbers() {
    let body = "float a = __shfl_xor_sync(~0u, (float)t, 1); float b = __shfl_sync(~0u, (float)t, 5); \
                float c = __shfl_down_sync(~0u, (float)t, 16); y[t] = a + 100 * b + 10000 * c;";
    let found = run("exchanges", body, MIXED).unwrap();
    let expected = |t: u32| {
        let (warp, lane) = (t / 32 * 32, t % 32);
        let below = if lane < 16 { t + 16 } else { t };
        f64::from((t ^ 1) + 100 * (warp + 5) + 10_000 * below)
    };
    assert_eq!(found, (0..64).map(expected).collect::<Vec<_>>());
}

#[test]
fn a_barrier_that_not_all_threads_reach_is_an_error() {
    let error = run("half_waits", "if (t < 32) __syncthreads();", 0).unwrap_err();
    assert_eq!(
        error,
        "half_waits: block (0, 0, 0): of 64 threads 32 wait for their block, 0 for their warp, and 32 have ended"
    );
    let error = run("one_leaves", "if (t == 3) return; __syncwarp();", MIXED).unwrap_err();
    assert!(
        error.contains("0 wait for their block, 31 for their warp, and 33 have ended"),
        "{error}"
    );
}

#[test]
fn shared_memory_ends_where_the_launch_says() {
    let error = run("writes_beyond", "shared[t + 1] = 0;", 0).unwrap_err();
    assert!(error.contains("writes byte 256 of its 256 bytes of shared memory"), "{error}");
}

#[test]
fn shared_memory_starts_as_nan() {
    assert!(run("reads", "y[t] = shared[t];", 0).unwrap().iter().all(|number| number.is_nan()));
}

#[test]
fn a_warp_runs_ahead_of_one_that_has_not_read_yet() {
    // Each warp shows its number, twice, without waiting until the other has read the first.
    let body = "int warp = t / 32; shared[warp] = warp + 1; __syncthreads(); float first = shared[1 - warp]; \
                __syncwarp(); shared[warp] = 10; __syncthreads(); y[t] = first;";
    let expected: Vec<f64> = (0..64).map(|t| f64::from(2 - t / 32)).collect();
    assert_eq!(run("overtaken", body, 0).unwrap(), expected);
    assert_ne!(run("overtaken", body, MIXED).unwrap(), expected);
}

/// Adds 64 bfloat16 numbers to themselves, or as many as the last argument says.
fn add(length: Argument) {
    let fibres = Fibres::new(0);
    let numbers = fibres.allocate(64 * 2).unwrap();
    let arguments = [Argument::of(numbers), Argument::of(numbers), length];
    // SAFETY: what is wrong with the arguments stays within the memory's guards.
    #[allow(unsafe_code)]
    unsafe {
        fibres.launch(Kernel::Add, Grid::line(1, 128), &arguments).unwrap();
    }
}

#[test]
fn as_many_numbers_as_there_are_may_be_written() {
    add(Argument::of(64i64));
}

#[test]
#[should_panic(expected = "add wrote outside its memory")]
fn a_write_behind_a_buffer_is_seen() {
    add(Argument::of(65i64));
}

#[test]
#[should_panic(expected = "sizes of the arguments of add")]
fn an_argument_of_another_size_is_refused() {
    add(Argument::of(64i32));
}
