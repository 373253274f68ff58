//! A reader of data in Python's pickle format: what PyTorch writes for a dictionary of tensors, and nothing else.
//!
//! A pickle is a program for a stack machine that may call any function of Python. This machine knows a handful of
//! names ([`GLOBALS`]) and builds descriptions only: nothing is imported, called or executed, whatever the file says. It
//! allocates no more than a small multiple of the bytes that it has read.

use safetensors::Dtype;
use std::{collections::HashMap, io::Read};

/// Where a value lies in the machine's arena. Values live as long as the machine, so that no nesting, however deep,
/// needs a deep stack to go.
pub(super) type Place = usize;

/// What a pickle builds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number that i64 does not hold: its bytes, the least significant first.
    Long(Vec<u8>),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Place>),
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Global(&'static Global),
    Storage(Storage),
    Tensor(View),
}

/// The numbers of one or more tensors, as the file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub dtype: Dtype,
    pub key: String,
    /// How many numbers it holds.
    pub len: usize,
    /// In files of PyTorch before 1.6 a storage may be a part of another: from which number on.
    pub first: usize,
}

/// How many elements a tensor may have that repeats few numbers.
const MOST_REPEATED: usize = 1 << 20;

/// A tensor as a view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub storage: Storage,
    /// Of the first element, in the storage.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// How many numbers of the storage lie between neighbours along each axis.
    pub strides: Vec<usize>,
}

/// A name of Python's that dictionaries of tensors use.
#[derive(Debug, PartialEq)]
pub(super) struct Global {
    module: &'static str,
    name: &'static str,
    role: Role,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    OrderedDict,
    Size,
    /// A view of a storage.
    Tensor,
    /// A tensor by another name: the first argument.
    Parameter,
    /// Numbers of this kind.
    Numbers(Dtype),
    /// A name that is carried along and means nothing here.
    Inert,
}

const fn global(module: &'static str, name: &'static str, role: Role) -> Global {
    Global { module, name, role }
}

/// Everything that may be named.
static GLOBALS: &[Global] = &[
    global("collections", "OrderedDict", Role::OrderedDict),
    global("torch", "Size", Role::Size),
    global("torch._utils", "_rebuild_tensor_v2", Role::Tensor),
    global("torch._utils", "_rebuild_parameter", Role::Parameter),
    global("torch", "FloatStorage", Role::Numbers(Dtype::F32)),
    global("torch", "HalfStorage", Role::Numbers(Dtype::F16)),
    global("torch", "BFloat16Storage", Role::Numbers(Dtype::BF16)),
    global("torch", "DoubleStorage", Role::Numbers(Dtype::F64)),
    global("torch", "LongStorage", Role::Numbers(Dtype::I64)),
    global("torch", "IntStorage", Role::Numbers(Dtype::I32)),
    global("torch", "ShortStorage", Role::Numbers(Dtype::I16)),
    global("torch", "CharStorage", Role::Numbers(Dtype::I8)),
    global("torch", "ByteStorage", Role::Numbers(Dtype::U8)),
    global("torch", "BoolStorage", Role::Numbers(Dtype::BOOL)),
    global("torch", "float32", Role::Inert),
    global("torch", "float16", Role::Inert),
    global("torch", "bfloat16", Role::Inert),
    global("torch", "float64", Role::Inert),
];

/// How many bytes a string may have that is read before it is known to be there.
const BLOCK: usize = 1 << 16;
/// The longest line; what weights contain has some hundred bytes.
const LONGEST_LINE: usize = 1 << 16;
/// The longest key of a storage; they are numbers.
const LONGEST_KEY: usize = 64;
/// More arguments than any known name takes.
const MOST_ARGUMENTS: usize = 16;
/// The most axes of a tensor: PyTorch's limit.
const MOST_AXES: usize = 64;

/// The stack machine.
pub(super) struct Machine<R> {
    source: R,
    values: Vec<Value>,
    stack: Vec<Place>,
    marks: Vec<usize>,
    memo: HashMap<u64, Place>,
    /// Bytes read so far, and places copied from one container to another: these stay fewer.
    n_read: usize,
    n_copied: usize,
}

