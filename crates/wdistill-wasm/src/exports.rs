//! What JavaScript calls, by name.
//!
//! JavaScript asks for room in the input ([`input`]), writes bytes there, and calls a function that takes them. Its answer
//! lies in the output, as JSON, or as the text of an error. Memory is only touched through vectors that the module owns.

// The names of functions are all that is unsafe here: no other function of the module may have them.
#![allow(unsafe_code)]

use std::cell::RefCell;

use serde::Serialize;
use wdistill_base::Problem;

use crate::session::{MODEL_FILES, Session};

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static SESSION: RefCell<Session> = RefCell::default();
}

/// What a function's number says of its output.
const ANSWER: u32 = 0;
/// The output is an error's text.
const ERROR: u32 = 1;

/// The input, and nothing left of an earlier output: a trap may leave it as it is.
fn take_input() -> Vec<u8> {
    OUTPUT.take();
    INPUT.take()
}

fn answer(result: Result<impl Serialize, Problem>) -> u32 {
    let (kind, output) = match result {
        Ok(value) => (ANSWER, serde_json::to_vec(&value).expect("texts and numbers serialise")),
        Err(problem) => (ERROR, problem.in_lines().into_bytes()),
    };
    OUTPUT.set(output);
    kind
}

/// Must be called first: a panic's message then becomes the output before the module traps.
#[unsafe(no_mangle)]
pub extern "C" fn start() {
    std::panic::set_hook(Box::new(|panic| OUTPUT.set(panic.to_string().into_bytes())));
}

/// Makes room for so many bytes of input, and says where.
#[unsafe(no_mangle)]
pub extern "C" fn input(length: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|input| {
        *input = vec![0; length];
        input.as_mut_ptr()
    })
}

/// Where the output lies.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}

/// How many bytes the output has.
#[unsafe(no_mangle)]
pub extern "C" fn output_length() -> usize {
    OUTPUT.with_borrow(Vec::len)
}

/// The answer is a list of the names of the files that a model has.
#[unsafe(no_mangle)]
pub extern "C" fn model_files() -> u32 {
    answer(Ok(MODEL_FILES))
}

/// Adds a file of the model: the input is its name, of so many bytes, and then its content.
#[unsafe(no_mangle)]
pub extern "C" fn add_file(name_length: usize) {
    let mut name = take_input();
    let content = name.split_off(name_length.min(name.len()));
    let name = String::from_utf8_lossy(&name).into_owned();
    SESSION.with_borrow_mut(|session| session.add_file(name, content));
}

/// Makes the translator of the files. The input are the options, the answer is the languages or null.
#[unsafe(no_mangle)]
pub extern "C" fn open() -> u32 {
    let options = take_input();
    answer(SESSION.with_borrow_mut(|session| session.open(&options)))
}

/// Translates. The input is a list of texts, the answer a list of translations.
#[unsafe(no_mangle)]
pub extern "C" fn translate() -> u32 {
    let lines = take_input();
    answer(SESSION.with_borrow(|session| session.translate(&lines)))
}
