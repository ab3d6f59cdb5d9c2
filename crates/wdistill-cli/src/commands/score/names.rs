//! sacreBLEU's arguments: short names that are no single letter, and what is refused.

use std::ffi::OsString;

use wdistill_base::Problem;

/// Why arguments of sacreBLEU's are refused, and what helps.
struct Refusal {
    names: &'static [&'static str],
    fact: &'static str,
    hint: &'static str,
}

const NO_TEST_SETS: &str = "there are no test sets here";
const GIVE_FILES: &str = "give files of references";

const REFUSED: &[Refusal] = &[
    Refusal {
        names: &["-t", "--test-set", "--list", "--download", "--echo"],
        fact: NO_TEST_SETS,
        hint: GIVE_FILES,
    },
    Refusal {
        names: &["-ol", "--origlang", "--subset", "-d", "--detail"],
        fact: NO_TEST_SETS,
        hint: GIVE_FILES,
    },
    Refusal {
        names: &["-l", "--language-pair"],
        fact: NO_TEST_SETS,
        hint: "give files of references, and the tokeniser by --tokenize",
    },
    Refusal {
        names: &["--citation", "--cite"],
        fact: "there is no citation here",
        hint: "sacreBLEU prints its citation",
    },
    Refusal {
        names: &["-par", "--paired-ar", "-parn", "--paired-ar-n"],
        fact: "systems are not compared by approximate randomization",
        hint: "--paired-bs",
    },
    Refusal {
        names: &["-j", "--paired-jobs"],
        fact: "the comparison takes one thread",
        hint: "leave it out",
    },
];

fn refusal_of(argument: &str) -> Option<&'static Refusal> {
    let name = argument.split_once('=').map_or(argument, |(name, _)| name);
    REFUSED.iter().find(|refusal| refusal.names.contains(&name))
}

/// Why an argument that [`with_long_names`] handed on is refused.
pub fn refused(argument: &str) -> Problem {
    let (fact, hint) = match refusal_of(argument) {
        Some(Refusal { fact, hint, .. }) => (*fact, *hint),
        None => ("it is not known here", "see --help"),
    };
    Problem::with_hint(format!("{argument} of sacreBLEU is not supported: {fact}"), hint)
}

/// sacreBLEU's short names that are no single letter.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("-sl", "--sentence-level"),
    ("-nr", "--num-refs"),
    ("-lc", "--lowercase"),
    ("-tok", "--tokenize"),
    ("-sv", "--smooth-value"),
    ("-cc", "--chrf-char-order"),
    ("-cw", "--chrf-word-order"),
    ("-ci", "--confidence"),
    ("-cin", "--confidence-n"),
    ("-pbs", "--paired-bs"),
    ("-pbsn", "--paired-bs-n"),
    ("-sh", "--short"),
    ("-nc", "--no-color"),
];

/// The short names for the command's help.
pub fn short_names_help() -> String {
    let names: Vec<String> =
        SHORT_NAMES.iter().map(|(short, long)| format!("  {short:<7}{long}")).collect();
    format!("sacreBLEU's short names:\n{}", names.join("\n"))
}

/// The arguments of the program with sacreBLEU's short names written out, if the command is `score`; those that are
/// refused are handed on as `--unsupported`, so that [`refused`] can say why.
pub fn with_long_names(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|command| command == "score") {
        for argument in &mut arguments[2..] {
            if let Some((_, long)) = SHORT_NAMES.iter().find(|(short, _)| argument == short) {
                *argument = long.into();
            } else if let Some(name) = argument.to_str().filter(|name| refusal_of(name).is_some()) {
                *argument = format!("--unsupported={name}").into();
            }
        }
    }
    arguments
}