type Step<T = ()> = Result<T, String>;

impl<R: Read> Machine<R> {
    /// A machine before the first byte.
    pub fn new(source: R) -> Machine<R> {
        let (values, stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        Machine { source, values, stack, marks, memo, n_read: 0, n_copied: 0 }
    }

    /// Reads one pickle to its end; what it built stays with the machine.
    pub fn run(&mut self) -> Step<Place> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let code = self.byte()?;
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    /// The value at a place.
    pub fn value(&self, place: Place) -> &Value {
        &self.values[place]
    }

    /// What is behind the last pickle.
    pub fn source(&mut self) -> &mut R {
        &mut self.source
    }

    fn step(&mut self, code: u8) -> Step {
        match code {
            0x80 => self.protocol(),
            0x95 => self.bytes(8).map(|_| ()), // a frame's length: we read on anyhow
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(|_| ()),
            b'1' => self.above_mark().map(|_| ()),
            b'2' => {
                let top = *self.stack.last().ok_or(UNDERFLOW)?;
                self.stack.push(top);
                Ok(())
            }
            b'I' | b'L' | b'F' | b'S' | b'V' => self.line_value(code),
            b'J' | b'K' | b'M' | 0x8a | 0x8b | b'G' | b'N' | 0x88 | 0x89 => self.number(code),
            b'T' | b'U' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => self.text(code),
            b']' | b')' | b'}' | b'l' | b't' | b'd' | 0x85..=0x87 => self.container(code),
            b'a' | b'e' | b's' | b'u' => self.fill(code),
            b'g' | b'h' | b'j' | b'p' | b'q' | b'r' | 0x94 => self.remember(code),
            b'c' | 0x93 => self.name(code),
            b'R' | 0x81 => self.call(),
            b'b' => self.state(),
            b'Q' => {
                let id = self.pop()?;
                self.storage(id)
            }
            other => Err(format!("the instruction {other:#04x} has no place in a dictionary of tensors")),
        }
    }

    fn protocol(&mut self) -> Step {
        match self.byte()? {
            0..=5 => Ok(()),
            version => Err(format!("expected a pickle of protocol 0 to 5, found {version}")),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        let mut byte = [0];
        self.source.read_exact(&mut byte).map_err(|_| CUT)?;
        self.n_read += 1;
        Ok(byte[0])
    }

    /// The next bytes, allocated as they come: a length may lie.
    fn bytes(&mut self, n: usize) -> Step<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < n {
            let from = bytes.len();
            bytes.resize(n.min(from + BLOCK), 0);
            self.source.read_exact(&mut bytes[from..]).map_err(|_| CUT)?;
        }
        self.n_read += n;
        Ok(bytes)
    }

    fn whole(&mut self, n: usize) -> Step<u64> {
        let mut wide = [0; 8];
        wide[..n].copy_from_slice(&self.bytes(n)?);
        Ok(u64::from_le_bytes(wide))
    }

    fn line(&mut self) -> Step<String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return String::from_utf8(line).map_err(|_| "a line is not UTF-8".to_owned()),
                _ if line.len() == LONGEST_LINE => return Err("a line is too long".into()),
                byte => line.push(byte),
            }
        }
    }

    fn push(&mut self, value: Value) -> Step {
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    /// What lies on top; what is below a mark belongs to others.
    fn pop(&mut self) -> Step<Place> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return Err(UNDERFLOW.into());
        }
        self.stack.pop().ok_or(UNDERFLOW.into())
    }

    fn above_mark(&mut self) -> Step<Vec<Place>> {
        let mark = self.marks.pop().ok_or("there is no mark on the stack")?;
        if mark > self.stack.len() {
            return Err(UNDERFLOW.into());
        }
        Ok(self.stack.split_off(mark))
    }

    fn line_value(&mut self, code: u8) -> Step {
        let line = self.line()?;
        let bad = || format!("{line:?} is not the value that instruction {:?} promises", char::from(code));
        let value = match (code, line.as_str()) {
            (b'I', "00") => Value::Bool(false),
            (b'I', "01") => Value::Bool(true),
            (b'I' | b'L', digits) => Value::Int(digits.trim_end_matches('L').parse().map_err(|_| bad())?),
            (b'F', digits) => Value::Float(digits.parse().map_err(|_| bad())?),
            (b'V', text) => Value::Text(text.to_owned()),
            (_, quoted) => {
                let inner = ['\'', '"'].iter().find_map(|quote| quoted.strip_prefix(*quote)?.strip_suffix(*quote));
                Value::Text(inner.filter(|text| !text.contains('\\')).ok_or_else(bad)?.to_owned())
            }
        };
        self.push(value)
    }

    fn number(&mut self, code: u8) -> Step {
        let value = match code {
            b'K' => Value::Int(self.whole(1)? as i64),
            b'M' => Value::Int(self.whole(2)? as i64),
            b'J' => Value::Int(i64::from(self.whole(4)? as u32 as i32)),
            b'G' => {
                let bits = self.whole(8)?.swap_bytes();
                Value::Float(f64::from_bits(bits))
            }
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool(code == 0x88),
            _ => {
                let n = self.whole(if code == 0x8a { 1 } else { 4 })? as usize;
                self.long(n)?
            }
        };
        self.push(value)
    }

    /// A whole number of `n` bytes in two's complement.
    fn long(&mut self, n: usize) -> Step<Value> {
        if n > 255 {
            return Err(format!("a number of {n} bytes has no place in a dictionary of tensors"));
        }
        let bytes = self.bytes(n)?;
        if n > 8 {
            return Ok(Value::Long(bytes));
        }
        let fill = if bytes.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        wide[..n].copy_from_slice(&bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    fn text(&mut self, code: u8) -> Step {
        let n = self.whole(match code {
            b'U' | 0x8c | b'C' => 1,
            b'T' | b'X' | b'B' => 4,
            _ => 8,
        })?;
        let n = usize::try_from(n).map_err(|_| CUT)?;
        let bytes = self.bytes(n)?;
        self.push(match code {
            b'B' | b'C' | 0x8e | 0x96 => Value::Bytes(bytes),
            _ => Value::Text(String::from_utf8(bytes).map_err(|_| "a text is not UTF-8")?),
        })
    }

    fn container(&mut self, code: u8) -> Step {
        let value = match code {
            b']' => Value::List(Vec::new()),
            b')' => Value::Tuple(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            b'l' => Value::List(self.above_mark()?),
            b't' => Value::Tuple(self.above_mark()?),
            b'd' => Value::Dict(pairs(&self.above_mark()?)?),
            _ => {
                let n = usize::from(code - 0x84);
                let mut parts = (0..n).map(|_| self.pop()).collect::<Step<Vec<Place>>>()?;
                parts.reverse();
                Value::Tuple(parts)
            }
        };
        self.push(value)
    }

    /// APPEND, APPENDS, SETITEM and SETITEMS.
    fn fill(&mut self, code: u8) -> Step {
        let added = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
            _ => self.above_mark()?,
        };
        let target = *self.stack.last().ok_or(UNDERFLOW)?;
        match (code, &mut self.values[target]) {
            (b'a' | b'e', Value::List(list)) => list.extend(added),
            (b's' | b'u', Value::Dict(dict)) => dict.extend(pairs(&added)?),
            (b'a' | b'e', other) => return Err(format!("something is appended to {}", kind(other))),
            (_, other) => return Err(format!("an item is set in {}", kind(other))),
        }
        Ok(())
    }

    fn remember(&mut self, code: u8) -> Step {
        let index = match code {
            b'g' | b'p' => self.line()?.parse().map_err(|_| "a place of the memo is no number")?,
            b'h' | b'q' => self.whole(1)?,
            b'j' | b'r' => self.whole(4)?,
            _ => self.memo.len() as u64,
        };
        match code {
            b'g' | b'h' | b'j' => {
                let place = self.memo.get(&index).ok_or_else(|| format!("nothing was remembered as {index}"))?;
                self.stack.push(*place);
            }
            _ => _ = self.memo.insert(index, *self.stack.last().ok_or(UNDERFLOW)?),
        }
        Ok(())
    }

    /// GLOBAL and STACK_GLOBAL: one of the names that are known, or the end.
    fn name(&mut self, code: u8) -> Step {
        let (module, name) = match code {
            b'c' => (self.line()?, self.line()?),
            _ => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name)) => (module.clone(), name.clone()),
                    _ => return Err("a global is named by something that is no text".into()),
                }
            }
        };
        let known = GLOBALS.iter().find(|global| global.module == module && global.name == name);
        let known = known.ok_or_else(|| {
            let shown = format!("{module}.{name}").escape_debug().to_string();
            format!("it names {shown}, which no dictionary of tensors needs: refused, nothing was executed")
        })?;
        self.push(Value::Global(known))
    }

    /// REDUCE and NEWOBJ: what a known name makes of its arguments.
    fn call(&mut self) -> Step {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let arguments = match &self.values[arguments] {
            Value::Tuple(arguments) if arguments.len() <= MOST_ARGUMENTS => arguments.clone(),
            other => return Err(format!("a call has {} for arguments", kind(other))),
        };
        let Value::Global(global) = self.values[function] else {
            return Err(format!("a call of {}", kind(&self.values[function])));
        };
        match (global.role, arguments.as_slice()) {
            (Role::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Role::OrderedDict, [items]) => {
                let items = self.sequence(*items)?;
                let items = items.iter().map(|item| self.sequence(*item)).collect::<Step<Vec<_>>>()?;
                let flat: Vec<Place> = items.concat();
                self.afford(flat.len())?;
                self.push(Value::Dict(pairs(&flat)?))
            }
            (Role::Size, [axes]) => {
                let axes = self.sequence(*axes)?;
                self.afford(axes.len())?;
                self.push(Value::Tuple(axes))
            }
            (Role::Tensor, [storage, offset, shape, strides, ..]) => {
                let view = self.view([*storage, *offset, *shape, *strides])?;
                self.push(Value::Tensor(view))
            }
            (Role::Parameter, [tensor, ..]) => {
                self.stack.push(*tensor);
                Ok(())
            }
            _ => Err(format!("{}.{} is called with {} arguments", global.module, global.name, arguments.len())),
        }
    }

    fn sequence(&self, place: Place) -> Step<Vec<Place>> {
        match &self.values[place] {
            Value::Tuple(parts) | Value::List(parts) => Ok(parts.clone()),
            other => Err(format!("expected a sequence, found {}", kind(other))),
        }
    }

    /// Few bytes must not make much memory by copying what was remembered again and again.
    fn afford(&mut self, n: usize) -> Step {
        self.n_copied += n;
        if self.n_copied > self.n_read {
            return Err("it copies more than it holds".into());
        }
        Ok(())
    }

    fn size(&self, place: Place) -> Step<usize> {
        match self.values[place] {
            Value::Int(n) => usize::try_from(n).map_err(|_| format!("expected a size, found {n}")),
            ref other => Err(format!("expected a size, found {}", kind(other))),
        }
    }

    fn sizes(&self, place: Place) -> Step<Vec<usize>> {
        match &self.values[place] {
            Value::Tuple(axes) | Value::List(axes) if axes.len() <= MOST_AXES => {
                axes.iter().map(|place| self.size(*place)).collect()
            }
            other => Err(format!("expected at most {MOST_AXES} sizes, found {}", kind(other))),
        }
    }

    /// BUILD: the attributes of an ordered dictionary mean nothing to us; nothing else has any.
    fn state(&mut self) -> Step {
        self.pop()?;
        let target = *self.stack.last().ok_or(UNDERFLOW)?;
        match &self.values[target] {
            Value::Dict(_) => Ok(()),
            other => Err(format!("attributes are set on {}", kind(other))),
        }
    }

    /// BINPERSID: `("storage", kind of numbers, key, device, length)`, and before PyTorch 1.6 what part of another.
    fn storage(&mut self, id: Place) -> Step {
        let parts = self.sequence(id)?;
        let [word, numbers, key, _device, len, rest @ ..] = parts.as_slice() else {
            return Err(format!("a storage is described by {} values, expected 5", parts.len()));
        };
        let (Value::Text(word), Value::Global(Global { role: Role::Numbers(dtype), .. }), Value::Text(key)) =
            (&self.values[*word], &self.values[*numbers], &self.values[*key])
        else {
            return Err("a storage is described by values of other kinds than expected".into());
        };
        if word != "storage" || key.len() > LONGEST_KEY {
            return Err(format!("expected a storage and its number, found {:?}", brief(word, key)));
        }
        let first = match rest.first().map(|part| &self.values[*part]) {
            None | Some(Value::None) => 0,
            Some(Value::Tuple(part)) if part.len() == 3 => self.size(part[1])?,
            Some(other) => return Err(format!("a storage is a part of {}", kind(other))),
        };
        let storage = Storage { dtype: *dtype, key: key.clone(), len: self.size(*len)?, first };
        self.push(Value::Storage(storage))
    }

    /// A tensor that lies inside of its storage.
    fn view(&self, [storage, offset, shape, strides]: [Place; 4]) -> Step<View> {
        let Value::Storage(storage) = &self.values[storage] else {
            return Err(format!("a tensor is made of {}", kind(&self.values[storage])));
        };
        let (offset, shape, strides) = (self.size(offset)?, self.sizes(shape)?, self.sizes(strides)?);
        let view = View { storage: storage.clone(), offset, shape, strides };
        view.check()?;
        Ok(view)
    }
}

