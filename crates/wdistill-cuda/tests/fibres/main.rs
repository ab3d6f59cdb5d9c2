//! Every kernel, run on the CPU by `fibres.h`, against `wdistill-kernels` in float64 on random packed batches. Each test runs twice,
//! the second time with blocks and threads in a mixed order, which must not change a bit. With `WDISTILL_TEST_CARD=0` the same tests run
//! on card 0.

mod attention;
mod decode;
mod elementwise;
mod embed;
mod fibres;
mod generate;
mod linear;
mod loss;
mod machine;
mod muon;
mod norm;
mod optimiser;
mod pairs;
mod product;
mod recur;
mod sums;
mod support;
mod tape;
mod tested;
