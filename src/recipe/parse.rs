//! From TOML and `--set` to a table, with the place of every value.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{Recipe, Setting, schema};
use crate::{
    error::{Error, Result, did_you_mean},
    input,
    tasks::Definition,
};

/// The table in `text`, checked for keys and types, and the place of each value; what it does not say, the recipe says
/// that it extends.
pub(super) fn read(text: &str, name: &str) -> Result<(Table, BTreeMap<String, String>)> {
    let (mut table, mut places) = read_alone(text, name)?;
    let Some(Value::String(extended)) = table.remove(EXTENDS) else { return Ok((table, places)) };
    let place = places.remove(EXTENDS).unwrap_or_default();
    let (base, base_places) = read_extended(&extended, name)
        .map_err(|error| Error::Config(format!("{place}: {EXTENDS} = \"{extended}\": {}", error.message())))?;
    let has_seed = table.contains_key("seed");
    let is_own = |key: &str| ["name", "about"].contains(&key) || key == "seeds" && has_seed;
    for (key, value) in base.into_iter().filter(|(key, _)| !is_own(key)) {
        inherit(&mut table, key, value);
    }
    let known = flatten(&table);
    for (key, place) in base_places.into_iter().filter(|(key, _)| known.contains_key(key)) {
        places.entry(key).or_insert(place);
    }
    Ok((table, places))
}

/// The key that names the recipe to build on.
const EXTENDS: &str = "extends";

/// A recipe that ships, by its name, or a file beside the one that names it.
fn read_extended(extended: &str, name: &str) -> Result<(Table, BTreeMap<String, String>)> {
    let (text, name) = if extended.ends_with(".toml") {
        let path = Path::new(name).with_file_name(extended);
        (input::read_text(&path)?, path.display().to_string())
    } else {
        (super::find(extended)?.to_owned(), extended.to_owned())
    };
    let (table, places) = read_alone(&text, &name)?;
    match table.contains_key(EXTENDS) {
        true => Err(Error::Config(format!("{name} extends another itself; name that one, and repeat what differs"))),
        false => Ok((table, places)),
    }
}

/// Takes over a value that is not given: of a table each that is not given, of a list all or nothing.
fn inherit(table: &mut Table, key: String, value: Value) {
    match (table.get_mut(&key), value) {
        (None, value) => _ = table.insert(key, value),
        (Some(Value::Table(own)), Value::Table(base)) => {
            base.into_iter().for_each(|(key, value)| inherit(own, key, value));
        }
        (Some(_), _) => {}
    }
}

/// The same of this text alone.
fn read_alone(text: &str, name: &str) -> Result<(Table, BTreeMap<String, String>)> {
    let refused = |error: toml::de::Error| refuse_in(text, name, &error);
    let (table, moved) = schema::upgraded(toml::from_str(text).map_err(refused)?);
    match moved.is_empty() {
        true => _ = toml::from_str::<Recipe>(text).map_err(refused)?,
        false => _ = Recipe::deserialize(table.clone()).map_err(|error| refuse(name, "", &error))?,
    }
    let spans = DeTable::parse(text).map_err(refused)?;
    let mut places = BTreeMap::new();
    for (key, value) in spans.get_ref() {
        locate(key.get_ref(), value, &mut |key, at| {
            let key = moved.get(&key).cloned().unwrap_or(key);
            places.insert(key, format!("{name}:{}", line_at(text, at)));
        });
    }
    Ok((table, places))
}

/// An error of the parser in our words, with its line.
pub fn refuse_in(text: &str, name: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(String::new(), |span| format!(":{}", line_at(text, span.start)));
    refuse(name, &line, error)
}

