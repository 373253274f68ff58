//! `rxlt run --dry-run`: everything is read and checked, nothing is trained or written.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use super::{device::Chosen, print};
use crate::{
    data::{
        Data,
        languages::for_examples,
        overlaps,
        source::{InOtherWords, Labelled, Perturbed, Source},
        suited::suited,
    },
    error::Result,
    kinds::{self, Reader},
    learn::{
        augment::{Change, perturb, stream_of},
        methods::{Standard, WordNorms, refuse_without_effect},
        reduce::Share,
    },
    measure::{TOKENS_AT_ONCE, exam::Exam, head_for, new_head},
    models::{Config, HeadKind, Pretrained},
    recipe::{Method, Recipe, Resolved, Stage},
    report::{Column, Table},
    rng::{Purpose, Rng},
    run::{
        budget::Bytes,
        fresh,
        memory::{self, Subject},
        plan::{Branch, Plan, schedule},
    },
    tasks::{Example, Loaded, Split, Task, overlap},
    tensor::Device,
    text::Tokenizer,
};

/// Examples that are tokenized to learn their length.
const SAMPLE: usize = 64;

/// Prints the configuration, the data, examples and the plan.
pub fn dry_run(resolved: &Resolved, chosen: &Chosen, memory_limit: Option<Bytes>) -> Result<()> {
    let mut out = String::new();
    let recipe = &resolved.recipe;
    line(&mut out, format_args!("device: {}: {}\n\nconfiguration:", chosen.name, chosen.why));
    for (key, value) in resolved.values() {
        line(&mut out, format_args!("  {key} = {value}  ({})", resolved.sources[&key]));
    }
    recipe.oddities().iter().for_each(|odd| line(&mut out, format_args!("  note: {odd}")));
    let tokenizer = describe_model(recipe, &mut out)?;
    let data = Data::new(recipe);
    for (i, stage) in recipe.stages.iter().enumerate() {
        line(&mut out, format_args!("\nstage {}:", recipe.stage_name(i, None)));
        let (tasks, mut n_examples) = (stage.tasks()?, Vec::new());
        for (place, task) in tasks.iter().enumerate() {
            if let Some(name) = stage.names().nth(place).filter(|_| tasks.len() > 1) {
                line(&mut out, format_args!("  {}{name}:", if place > 0 { "beside it " } else { "" }));
            }
            match task {
                Some(task) => {
                    n_examples.push(describe_task(recipe, [i, place], task, &data, tokenizer.as_ref(), &mut out)?);
                }
                None => n_examples.push(describe_text(stage, &data, &mut out)?),
            }
        }
        describe_updates(recipe, i, &tasks, &n_examples, &mut out);
        // Texts are tokenized when the run begins, and what they take is foreseen then.
        let tasks: Option<Vec<&'static Task>> = tasks.into_iter().collect();
        if let (Some(tasks), Some(tokenizer), Some(path)) = (tasks, &tokenizer, recipe.model_folder()?) {
            let config = Config::load(&path)?;
            describe_memory(recipe, i, &tasks, &data, tokenizer, &config, chosen, memory_limit, &mut out)?;
        }
    }
    describe_tests(recipe, &data, tokenizer.as_ref(), &mut out)?;
    line(&mut out, format_args!("\neverything is in order; nothing was trained or written"));
    print(&out)
}

fn line(out: &mut String, text: std::fmt::Arguments) {
    writeln!(out, "{text}").expect("a string takes everything");
}

/// Says what the encoder is; returns its tokenizer where there is one already.
fn describe_model(recipe: &Recipe, out: &mut String) -> Result<Option<Tokenizer>> {
    let model = &recipe.model;
    let mut tokenizer = recipe.tokenizer_source()?.map(|path| Tokenizer::load(&path)).transpose()?;
    let mut notes: Vec<String> = tokenizer.iter().flat_map(Tokenizer::notes).cloned().collect();
    if let (Some(path), Some(folder)) = (&model.path, recipe.model_folder()?) {
        let config = Config::load(&folder)?;
        if let Some(loaded) = &tokenizer {
            notes.clear();
            tokenizer = Some(suited(loaded, &config, |note| notes.push(note.to_owned()))?);
        }
        recipe.check_sizes(&config)?;
        check_weights(recipe, &folder)?;
        let (layers, width) = (config.num_hidden_layers, config.hidden_size);
        let kind = config.architecture.model_type;
        line(out, format_args!("\nmodel: {path}: {kind}, {layers} layers of {width}, {} ids", config.vocab_size));
    }
    if let Some(fresh) = &model.fresh {
        recipe.check_sizes(&fresh::check(fresh)?)?;
        let millions = fresh.n_parameters() / 1e6;
        let begun =
            fresh.begin.as_ref().map_or(String::new(), |begin| format!(", begun with layers of {}", begin.path));
        line(out, format_args!("\nmodel: fresh, {millions:.1} million parameters{begun}"));
    }
    if tokenizer.is_none() {
        line(out, format_args!("tokenizer: to be trained on the first stage's text"));
    }
    notes.iter().for_each(|note| line(out, format_args!("  note: {note}")));
    Ok(tokenizer)
}

