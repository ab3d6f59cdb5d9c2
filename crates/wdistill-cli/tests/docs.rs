//! The documentation holds: links lead somewhere, the summary names every page, commands and recipes are the program's.

mod help;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use help::{commands_in, help};
use wdistill_pipeline::Recipe;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn book() -> PathBuf {
    root().join("docs/src")
}

/// All Markdown files below a folder.
fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| match path.is_dir() {
        true => markdown_below(&path),
        false => vec![path],
    });
    below.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

fn pages() -> Vec<PathBuf> {
    let above = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root().join(name));
    above.into_iter().chain(markdown_below(&book())).collect()
}

/// A block of code: what it is written in, and its lines.
struct Block {
    language: String,
    text: String,
}

/// A page's text without its blocks of code, and these.
fn divide(page: &str) -> (String, Vec<Block>) {
    let (mut text, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.trim().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { language: language.to_string(), text: String::new() });
            }
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => text += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block of code has no end");
    (text, blocks)
}

/// The targets of all links of a page.
fn links(page: &str) -> Vec<String> {
    let (text, _) = divide(page);
    // What stands between backquotes is no link.
    let prose: String = text.split('`').step_by(2).collect();
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_string())).collect()
}

/// The anchor that GitHub and mdBook give a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let (text, _) = divide(&fs::read_to_string(page).unwrap());
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

