//! Every operation against a naive reference in `f64` at awkward sizes, every gradient against
//! central differences, and the numbers of PyTorch.

mod activations;
mod attention;
mod cross_entropy;
mod decode;
mod dropout;
mod elementary;
mod elementwise;
mod embed;
mod generate;
mod norm;
mod product;
mod support;
mod threads;