/// An error of the parser in our words.
pub(super) fn refuse(name: &str, place: &str, error: &toml::de::Error) -> Error {
    let message = error.message().trim();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = [("unknown field", "key"), ("unknown variant", "value")];
    let message = match unknown.iter().find(|(prefix, _)| message.starts_with(prefix)) {
        Some((_, what)) => {
            let wrong = quoted.next().unwrap_or_default();
            let remedy = match schema::is_of_mlm(wrong) {
                true => "it belongs in mlm, that is below [stages.mlm]".to_owned(),
                false => did_you_mean(wrong, quoted),
            };
            format!("unknown {what} \"{wrong}\"; {remedy}")
        }
        None if message.contains("unicode value digits") || message.contains("escape") => format!(
            "{}; \\ begins an escape inside double quotes: write a Windows path in 'single quotes' or with /",
            message.replace('\n', "; ")
        ),
        None => no_number(message).unwrap_or_else(|| message.replace('\n', "; ")),
    };
    Error::Config(format!("{name}{place}: {message}"))
}

/// What is said of a text where a number is expected.
fn no_number(message: &str) -> Option<String> {
    let (found, kind) = message.strip_prefix("invalid type: string ")?.split_once(", expected ")?;
    match kind {
        "u32" | "u64" | "usize" => Some(format!("expected a whole number, such as 3, found {found}")),
        "f32" | "f64" => Some(format!("expected a number, such as 0.5 or 2e-5, found {found}")),
        _ => None,
    }
}

fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Calls `found` with the key and the position of every value under `key`.
fn locate(key: &str, value: &Spanned<DeValue>, found: &mut impl FnMut(String, usize)) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (inner, value) in table {
                locate(&format!("{key}.{}", inner.get_ref()), value, found);
            }
        }
        DeValue::Array(array) if array.iter().any(|value| matches!(value.get_ref(), DeValue::Table(_))) => {
            for (i, value) in array.iter().enumerate() {
                locate(&format!("{key}.{i}"), value, found);
            }
        }
        _ => found(key.to_owned(), value.span().start),
    }
}

/// Every value by its key with dots; an array without tables is one value.
pub(super) fn flatten(table: &Table) -> BTreeMap<String, Value> {
    fn add(key: String, value: &Value, all: &mut BTreeMap<String, Value>) {
        match value {
            Value::Table(table) => {
                for (inner, value) in table {
                    add(format!("{key}.{inner}"), value, all);
                }
            }
            Value::Array(array) if array.iter().any(Value::is_table) => {
                for (i, value) in array.iter().enumerate() {
                    add(format!("{key}.{i}"), value, all);
                }
            }
            _ => {
                all.insert(key, value.clone());
            }
        }
    }
    let mut all = BTreeMap::new();
    for (key, value) in table {
        add(key.clone(), value, &mut all);
    }
    all
}

/// The same with the tasks whose files stages name, and their names in place of the files'.
pub(super) fn with_tasks(mut given: Table, name: &str, sources: &mut BTreeMap<String, String>) -> Result<Table> {
    let Some(Value::Array(mut stages)) = given.remove("stages") else { return Ok(given) };
    let mut tasks = match given.remove("tasks") {
        Some(Value::Array(tasks)) => tasks,
        _ => Vec::new(),
    };
    let mut named: Vec<(String, &mut String)> = Vec::new();
    for (i, stage) in stages.iter_mut().enumerate() {
        let Value::Table(stage) = stage else { continue };
        for (key, value) in stage.iter_mut().filter(|(key, _)| ["task", "beside"].contains(&key.as_str())) {
            let names = match value {
                Value::String(name) => vec![name],
                Value::Array(names) => names.iter_mut().filter_map(string).collect(),
                _ => Vec::new(),
            };
            named.extend(names.into_iter().map(|name| (format!("stages.{i}.{key}"), name)));
        }
    }
    for (key, task) in named.into_iter().filter(|(_, task)| task.ends_with(".toml")) {
        let beside = Path::new(name).with_file_name(&*task);
        let path = if beside.is_file() { beside } else { Path::new(&*task).to_path_buf() };
        let file = path.display().to_string();
        let definition = input::read_text(&path).and_then(|text| Definition::parse(&text, &file)).map_err(|error| {
            let place = place(sources, name, &key);
            Error::Config(format!("{place}: {}: {}", last_part(&key), error.message()))
        })?;
        *task = definition.name.clone();
        let value = Value::try_from(&definition).expect("a definition is plain data");
        if !tasks.contains(&value) {
            let table = Table::from_iter([(format!("tasks.{}", tasks.len()), value.clone())]);
            sources.extend(flatten(&table).into_keys().map(|key| (key, file.clone())));
            tasks.push(value);
        }
    }
    given.insert("stages".to_owned(), Value::Array(stages));
    if !tasks.is_empty() {
        given.insert("tasks".to_owned(), Value::Array(tasks));
    }
    Ok(given)
}

