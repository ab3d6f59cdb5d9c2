//! Files and functions stay short enough to be read at once: 500 lines of code in a file, 60 in a function. Comments, blank
//! lines and tests do not count.

mod source;

use std::fs;
use std::path::Path;

use source::{code_of, end_of_item, sources, without_tests};

const LONGEST_FILE: usize = 500;
const LONGEST_FUNCTION: usize = 60;

/// What may be longer: a file, one of its functions or none for the file itself, and why.
const EXCEPTIONS: &[(&str, Option<&str>, &str)] = &[(
    "wdistill-kernels/src/attention.rs",
    Some("backward_sentence_body"),
    "a kernel, whose sums share buffers",
)];

fn lines_of(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Every function with a body: its name and its lines of code.
fn functions(code: &str) -> Vec<(&str, usize)> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts = code.match_indices("fn ").filter(|(at, _)| !code[..*at].ends_with(is_of_name));
    let function = |(at, _): (usize, &str)| {
        let rest = &code[at + 3..];
        let name = &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())];
        (name, lines_of(&rest[..end_of_item(rest)]))
    };
    starts.map(function).filter(|(name, _)| !name.is_empty()).collect()
}

#[test]
fn files_and_functions_are_short() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut long = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(crates).unwrap() {
        for path in sources(&entry.unwrap().path().join("src")) {
            let code = without_tests(&code_of(&fs::read_to_string(&path).unwrap()));
            let name = path.strip_prefix(crates).unwrap().to_str().unwrap().replace('\\', "/");
            let lines = lines_of(&code);
            if lines > LONGEST_FILE {
                long.push((name.clone(), None, lines, LONGEST_FILE));
            }
            for (function, lines) in functions(&code) {
                if lines > LONGEST_FUNCTION {
                    long.push((name.clone(), Some(function.to_owned()), lines, LONGEST_FUNCTION));
                }
            }
            count += 1;
        }
    }
    assert!(count > 200, "only {count} files were found");
    let mut problems = Vec::new();
    for (file, function, lines, most) in &long {
        let is_known = |(other, part, _): &(&str, Option<&str>, &str)| {
            other == file && *part == function.as_deref()
        };
        if !EXCEPTIONS.iter().any(is_known) {
            let what = function.as_ref().map_or(String::new(), |name| format!(", function {name}"));
            problems.push(format!("{file}{what}: {lines} lines of code, expected at most {most}"));
        }
    }
    for (file, part, _) in EXCEPTIONS {
        if !long.iter().any(|(other, function, ..)| other == file && function.as_deref() == *part) {
            problems
                .push(format!("{file} {part:?}: short enough now. hint: take it from EXCEPTIONS"));
        }
    }
    problems.sort();
    assert!(problems.is_empty(), "\n{}\nhint: divide them", problems.join("\n"));
}

#[test]
fn comments_and_tests_are_no_code() {
    let text = "// no\nfn one() { /* {\n */ let a = \"}\\\"//\";\n\n    let b = ['{', '\\'']; let c: &'static str = r#\"}\"{\"#; }\n\
                #[cfg(test)]\nmod tests {\n    fn two() {}\n}\nfn three(x: [u8; 2]);\n";
    let code = without_tests(&code_of(text));
    assert_eq!(functions(&code), [("one", 3), ("three", 1)]);
    assert_eq!(lines_of(&code), 4);
    assert_eq!(functions(&code_of("impl A { fn f() {\n1\n} }\nstruct B(fn (u8));")), [("f", 3)]);
}
