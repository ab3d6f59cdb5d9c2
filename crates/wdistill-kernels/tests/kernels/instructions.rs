//! Tests once more with fewer instructions, in this crate's unit tests and here.

/// Runs all tests of this program once for every instruction set but the best that kernels are compiled for;
/// `expected` is one that must be among them. `limit` is the variable of `src/dispatch.rs`.
pub fn run_with_fewer_instructions(limit: &str, expected: &str) {
    if std::env::var(limit).is_ok() {
        return;
    }
    for instructions in ["avx512", "avx2", "plain"] {
        let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
        let tests = tests.env(limit, instructions).output().unwrap();
        let output = String::from_utf8_lossy(&tests.stdout);
        assert!(tests.status.success(), "with {instructions} only:\n{output}");
        assert!(output.contains(&format!("{expected} ... ok")), "{output}");
    }
}