fn string(value: &mut Value) -> Option<&mut String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// The table with all settings, each checked by itself, and their sources.
pub(super) fn apply(mut table: Table, settings: &[Setting]) -> Result<(Table, BTreeMap<String, String>)> {
    let mut sources = BTreeMap::new();
    for (i, setting) in settings.iter().enumerate() {
        let shown = shown(setting);
        if let Some(today) = schema::key_today(&setting.key) {
            return Err(Error::Config(format!("{shown}: this setting is {today} now")));
        }
        let before = flatten(&table);
        table = try_values(&table, setting, &shown)?;
        let after = flatten(&table);
        if let Some(earlier) = settings[..i].iter().find(|earlier| undoes(setting, earlier, &before, &after)) {
            let earlier = self::shown(earlier);
            return Err(Error::Config(format!(
                "{shown} undoes {earlier}, which stands before it: leave out one of them"
            )));
        }
        sources.retain(|key: &String, _| after.contains_key(key));
        let set = after.into_keys().filter(|key| is_at(key, &setting.key));
        sources.extend(set.map(|key| (key, setting.flag.clone())));
    }
    Ok((table, sources))
}

/// A setting as it was given.
fn shown(setting: &Setting) -> String {
    format!("{} {}={}", setting.flag, setting.key, setting.value)
}