/// Why a link of a page leads nowhere.
fn dead(page: &Path, link: &str) -> Option<String> {
    if ["http:", "https:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(p, a)| (p, Some(a)));
    let target = match path {
        "" => page.to_path_buf(),
        path => page.parent().unwrap().join(path),
    };
    let Ok(target) = target.canonicalize() else {
        return Some("there is no such file".to_string());
    };
    let leaves_book = page.starts_with(book()) && !target.starts_with(book());
    if leaves_book && path.ends_with(".md") {
        return Some("mdBook would make it a link to a page .html; link to its folder".to_string());
    }
    let is_missing = anchor.is_some_and(|anchor| !anchors(&target).contains(anchor));
    is_missing.then(|| "there is no such heading".to_string())
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    let mut problems = Vec::new();
    for page in pages() {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            let problem = dead(&page, &link);
            problems.extend(problem.map(|why| format!("{}: {link}: {why}", page.display())));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn a_dead_link_is_found() {
    let page = book().join("formats.md");
    assert!(dead(&page, "nowhere.md").is_some());
    assert!(dead(&page, "#no-such-heading").is_some());
    assert!(dead(&page, "../../README.md").is_some());
    assert!(dead(&page, "../../recipes/multi30k.toml").is_none());
    assert_eq!(links("[a](b.md) `[c](d.md)`\n```\n[e](f.md)\n```\n"), ["b.md"]);
}

#[test]
fn the_summary_lists_every_page() {
    let summary = book().join("SUMMARY.md");
    let listed: BTreeSet<PathBuf> = links(&fs::read_to_string(&summary).unwrap())
        .iter()
        .map(|link| book().join(link))
        .collect();
    let pages = markdown_below(&book()).into_iter().filter(|page| *page != summary);
    assert_eq!(listed, pages.collect());
}

/// The reference of keys is made of the types: `wdistill recipe keys --format markdown` writes it.
#[test]
fn the_reference_of_keys_is_what_the_program_prints() {
    let program = Command::new(env!("CARGO_BIN_EXE_wdistill"))
        .args(["recipe", "keys", "--format", "markdown"])
        .output()
        .unwrap();
    let keys = String::from_utf8(program.stdout).unwrap();
    assert!(keys.contains("| `learning_rate` | number | `0.0007` |"), "{keys}");
    let page = fs::read_to_string(book().join("recipe-keys.md")).unwrap();
    let (_, found) = page.split_once("\n## ").unwrap();
    assert!(
        format!("## {found}") == keys,
        "docs/src/recipe-keys.md is older than the program; hint: `just recipe-keys` writes it anew"
    );
}

/// Long flags that a help lists.
fn flags_in(help: &str) -> BTreeSet<String> {
    let options = help.lines().map(str::trim).filter(|line| line.starts_with('-'));
    let words = options.flat_map(|line| line.split_whitespace().take(3));
    let flags = words.filter(|word| word.starts_with("--"));
    flags.map(|word| word.trim_end_matches([',', '.']).to_string()).collect()
}

/// Why the program does not know the words that stand behind its name.
fn unknown(words: &[String]) -> Option<String> {
    let mut command: Vec<&str> = Vec::new();
    let mut text = help(&command);
    while let Some(next) = words.get(command.len()).filter(|_| text.contains("\nCommands:\n")) {
        if next.starts_with('-') {
            break;
        }
        if !commands_in(&text).contains(next) {
            return Some(format!("there is no command {next}"));
        }
        command.push(next);
        text = help(&command);
    }
    let flags = flags_in(&text);
    let given = words.iter().filter(|word| word.starts_with("--"));
    let mut names = given.map(|word| word.split('=').next().unwrap_or(word));
    let unknown = names.find(|name| !flags.contains(*name))?;
    Some(format!("{command:?} has no {unknown}"))
}

/// What stands behind the program's name in each command of a block for a shell.
fn calls(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let mut calls = Vec::new();
    for line in joined.lines().map(|line| line.split(" #").next().unwrap_or(line)) {
        for part in line.split(['|', ';', '&']) {
            let words: Vec<String> = part.split_whitespace().map(str::to_string).collect();
            let is_program = |word: &String| word == "wdistill" || word.ends_with("/wdistill");
            let by_cargo = words.starts_with(&["cargo".to_string(), "run".to_string()]);
            let start = match by_cargo && !words.contains(&"--example".to_string()) {
                true => words.iter().position(|word| word == "--"),
                false => words.first().filter(|word| is_program(word)).map(|_| 0),
            };
            let Some(start) = start else { continue };
            let own = words[start + 1..].iter().take_while(|word| !word.starts_with(['<', '>']));
            calls.push(own.cloned().collect());
        }
    }
    calls
}

#[test]
fn commands_in_blocks_for_a_shell_are_the_programs() {
    let mut count = 0;
    let mut problems = Vec::new();
    for page in pages() {
        let (_, blocks) = divide(&fs::read_to_string(&page).unwrap());
        for block in blocks.iter().filter(|block| block.language == "sh") {
            for call in calls(&block.text) {
                count += 1;
                let problem = unknown(&call);
                problems.extend(problem.map(|why| format!("{}: {why}", page.display())));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 30, "only {count} commands were found");
}

#[test]
fn a_wrong_command_is_found() {
    let block = "head -3 a | wdistill translate --model m \\\n  --beem 4 < b > c\ncargo run --release -- demos";
    let calls = calls(block);
    assert_eq!(calls[0], ["translate", "--model", "m", "--beem", "4"]);
    assert_eq!(unknown(&calls[0]).unwrap(), "[\"translate\"] has no --beem");
    assert_eq!(unknown(&calls[1]).unwrap(), "there is no command demos");
    assert_eq!(unknown(&["translate".into(), "--beam-size=4".into()]), None);
}

#[test]
fn whole_recipes_resolve() {
    let mut count = 0;
    for page in pages() {
        let (_, blocks) = divide(&fs::read_to_string(&page).unwrap());
        let recipes = blocks.iter().filter(|block| block.text.starts_with("title ="));
        for Block { language, text } in recipes {
            assert_eq!(language, "toml");
            let recipe = Recipe::parse(text, &page, None).unwrap_or_else(|error| panic!("{error}"));
            recipe.plan().unwrap_or_else(|error| panic!("{error}"));
            count += 1;
        }
    }
    assert!(count > 0, "there is no whole recipe");
    let recipes = fs::read_dir(root().join("recipes")).unwrap();
    for path in recipes.map(|entry| entry.unwrap().path()) {
        let recipe = Recipe::read(&path, None).unwrap_or_else(|error| panic!("{error}"));
        recipe.plan().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