/// Opens the weights, and looks whether the first stage can begin with them.
fn check_weights(recipe: &Recipe, folder: &Path) -> Result<()> {
    let pretrained = Pretrained::open(folder)?;
    let task = recipe.stages.first().map_or(Ok(None), Stage::task)?;
    let head = task.map_or(Ok(HeadKind::MaskedLm), |task| head_for(&pretrained, task))?;
    pretrained.check(&head)
}

fn describe_task(
    recipe: &Recipe,
    [index, place]: [usize; 2],
    task: &Task,
    data: &Data,
    tokenizer: Option<&Tokenizer>,
    out: &mut String,
) -> Result<usize> {
    let stage = &recipe.stages[index];
    let (train, dev) = (data.train(task, stage)?, data.dev(task, stage)?);
    for (split, loaded) in [("train", &train), ("dev", &dev)] {
        line(out, format_args!("  {split} {}: {}", loaded.language, counts(loaded)));
        for note in &loaded.notes {
            line(out, format_args!("    note: {note}"));
        }
    }
    if let Some(tokenizer) = tokenizer {
        describe_tokens(&train, stage, &for_examples(tokenizer, &train)?, out)?;
    }
    let is_last = index + 1 == recipe.stages.len() && place == 0;
    let mut changes: BTreeMap<String, Box<dyn Change>> = BTreeMap::new();
    for (name, part) in recipe.methods.iter().filter(|_| is_last).flat_map(Method::rewordings) {
        refuse_without_effect(part, &name, &train.examples)?;
        changes.entry(name).or_insert(part.change()?);
    }
    for example in train.examples.iter().take(3) {
        describe_example(task, example, &changes, recipe.seed, out);
    }
    Ok(train.examples.len())
}

/// How many updates a stage makes, with each method if it is the last.
fn describe_updates(recipe: &Recipe, index: usize, tasks: &[Option<&Task>], n_examples: &[usize], out: &mut String) {
    let stage = &recipe.stages[index];
    let (size, others) = (stage.batch_size, n_examples[1..].iter().sum::<usize>());
    // A text that is read in windows is several examples, and how many is not known yet; texts may share a sequence.
    let bound = match (
        tasks.iter().any(Option::is_none),
        tasks.iter().flatten().any(|task| kinds::of(task).reads_in_windows()),
    ) {
        (true, _) => "at most ",
        (false, true) => "at least ",
        (false, false) => "",
    };
    if index + 1 < recipe.stages.len() || tasks[0].is_none() {
        let updates = stage.n_updates(n_examples[0] + others);
        line(out, format_args!("  {bound}{updates} updates of {size} examples"));
        stage.note_of_warmup(updates).iter().for_each(|note| line(out, format_args!("  note: {note}")));
        return;
    }
    for method in &recipe.methods {
        let (own, passes) = (stage.with(method), method.passes());
        let updates = own.n_updates(n_examples[0] * method.copies() + others);
        let passes = if passes > 1 { format!(", {passes} times through the encoder") } else { String::new() };
        line(out, format_args!("  {}: {bound}{updates} updates of {} examples{passes}", method.name, own.batch_size));
        own.note_of_warmup(updates).iter().for_each(|note| line(out, format_args!("  note: {note}")));
    }
}