/// Whether a key is another, or stands below it.
fn is_at(key: &str, above: &str) -> bool {
    key.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a user says; other settings are of a benchmark's scripts, or follow from these, and may be changed.
const SAID: [&str; 3] = ["--set", "--model", "--seeds"];

/// Whether a setting changes what an earlier one of another key has set; one of the same key, or of one below it, may.
fn undoes(
    setting: &Setting,
    earlier: &Setting,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> bool {
    // As text: nan is no other than nan.
    let text = |value: &Value| value.to_string();
    let changed =
        |(key, value): (&String, &Value)| is_at(key, &earlier.key) && after.get(key).map(text) != Some(text(value));
    // A flag and --set, which say the same in two ways, contradict each other.
    let is_correction = is_at(&setting.key, &earlier.key) && setting.flag == earlier.flag;
    SAID.contains(&&*earlier.flag) && !is_correction && before.iter().any(changed)
}

/// Sets the value as TOML, as a string, or as a list parted by commas: the first that the key takes.
fn try_values(table: &Table, setting: &Setting, shown: &str) -> Result<Table> {
    let text = &setting.value;
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    let parsed = parsed.filter(|value| !value.is_datetime()).unwrap_or_else(|| Value::String(text.clone()));
    let list = text.split(',').map(|part| Value::String(part.trim().to_owned())).collect();
    let mut first = None;
    for value in [parsed, Value::String(text.clone()), Value::Array(list)] {
        let mut table = table.clone();
        put(&mut table, &setting.key, value).map_err(|reason| Error::Config(format!("{shown}: {reason}")))?;
        match Recipe::deserialize(table.clone()) {
            Ok(_) => return Ok(table),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let error = first.expect("three values were tried");
    Err(refuse(shown, "", &error))
}

/// Puts a value at a key with dots; tables on the way are made, and arrays grow by one.
fn put(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let Some((first, rest)) = key.split_once('.') else {
        // A stage's length is given in one way or the other, and so are seeds: the one that is set wins.
        match key {
            "epochs" => table.remove("updates"),
            "updates" => table.remove("epochs"),
            "seed" => table.remove("seeds"),
            "seeds" => table.remove("seed"),
            _ => None,
        };
        table.insert(key.to_owned(), value);
        return Ok(());
    };
    let lists = ["stages", "methods", "tasks"];
    let made = if lists.contains(&first) { Value::Array(Vec::new()) } else { Value::Table(Table::new()) };
    match table.entry(first).or_insert(made) {
        Value::Table(inner) => put(inner, rest, value),
        Value::Array(array) => put_in(array, first, rest, value),
        _ => Err(format!("\"{first}\" is a value and has no keys")),
    }
}

fn put_in(array: &mut Vec<Value>, name: &str, key: &str, value: Value) -> Result<(), String> {
    let (index, rest) = key.split_once('.').unwrap_or((key, ""));
    let n = array.len();
    let known = if n == 0 { "it is empty".to_owned() } else { format!("it has 0 to {}", n - 1) };
    let position = index.parse::<usize>().ok().filter(|position| *position <= n);
    let position = position.ok_or_else(|| format!("{name} has no entry \"{index}\" ({known})"))?;
    if rest.is_empty() {
        return Err(format!("{name}.{index} is a table: name one of its keys"));
    }
    refuse_of_another(array, name, position, rest)?;
    if position == n {
        array.push(Value::Table(Table::new()));
    }
    match &mut array[position] {
        Value::Table(inner) => put(inner, rest, value),
        _ => Err(format!("{name}.{index} is a value and has no keys")),
    }
}

/// Refuses a key of a part that the method at this place has not, where another has it: most likely that one is meant.
fn refuse_of_another(array: &[Value], name: &str, position: usize, key: &str) -> Result<(), String> {
    let Some((part, rest)) = key.split_once('.').filter(|_| name == "methods") else { return Ok(()) };
    let has = |value: &Value| value.get(part).is_some();
    match array.iter().position(has) {
        Some(other) if array.get(position).is_some_and(|own| !has(own)) => Err(format!(
            "method {position} has no {part}, method {other} has: write {name}.{other}.{part}.{rest}; to give method \
             {position} one as well, {name}.{position}.{part}={{…}}"
        )),
        _ => Ok(()),
    }
}

/// Refuses a setting of the last stage that a wanted method does not follow, because it has its own.
pub(super) fn refuse_not_followed(given: &Table, set: &BTreeMap<String, String>, wanted: &[usize]) -> Result<()> {
    let values = flatten(given);
    let list = |name: &str| given.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let last = format!("stages.{}.", list("stages").len().saturating_sub(1));
    for (key, flag) in set.iter().filter_map(|(key, flag)| Some((key.strip_prefix(&last)?, flag))) {
        let length = ["epochs", "updates"]; // both say how long a stage is
        let same = if length.contains(&key) { &length[..] } else { &[key] };
        for (i, method) in list("methods").iter().enumerate().filter(|(i, _)| wanted.contains(i)) {
            let own: Vec<String> = same.iter().map(|key| format!("methods.{i}.stage.{key}")).collect();
            let given = own.iter().find_map(|own| Some((own, values.get(own)?)));
            let Some((own, value)) = given.filter(|_| !own.iter().any(|own| set.contains_key(own))) else { continue };
            let name = method.get("name").and_then(Value::as_str);
            let name = name.map_or(String::new(), |name| format!(" ({name})"));
            return Err(Error::Config(format!(
                "{flag} {last}{key}: method {i}{name} has its own, {own} = {value}, and would not follow; set that too"
            )));
        }
    }
    Ok(())
}

/// Where a key's value was given: its own place, else that of a key below or above it.
pub(super) fn place(sources: &BTreeMap<String, String>, name: &str, key: &str) -> String {
    if let Some(source) = sources.get(key) {
        return source.clone();
    }
    let within = |other: &&String| other.starts_with(key) && other[key.len()..].starts_with('.');
    let below = sources.keys().find(within).map(|key| &sources[key]);
    match (below, key.rsplit_once('.')) {
        (Some(source), _) => source.clone(),
        (None, Some((above, _))) => place(sources, name, above),
        (None, None) => name.to_owned(),
    }
}
