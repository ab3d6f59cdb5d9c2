//! Python's pickles as data. Nothing is ever called: what a pickle would have Python build is kept as the name
//! of the class or function and its arguments, and names outside a short list are refused.
//!
//! Values lie in one list and refer to each other by their numbers, so that a pickle that shares or repeats
//! values, or holds itself, takes no more memory than its own size justifies. The operations are those of
//! Python's `pickletools.py`, protocols 0 to 5.

use std::collections::HashMap;

use super::bytes::{Reader, text};

/// Number of a value.
pub(crate) type Id = usize;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer that does not fit, as its little-endian bytes.
    Long(Vec<u8>),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A list, tuple or set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function: the texts of its module and name.
    Name {
        module: Id,
        name: Id,
    },
    /// What a class or function would make of its arguments, with the state and items it would be given.
    Made {
        by: Id,
        arguments: Id,
        state: Option<Id>,
        items: Vec<(Id, Id)>,
    },
    /// Something kept outside the pickle.
    Outside(Id),
}

/// Modules whose classes are data, or make data of data.
const MODULES: &[&str] = &[
    "torch",
    "collections",
    "argparse",
    "omegaconf",
    "fairseq",
    "numpy",
    "_codecs",
    "copyreg",
    "copy_reg",
    "typing",
    "pathlib",
    "enum",
    "datetime",
];

/// Names of `builtins` that are data.
const BUILTINS: &[&str] = &[
    "object",
    "set",
    "frozenset",
    "dict",
    "list",
    "tuple",
    "int",
    "float",
    "str",
    "bytes",
    "bytearray",
    "bool",
    "complex",
    "long",
    "unicode",
];

/// More values than any model's pickle has; each takes up to a hundred bytes.
const MOST_VALUES: usize = 1 << 21;