/// What a stage will take, with each method if it is the last.
#[expect(clippy::too_many_arguments, reason = "it is told all that was read so far")]
fn describe_memory(
    recipe: &Recipe,
    index: usize,
    tasks: &[&'static Task],
    data: &Data,
    tokenizer: &Tokenizer,
    config: &Config,
    chosen: &Chosen,
    memory_limit: Option<Bytes>,
    out: &mut String,
) -> Result<()> {
    let stage = &recipe.stages[index];
    let heads: Vec<HeadKind> = tasks.iter().map(|task| new_head(task)).collect();
    let (device, depth) = (&chosen.device, config.num_hidden_layers);
    let subject = Subject { config, heads: &heads, device, recompute: recipe.recompute, depth };
    let seed = recipe.seed ^ (index as u64 + 1) << 40;
    let branch = |task: &'static Task, method: &Method| -> Result<Branch> {
        let labels: Vec<u32> = (0..task.labels().len() as u32).collect();
        let train = data.train(task, stage)?;
        let tokenizer = &for_examples(tokenizer, &train)?;
        let reader = Reader { task, tokenizer, max_length: stage.max_length, labels: &labels };
        let exam = Exam::of_examples(data.dev(task, stage)?.examples, task, &reader)?;
        let source: Box<dyn Source> = Box::new(Labelled::new(&train.examples, &reader)?);
        let source = match method.other_words() {
            None => source,
            Some((_, part)) => {
                let (max_length, change) = (stage.max_length, part.change()?);
                let (examples, tokenizer) = (train.examples, tokenizer.clone());
                let other = Perturbed { examples, change, tokenizer, max_length, task, labels, seed };
                Box::new(InOtherWords { source, other })
            }
        };
        Ok(Branch { task: task.name.to_owned(), objective: Box::new(Standard::default()), source, exam })
    };
    let plain = Method::default();
    let mut shared = tasks.iter().map(|task| branch(task, &plain)).collect::<Result<Vec<_>>>()?;
    let plain = [plain];
    let is_last = index + 1 == recipe.stages.len();
    for method in if is_last { &recipe.methods[..] } else { &plain } {
        let name = recipe.stage_name(index, is_last.then_some(method));
        let reads_other_words = method.other_words().is_some();
        let own = reads_other_words.then(|| branch(tasks[0], method)).transpose()?;
        let mut own = own.map(|first| std::mem::replace(&mut shared[0], first));
        let branches = &mut shared;
        branches.iter_mut().for_each(|branch| branch.objective = method.objective(&WordNorms::UNIT));
        let stage = &recipe.stage_with(index, method);
        let (updates, sampler) = schedule(stage, branches, seed);
        let copied = branches[0].source.len() * (method.copies() - 1);
        let examples = copied + branches.iter().map(|branch| branch.source.len()).sum::<usize>();
        method.check_begin(&name, stage.n_updates(examples))?;
        describe_lengths(recipe, index, method, &*branches[0].source, out)?;
        let plan = Plan {
            name: &name,
            stage,
            branches,
            sampler: &sampler,
            updates,
            seed,
            tokens: stage.tokens_per_micro_batch.unwrap_or(TOKENS_AT_ONCE),
            share: Share::alone(),
        };
        let (choice, _) = memory::choose(&subject, &plan, memory_limit)?;
        let tokens = choice.tokens_per_micro_batch;
        line(out, format_args!("  memory of {name}: {choice}; micro-batches of up to {tokens} tokens"));
        if let Some(first) = own.take() {
            shared[0] = first;
        }
    }
    Ok(())
}

/// Lengths relative to words, as the model that the run begins with has them; a later stage measures its own.
fn describe_lengths(
    recipe: &Recipe,
    index: usize,
    method: &Method,
    source: &dyn Source,
    out: &mut String,
) -> Result<()> {
    let (relative, name) = (method.relative_lengths(), &method.name);
    let Some(folder) = recipe.model_folder()?.filter(|_| index == 0 && !relative.is_empty()) else {
        for (key, length, _) in relative {
            line(out, format_args!("  {name}: {key} {length} is measured when the stage begins"));
        }
        return Ok(());
    };
    let pretrained = Pretrained::open(&folder)?;
    let model =
        pretrained.load(new_head(recipe.stages[0].task()?.expect("the stage has examples")), 0, &Device::cpu())?;
    let words = WordNorms::measure(&model, &source.words()?);
    for (key, length, norm) in relative {
        let value = length.measured(&words, norm).value();
        line(out, format_args!("  {name}: {key} {length} is {value:.6}: relative to {} words", words.words));
    }
    Ok(())
}

