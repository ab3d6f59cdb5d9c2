//! Help texts, as a user asks for them.

use std::collections::BTreeSet;
use std::process::Command;

/// What `wdistill COMMAND --help` prints.
pub fn help(command: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    // As wide as without a terminal.
    let output = program.args(command).arg("--help").env_remove("COLUMNS").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Names of the commands that a help lists.
pub fn commands_in(help: &str) -> BTreeSet<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // What a line has no room for stands further to the right.
    let is_name = |line: &&str| !line.starts_with("   ");
    let names = lines.take_while(|line| !line.is_empty()).filter(is_name);
    names.filter_map(|line| Some(line.split_whitespace().next()?.to_string())).collect()
}
