//! Hints are data (`wdistill_base::Problem`, `Hinted`), and one file makes lines of them: no other text holds one.

mod source;

use std::fs;
use std::path::Path;

use source::{code_of, sources};

/// What a printed hint begins with.
const MARK: &str = "hint:";

/// The one file that prints it.
const PRINTER: &str = "wdistill-base/src/problem.rs";

/// Numbers of the lines in which a literal has the mark.
fn marked(text: &str) -> Vec<usize> {
    let code = code_of(text);
    let is_marked = |(line, code): (&str, &str)| {
        // Inside literals the code shows something else.
        !line.trim_start().starts_with("//")
            && line.matches(MARK).count() > code.matches(MARK).count()
    };
    let lines = (1..).zip(text.lines().zip(code.lines()));
    lines.filter(|(_, line)| is_marked(*line)).map(|(number, _)| number).collect()
}

#[test]
fn no_text_holds_a_hint() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut problems = Vec::new();
    let mut has_printer = false;
    for entry in fs::read_dir(crates).unwrap() {
        for path in sources(&entry.unwrap().path().join("src")) {
            let name = path.strip_prefix(crates).unwrap().to_str().unwrap().replace('\\', "/");
            let lines = marked(&fs::read_to_string(&path).unwrap());
            if name == PRINTER {
                has_printer = !lines.is_empty();
            } else {
                problems.extend(lines.iter().map(|line| format!("{name}:{line}")));
            }
        }
    }
    assert!(has_printer, "{PRINTER} prints no hints");
    assert!(problems.is_empty(), "texts with hints, expected in a Problem: {problems:#?}");
}

#[test]
fn only_literals_count() {
    let text = "struct A {\n    hint: String,\n}\n// hint: no\nconst B: &str = \"b; \\\n    hint: yes\";\n\
                let c = A { hint: \"hint: yes\" };\n";
    assert_eq!(marked(text), [6, 7]);
}