impl View {
    /// Every element lies in the storage, and there are not many more elements than numbers: a few bytes must not stand
    /// for gigabytes.
    fn check(&self) -> Step {
        let View { storage, offset, shape, strides } = self;
        let said = || format!("a tensor of shape {shape:?}, strides {strides:?} and offset {offset}");
        if shape.len() != strides.len() {
            return Err(said() + ": as many strides as axes are expected");
        }
        let elements = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        let reach = shape
            .iter()
            .zip(strides)
            .try_fold(*offset, |reach, (n, stride)| reach.checked_add(n.saturating_sub(1).checked_mul(*stride)?));
        let (Some(elements), Some(reach)) = (elements, reach) else { return Err(said() + " overflows") };
        if elements > 0 && reach >= storage.len {
            return Err(format!("{} does not fit its storage of {} numbers", said(), storage.len));
        }
        if elements > storage.len.max(MOST_REPEATED) {
            let len = storage.len;
            return Err(format!("{} repeats the {len} numbers of its storage; save it as tensor.contiguous()", said()));
        }
        Ok(())
    }

    /// Whether elements follow one another without gaps, in the order of their indices.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(n, stride)| {
            let right = *n <= 1 || *stride == expected;
            expected *= n;
            right
        })
    }
}

/// The first words of two texts.
fn brief(word: &str, key: &str) -> String {
    [word, " ", key].iter().flat_map(|text| text.chars()).take(LONGEST_KEY).collect()
}

const UNDERFLOW: &str = "it takes more from the stack than it put there";
const CUT: &str = "it ends in the middle: the file is cut or damaged";

fn pairs(flat: &[Place]) -> Step<Vec<(Place, Place)>> {
    match flat.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
        _ => Err("a key has no value".into()),
    }
}

/// What a value is, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::None => "nothing",
        Value::Bool(_) | Value::Int(_) | Value::Long(_) | Value::Float(_) => "a number",
        Value::Text(_) | Value::Bytes(_) => "a text",
        Value::Tuple(_) => "a tuple",
        Value::List(_) => "a list",
        Value::Dict(_) => "a dictionary",
        Value::Global(_) => "a name",
        Value::Storage(_) => "a storage",
        Value::Tensor(_) => "a tensor",
    }
}