/// All values of a pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle, and nothing after it.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Pickle, String> {
        let mut machine = Machine::default();
        loop {
            let position = reader.position();
            let operation = reader.u8("an operation of the pickle")?;
            if operation == b'.' {
                let root = machine.pop()?;
                return Ok(Pickle { values: machine.values, root });
            }
            if machine.values.len() > MOST_VALUES {
                return Err(format!("the pickle has more than {MOST_VALUES} values"));
            }
            machine.run(operation, reader).map_err(|problem| {
                format!("the pickle's operation at byte {position}: {problem}")
            })?;
        }
    }

    /// The value that the pickle is.
    pub(crate) fn root(&self) -> Id {
        self.root
    }

    /// Numbers of all values.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        0..self.values.len()
    }

    pub(crate) fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// Entries of a dictionary, or of an object that is one or has one for its state.
    pub(crate) fn entries(&self, id: Id) -> Option<Vec<(Id, Id)>> {
        match self.value(id) {
            Value::Dict(entries) => Some(entries.clone()),
            Value::Made { state, items, .. } => {
                let mut entries = items.clone();
                if let Some(Value::Dict(state)) = state.map(|state| self.value(state)) {
                    entries.extend(state);
                }
                Some(entries)
            }
            _ => None,
        }
    }

    /// Entries of a dictionary, or of an object that is one, without the object's own fields.
    pub(crate) fn items(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.value(id) {
            Value::Dict(items) | Value::Made { items, .. } => Some(items),
            _ => None,
        }
    }

    /// The value of a dictionary's entry or an object's field.
    pub(crate) fn get(&self, id: Id, name: &str) -> Option<Id> {
        let entries = self.entries(id)?;
        entries.into_iter().find(|(key, _)| self.text(*key) == Some(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, id: Id) -> Option<i64> {
        match self.value(id) {
            Value::Int(number) => Some(*number),
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    pub(crate) fn list(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub(crate) fn name(&self, id: Id) -> Option<[&str; 2]> {
        match self.value(id) {
            Value::Name { module, name } => Some([self.text(*module)?, self.text(*name)?]),
            _ => None,
        }
    }

    /// Module and name of what makes a value, and its arguments.
    pub(crate) fn made(&self, id: Id) -> Option<([&str; 2], &[Id])> {
        match self.value(id) {
            Value::Made { by, arguments, .. } => Some((self.name(*by)?, self.list(*arguments)?)),
            _ => None,
        }
    }
}

/// Values, the stack and the memo of a pickle that is being read.
#[derive(Default)]
struct Machine {
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine {
    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("nothing is left on the stack".to_string());
        }
        Ok(self.stack.pop().expect("the stack is higher than its floor"))
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(|| "nothing is on the stack".to_string())
    }

    /// What was pushed since the last mark, which goes.
    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("there is no mark on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn list_of(&mut self, count: usize) -> Result<(), String> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::List(items));
        Ok(())
    }

    fn memoise(&mut self, key: u64) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = self.memo.get(&key).ok_or_else(|| format!("value {key} was never kept"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn append(&mut self, to: Id, items: &[Id]) -> Result<(), String> {
        match &mut self.values[to] {
            Value::List(list) => list.extend(items),
            // A class of its own, such as a subclass of list: what it would keep is of no use here.
            Value::Made { .. } => {}
            other => return Err(format!("items are added to {}", kind(other))),
        }
        Ok(())
    }

    fn set(&mut self, to: Id, items: &[Id]) -> Result<(), String> {
        if !items.len().is_multiple_of(2) {
            return Err("a key has no value".to_string());
        }
        let pairs = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        match &mut self.values[to] {
            Value::Dict(entries) | Value::Made { items: entries, .. } => entries.extend(pairs),
            other => return Err(format!("entries are added to {}", kind(other))),
        }
        Ok(())
    }

    /// A class or function, whose module and name are texts.
    fn name(&mut self, module: Id, name: Id) -> Result<(), String> {
        let (module_text, name_text) = match (&self.values[module], &self.values[name]) {
            (Value::Text(module), Value::Text(name)) => (module.as_str(), name.as_str()),
            (module, name) => return Err(format!("{} names {}", kind(module), kind(name))),
        };
        let root = module_text.split('.').next().unwrap_or(module_text);
        let builtin = matches!(root, "builtins" | "__builtin__") && BUILTINS.contains(&name_text);
        if !builtin && !MODULES.contains(&root) {
            return Err(format!(
                "it refers to {}.{}, which is no plain data; nothing is executed here, and such a file is not \
                 read",
                shown(module_text),
                shown(name_text)
            ));
        }
        self.push(Value::Name { module, name });
        Ok(())
    }

    fn make(&mut self, by: Id, arguments: Id) -> Result<(), String> {
        match (&self.values[by], &self.values[arguments]) {
            (Value::Name { .. }, Value::List(_)) => {}
            (by, arguments) => {
                return Err(format!("{} is called with {}", kind(by), kind(arguments)));
            }
        }
        self.push(Value::Made { by, arguments, state: None, items: Vec::new() });
        Ok(())
    }

    fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Made { state: place, .. } => *place = Some(state),
            other => return Err(format!("{} is given a state", kind(other))),
        }
        Ok(())
    }

    /// Operations on the stack and the memo, and single values.
    fn run(&mut self, operation: u8, reader: &mut Reader<'_>) -> Result<(), String> {
        match operation {
            0x80 => {
                let protocol = reader.u8("the protocol")?;
                if protocol > 5 {
                    return Err(format!("its protocol is {protocol}, expected at most 5"));
                }
            }
            0x95 => {
                reader.u64("the length of a frame")?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.since_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'I' | b'J' | b'K' | b'L' | b'M' | 0x8a | 0x8b | b'F' | b'G' => {
                let number = number(operation, reader)?;
                self.push(number);
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => {
                let string = string(operation, reader)?;
                self.push(string);
            }
            b'g' | b'h' | b'j' => self.recall(key(operation, reader)?)?,
            b'p' | b'q' | b'r' => self.memoise(key(operation, reader)?)?,
            0x94 => self.memoise(self.memo.len() as u64)?,
            _ => self.run_on_lists(operation, reader)?,
        }
        Ok(())
    }

    /// Operations that make and fill lists and dictionaries.
    fn run_on_lists(&mut self, operation: u8, reader: &mut Reader<'_>) -> Result<(), String> {
        match operation {
            b']' | b')' | 0x8f => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'l' | b't' | 0x91 => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            0x85 => self.list_of(1)?,
            0x86 => self.list_of(2)?,
            0x87 => self.list_of(3)?,
            b'd' => {
                let items = self.since_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(self.values.len() - 1, &items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(self.top()?, &[item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.append(self.top()?, &items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(self.top()?, &[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(self.top()?, &items)?;
            }
            _ => self.run_on_objects(operation, reader)?,
        }
        Ok(())
    }

    /// Operations that name classes, make objects and point outside.
    fn run_on_objects(&mut self, operation: u8, reader: &mut Reader<'_>) -> Result<(), String> {
        match operation {
            b'c' | b'i' => self.global(operation, reader)?,
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.name(module, name)?;
            }
            b'R' | 0x81 => {
                let (arguments, by) = (self.pop()?, self.pop()?);
                self.make(by, arguments)?;
            }
            0x92 => {
                let (_, arguments, by) = (self.pop()?, self.pop()?, self.pop()?);
                self.make(by, arguments)?;
            }
            b'o' => {
                let mut items = self.since_mark()?.into_iter();
                let by = items.next().ok_or("a class is missing")?;
                self.push(Value::List(items.collect()));
                let arguments = self.pop()?;
                self.make(by, arguments)?;
            }
            b'b' => self.build()?,
            b'P' => {
                let name =
                    text(reader.line("a persistent name")?, "a persistent name")?.to_string();
                self.push(Value::Text(name));
                let id = self.pop()?;
                self.push(Value::Outside(id));
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Outside(id));
            }
            other => return Err(format!("operation {other:#04x} is not known")),
        }
        Ok(())
    }

    /// `module` and `name` in two lines; with the values since a mark as arguments, an object.
    fn global(&mut self, operation: u8, reader: &mut Reader<'_>) -> Result<(), String> {
        let arguments = match operation {
            b'i' => Some(self.since_mark()?),
            _ => None,
        };
        for what in ["a module", "a name"] {
            let line = text(reader.line(what)?, what)?.to_string();
            self.push(Value::Text(line));
        }
        let (name, module) = (self.pop()?, self.pop()?);
        self.name(module, name)?;
        let Some(arguments) = arguments else { return Ok(()) };
        let by = self.pop()?;
        self.push(Value::List(arguments));
        let arguments = self.pop()?;
        self.make(by, arguments)
    }
}

/// The start of a text from a file, without anything that a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::None => "None",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Long(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::Bytes(_) => "bytes",
        Value::List(_) => "a list",
        Value::Dict(_) => "a dictionary",
        Value::Name { .. } => "a class",
        Value::Made { .. } => "an object",
        Value::Outside(_) => "something outside",
    }
}

/// Where a value is kept: a decimal line, a byte, or four.
fn key(operation: u8, reader: &mut Reader<'_>) -> Result<u64, String> {
    match operation {
        b'g' | b'p' => {
            let line = text(reader.line("a number")?, "a number")?;
            line.parse().map_err(|_| format!("{line:?} is no number"))
        }
        b'h' | b'q' => reader.u8("a number").map(u64::from),
        _ => reader.u32("a number").map(u64::from),
    }
}

fn number(operation: u8, reader: &mut Reader<'_>) -> Result<Value, String> {
    let line = |reader: &mut Reader<'_>| {
        let line = text(reader.line("a number")?, "a number")?.to_string();
        Ok::<_, String>(line)
    };
    let parsed = |line: &str| line.parse().map_err(|_| format!("{line:?} is no number"));
    Ok(match operation {
        b'I' => match line(reader)?.as_str() {
            "00" => Value::Bool(false),
            "01" => Value::Bool(true),
            other => Value::Int(parsed(other)?),
        },
        b'L' => Value::Int(parsed(line(reader)?.trim_end_matches('L'))?),
        b'J' => Value::Int(i64::from(reader.i32("an integer")?)),
        b'K' => Value::Int(i64::from(reader.u8("an integer")?)),
        b'M' => Value::Int(i64::from(reader.u16("an integer")?)),
        b'F' => {
            let line = line(reader)?;
            Value::Float(line.parse().map_err(|_| format!("{line:?} is no number"))?)
        }
        b'G' => Value::Float(reader.f64_big_endian("a number")?),
        _ => {
            let length = match operation {
                0x8a => u32::from(reader.u8("the length of an integer")?),
                _ => reader.u32("the length of an integer")?,
            };
            long(reader.take(length as usize, "an integer")?)
        }
    })
}

/// A two's complement integer of any length.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Long(bytes.to_vec());
    }
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut all = [if is_negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}

fn string(operation: u8, reader: &mut Reader<'_>) -> Result<Value, String> {
    let what = "the length of a text";
    if matches!(operation, b'S' | b'V') {
        let line = text(reader.line("a text")?, "a text")?;
        let quoted =
            |quote| line.strip_prefix(quote).and_then(|line: &str| line.strip_suffix(quote));
        let content = quoted('\'').or_else(|| quoted('"')).unwrap_or(line);
        return Ok(Value::Text(content.to_string()));
    }
    let length = match operation {
        b'U' | 0x8c | b'C' => u64::from(reader.u8(what)?),
        b'T' | b'X' | b'B' => u64::from(reader.u32(what)?),
        _ => reader.u64(what)?,
    };
    let length = usize::try_from(length).map_err(|_| format!("a text of {length} bytes"))?;
    let bytes = reader.take(length, "a text")?;
    Ok(match operation {
        b'X' | 0x8c | 0x8d => Value::Text(text(bytes, "a text")?.to_string()),
        // Python 2 wrote its texts as bytes.
        b'T' | b'U' => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_string()),
            Err(_) => Value::Bytes(bytes.to_vec()),
        },
        _ => Value::Bytes(bytes.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Pickle, String> {
        Pickle::read(&mut Reader::new(bytes))
    }

    #[test]
    fn plain_values_are_read() {
        // pickle.dumps({"a": [1, -2, 300, 2.5, None, True], "b": (2**40, "é")}, 2), from Python 3.11.
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01G@\x04\x00\
                      \x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x03\x8a\x06\x00\x00\x00\x00\x00\x01X\
                      \x02\x00\x00\x00\xc3\xa9q\x04\x86q\x05u.";
        let pickle = read(bytes).unwrap();
        let list = pickle.list(pickle.get(pickle.root(), "a").unwrap()).unwrap();
        let values: Vec<&Value> = list.iter().map(|id| pickle.value(*id)).collect();
        let (one, two, many) = (Value::Int(1), Value::Int(-2), Value::Int(300));
        assert_eq!(
            values,
            [&one, &two, &many, &Value::Float(2.5), &Value::None, &Value::Bool(true)]
        );
        let pair = pickle.list(pickle.get(pickle.root(), "b").unwrap()).unwrap();
        assert_eq!(pickle.integer(pair[0]), Some(1 << 40));
        assert_eq!(pickle.text(pair[1]), Some("é"));
    }

    #[test]
    fn objects_are_names_and_fields() {
        // pickle.dumps(argparse.Namespace(arch="x"), 0) and 4.
        let old = b"ccopy_reg\n_reconstructor\np0\n(cargparse\nNamespace\np1\nc__builtin__\nobject\np2\nNtp3\n\
                    Rp4\n(dp5\nVarch\np6\nVx\np7\nsb.";
        let new = b"\x80\x04\x95(\x00\x00\x00\x00\x00\x00\x00\x8c\x08argparse\x94\x8c\tNamespace\x94\x93\x94)\
                    \x81\x94}\x94\x8c\x04arch\x94\x8c\x01x\x94sb.";
        for bytes in [old.as_slice(), new] {
            let pickle = read(bytes).unwrap();
            let arch = pickle.get(pickle.root(), "arch").unwrap();
            assert_eq!(pickle.text(arch), Some("x"));
        }
    }

    #[test]
    fn what_would_execute_is_refused_by_name() {
        for bytes in [
            b"cposix\nsystem\n(S'echo'\ntR.".as_slice(),
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04echo\x85R.",
            b"(S'echo'\nios\nsystem\n.",
            b"cbuiltins\neval\n(S'1'\ntR.",
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains("no plain data"), "{error}");
        }
    }

    #[test]
    fn damaged_pickles_are_errors() {
        for (bytes, problem) in [
            (b"".as_slice(), "an operation"),
            (b".", "nothing is left"),
            (b"(.", "nothing is left"),
            (b"\x80\x09N.", "its protocol is 9"),
            (b"X\xff\xff\xff\xffa.", "only 2 are left"),
            (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "only 2 are left"),
            (b"\x8b\xff\xff\xff\x7f.", "an integer"),
            (b"h\x05.", "never kept"),
            (b"Ns.", "nothing is left"),
            (b"N]a.", "items are added to None"),
            (b"}(K\x01u.", "a key has no value"),
            (b"NNR.", "None is called with None"),
            (b"NNb.", "None is given a state"),
            (b"e.", "no mark"),
            (b"\xff.", "operation 0xff is not known"),
            (b"X\x01\x00\x00\x00\xff.", "not UTF-8"),
            (b"I1", "has no end"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(problem), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn values_that_hold_themselves_or_grow_by_sharing_stay_small() {
        // A list that is its own item.
        let pickle = read(b"]q\x00h\x00a.").unwrap();
        assert_eq!(pickle.list(pickle.root()).unwrap(), [pickle.root()]);
        // Each list holds the one before twice: 2^60 items if they were copied.
        let mut bytes = b"]".to_vec();
        for _ in 0..60 {
            bytes.extend(b"q\x00h\x00\x86");
        }
        bytes.push(b'.');
        assert_eq!(read(&bytes).unwrap().values.len(), 61);
        // A long name that many classes share is there once.
        let mut bytes = [b"X", &5000u32.to_le_bytes()[..], b"torch.", &[b'a'; 4994]].concat();
        bytes.extend(b"q\x00X\x01\x00\x00\x00bq\x01");
        for _ in 0..1000 {
            bytes.extend(b"h\x00h\x01\x93");
        }
        bytes.push(b'.');
        let pickle = read(&bytes).unwrap();
        let texts = pickle.values.iter().filter(|value| matches!(value, Value::Text(_)));
        assert_eq!((texts.count(), pickle.values.len()), (2, 1002));
        // Values take more room than the bytes that make them: there is an end to it.
        let many = vec![b')'; MOST_VALUES + 2];
        assert!(read(&many).unwrap_err().contains("more than 2097152 values"));
    }
}