fn counts(loaded: &Loaded) -> String {
    let labels: Vec<String> = loaded.histogram().iter().map(|(label, n)| format!("{label} {n}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
    let dropped: Vec<String> = loaded.dropped.iter().map(|(reason, n)| format!("; left out: {n} {reason}")).collect();
    format!("{} examples{labels}{}", loaded.examples.len(), dropped.concat())
}

fn describe_tokens(train: &Loaded, stage: &Stage, tokenizer: &Tokenizer, out: &mut String) -> Result<()> {
    let texts: Vec<_> = train.examples.iter().take(SAMPLE).map(|e| (e.a.as_str(), e.b.as_deref())).collect();
    let encoded = tokenizer.encode_batch(&texts, stage.max_length)?;
    let tokens: usize = encoded.iter().map(|encoded| encoded.ids.len()).sum();
    let unknown: usize = encoded.iter().map(|encoded| encoded.n_unknown).sum();
    let cut = encoded.iter().filter(|encoded| encoded.n_truncated > 0).count();
    let (n, mean) = (encoded.len(), tokens as f64 / encoded.len().max(1) as f64);
    let share = 100.0 * unknown as f64 / tokens.max(1) as f64;
    line(out, format_args!("  the first {n}: {mean:.1} tokens on average, {cut} cut, {share:.2} % of tokens unknown"));
    if let Some(first) = encoded.first() {
        line(out, format_args!("  tokens of the first: {}", tokenizer.decode(&first.ids)));
    }
    Ok(())
}

fn describe_example(
    task: &Task,
    example: &Example,
    changes: &BTreeMap<String, Box<dyn Change>>,
    seed: u64,
    out: &mut String,
) {
    let right = task.right(example);
    line(out, format_args!("  {} [{right}] {}", example.id, example.text()));
    for (name, change) in changes {
        let mut rng = Rng::for_purpose(seed, Purpose::Augment, stream_of(&example.id));
        let perturbed = perturb(example, &**change, |n| rng.below(n));
        line(out, format_args!("    as {name} may see it: {}", perturbed.text()));
    }
}

fn describe_text(stage: &Stage, data: &Data, out: &mut String) -> Result<usize> {
    let texts = data.texts(stage)?;
    let groups = &texts.groups;
    let counts: Vec<String> = groups.iter().map(|(name, texts)| format!("{name} {}", texts.len())).collect();
    line(out, format_args!("  texts: {}", counts.join(", ")));
    for (task, n) in &texts.left_out {
        line(out, format_args!("  {n} left out: {task} measures by them"));
    }
    for (name, texts) in groups.iter().take(3) {
        let sides: Vec<&str> = texts.first().into_iter().flat_map(|text| text.sides()).collect();
        line(out, format_args!("  {name}: {}", sides.join(" | ")));
    }
    Ok(groups.values().map(Vec::len).sum())
}

fn describe_tests(recipe: &Recipe, data: &Data, tokenizer: Option<&Tokenizer>, out: &mut String) -> Result<()> {
    let Some(task) = recipe.last_task()? else { return Ok(()) };
    let mut table = Table::new([
        Column::words(recipe.data.eval_split.to_string()),
        Column::numbers("examples"),
        Column::numbers("left out"),
    ]);
    let languages = data.languages(task)?;
    let (tests, joined) = data.tests(task, &languages.codes)?;
    for loaded in &tests {
        tokenizer.map(|tokenizer| for_examples(tokenizer, loaded)).transpose()?;
        let dropped: usize = loaded.dropped.values().sum();
        table = table.row([loaded.language.clone(), loaded.examples.len().to_string(), dropped.to_string()]);
    }
    out.push('\n');
    out.push_str(&table.to_text());
    languages.notes.iter().for_each(|note| line(out, format_args!("note: {note}")));
    for loaded in &tests {
        loaded.notes.iter().for_each(|note| line(out, format_args!("note: {}: {note}", loaded.language)));
    }
    joined.iter().for_each(|note| line(out, format_args!("note: {note}")));
    describe_overlaps(recipe, data, &tests, out)
}

/// Which items of the dev and test data are trained on.
fn describe_overlaps(recipe: &Recipe, data: &Data, tests: &[Loaded], out: &mut String) -> Result<()> {
    let mut stages = Vec::new();
    for (i, stage) in recipe.stages.iter().enumerate() {
        for task in stage.tasks()?.into_iter().flatten() {
            stages.push((recipe.data_name(i, task), data.train(task, stage)?, data.dev(task, stage)?));
        }
    }
    let stages: Vec<_> = stages.iter().map(|(name, train, dev)| (name.clone(), train, dev)).collect();
    match &overlap::sentences(&overlaps(&stages, recipe.tests_among(tests)))[..] {
        [] if recipe.data.eval_split != Split::Test => {
            line(
                out,
                format_args!("no dev item is trained on; what is measured is dev data, by which models are selected"),
            );
        }
        [] => line(
            out,
            format_args!(
                "no dev or test item is trained on, and no test item is among those that models are selected by"
            ),
        ),
        found => found.iter().for_each(|sentence| line(out, format_args!("note: {sentence}"))),
    }
    if recipe.stages.iter().filter_map(|stage| stage.mlm.as_ref()).any(|mlm| mlm.leave_out.is_empty()) {
        line(
            out,
            format_args!("note: texts of mlm were not looked for in dev and test data: leave_out takes these out"),
        );
    }
    Ok(())
}
