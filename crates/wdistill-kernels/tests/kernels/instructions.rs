//! Every test of these, once for every instruction set that kernels are compiled for.

/// See `src/dispatch.rs`.
const LIMIT: &str = "WDISTILL_INSTRUCTIONS";

#[test]
fn all_tests_pass_with_fewer_instructions() {
    if std::env::var(LIMIT).is_ok() {
        return;
    }
    for limit in ["avx2", "plain"] {
        let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
        let tests = tests.env(LIMIT, limit).output().unwrap();
        let output = String::from_utf8_lossy(&tests.stdout);
        assert!(tests.status.success(), "with {limit} only:\n{output}");
        assert!(output.contains("best_words ... ok"));
    }
}
