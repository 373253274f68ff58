//! `rxlt eval`: scores of a model, or of predictions made elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Force, FormatName,
    device::DeviceArgs,
    named::{self, Network},
    note,
    perturb::PerturbArgs,
    print,
    searched::Texts,
    tell,
    warnings::shortened,
};
use crate::{
    checkpoint::{Existing, Output},
    error::{self, Error, Result},
    kinds::{
        self, Search,
        score::{oddities, score_judged, scores, summaries},
    },
    measure::{
        Examiner, Opened, TOKENS_AT_ONCE, open_trained,
        record::{Record, choose_length, model_folder_for},
        retrieve::{Retriever, Settings},
    },
    metrics::Marks,
    recipe::DEMO,
    report::{items, results},
    stop::Stop,
    tasks::{
        self, Loaded, Origin, Split, Task, demo, generalized,
        metrics::{Grid, Score, Summary},
        predictions::{self, Prediction},
    },
};

/// Score a model in every language of a task, or a file of predictions made elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt eval --model runs/xnli-adv-s7/1-xnli-adv/model --task xnli --data data
  rxlt eval --model … --task xnli --data data --languages de,sw --split dev
  rxlt eval --model … --task pawsx --data data --generalized
  rxlt eval --model … --task xnli --data data --perturb typos:0.1 --output OUT
  rxlt eval --model … --task tatoeba --data data --languages de,sw
  rxlt eval --model … --task bucc2018 --data data --layer 7
  rxlt eval --model … --task lareqa --data data --max-length 256
  rxlt eval --predictions test-de.jsonl --task xnli")]
pub struct Args {
    /// A model folder as Hugging Face lays it out, a stage of a run, or the name of a model (org/model@revision).
    #[arg(long, value_name = "DIR|NAME", required_unless_present = "predictions", requires_all = ["task", "data"])]
    model: Option<PathBuf>,
    /// Predictions as JSON Lines with id, language, label and prediction, instead of a model.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "generalized", "languages", "output", "perturb"])]
    predictions: Option<PathBuf>,
    /// The tokenizer where it does not lie beside the model, as in a checkpoint of a run; for retrieval.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// The task, by which labels are named; any encoder is measured by those of retrieval (tatoeba, bucc2018, lareqa, mewslix).
    #[arg(long)]
    task: Option<String>,
    /// The folder with the task's files, `demo` for generated data, or a data set on the hub: hub:org/name.
    #[arg(long, value_name = "DIR|NAME")]
    data: Option<PathBuf>,
    /// The seed of generated data, and of --perturb.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The languages to measure; all that the data have where not given.
    #[arg(long, value_delimiter = ',')]
    languages: Vec<String>,
    /// The part of the data.
    #[arg(long, value_enum, default_value = "test")]
    split: SplitName,
    /// Also all ordered pairs of languages, for tasks of sentence pairs.
    #[arg(long)]
    generalized: bool,
    /// A folder for the predictions, a file for each language.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// How predictions are written: a JSON object a line with probabilities, or as XTREME's and XGLUE's scorers read them.
    #[arg(long, value_enum, default_value_t = FormatName::Jsonl)]
    format: FormatName,
    #[command(flatten)]
    perturb: PerturbArgs,
    #[command(flatten)]
    force: Force,
    /// For retrieval, the hidden states that make a text's vector: 0 is the layers' input, then one for each layer;
    /// the last where not given.
    #[arg(long)]
    layer: Option<usize>,
    /// The most tokens of an example; what the model was trained with where not given.
    #[arg(long)]
    max_length: Option<usize>,
    /// The most tokens that are on the device at once.
    #[arg(long, default_value_t = TOKENS_AT_ONCE)]
    tokens: usize,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SplitName {
    Train,
    Dev,
    Test,
}

impl SplitName {
    fn split(self) -> Split {
        match self {
            SplitName::Train => Split::Train,
            SplitName::Dev => Split::Dev,
            SplitName::Test => Split::Test,
        }
    }
}

/// `rxlt eval`
pub fn run(args: &Args, network: Network) -> Result<()> {
    if let Some(model) = &args.model {
        // It may hold a task of the user's own; it is fetched for that only where there is no other task of that name.
        let is_known = args.task.as_deref().is_none_or(|task| tasks::find(task).is_ok());
        let folder = if is_known { named::at_hand(model) } else { named::folder(model, network) };
        let folder = folder?;
        Record::load(&folder)?;
        // One that was learned beside another is told by the model with its head.
        if let Some(task) = args.task.as_deref().filter(|task| tasks::find(task).is_err()) {
            Record::load(&model_folder_for(model, task).unwrap_or_default())?;
        }
    }
    let task = args.task.as_deref().map(tasks::find).transpose().map_err(|error| match &args.model {
        Some(model) if named::at_hand(model).is_ok_and(|folder| !folder.exists()) => {
            error.with(&format!("and {} is not there, whose task it might be", model.display()))
        }
        _ => error,
    })?;
    match (&args.model, &args.predictions, task, &args.data) {
        (Some(model), _, Some(task), Some(data)) => match kinds::of(task).search() {
            Some(search) => retrieve(args, model, (task, search), data, network),
            None => evaluate(args, model, task, data, network),
        },
        (None, Some(file), task, _) => score(file, task),
        _ => Err(Error::Usage("expected --model with --task and --data, or --predictions".into())),
    }
}

fn score(file: &Path, task: Option<&Task>) -> Result<()> {
    if task.is_none() {
        tell("note: without --task answers are right or wrong one by one: F1 and intervals by sentence want the task");
    }
    let known = task.unwrap_or(&Task::UNDESCRIBED);
    let (languages, given): (Vec<String>, Vec<_>) = predictions::judged_file(file, task)?.into_iter().unzip();
    let complete = |given| items::complete(given, std::iter::empty(), known);
    let mut given = given.into_iter().map(complete).collect::<Result<Vec<_>>>()?;
    tasks::unify(given.iter_mut().flatten().map(|one| (one.row, &mut one.cluster)));
    items::notes(known, &languages, &given).iter().for_each(|text| note(text));
    tasks::codes::same_notes(&languages).for_each(|text| note(&text));
    let judged: Vec<(String, Vec<Prediction>)> = languages.into_iter().zip(given).collect();
    print(&results::one_run(&score_judged(&judged, task)?).to_text())?;
    if let Some(task) = task {
        let of =
            |(language, given): &(String, Vec<Prediction>)| (language.clone(), kinds::of(task).classes(task, given));
        print_classes(&judged.iter().map(of).collect::<Vec<_>>())?;
    }
    if task.is_none_or(Task::has_one_label) {
        print(&format!("\n{}", results::confusion(&predictions::confusion(&judged, task)).to_text()))?;
    }
    let odd = judged.iter().flat_map(|(_, given)| match task {
        Some(task) => oddities(task, given),
        None => predictions::oddities(given),
    });
    warn(&odd.collect::<Vec<_>>())
}

/// How well each class does, where there are classes.
fn print_classes(classes: &[(String, BTreeMap<String, Marks>)]) -> Result<()> {
    match classes.iter().all(|(_, classes)| classes.is_empty()) {
        true => Ok(()),
        false => print(&format!("\n{}", results::classes(classes).to_text())),
    }
}

/// Says below a table what makes it doubtful.
fn warn(oddities: &[String]) -> Result<()> {
    let lines: String = shortened(oddities).iter().map(|oddity| format!("warning: {oddity}\n")).collect();
    if lines.is_empty() { Ok(()) } else { print(&format!("\n{lines}")) }
}

fn evaluate(args: &Args, model: &Path, task: &Task, data: &Path, network: Network) -> Result<()> {
    if args.generalized && !task.pairs {
        return Err(Error::Usage(format!("--generalized is for sentence pairs, and {} has none", task.name)));
    }
    let data = &named::data(data, &[(task, args.split.split(), args.languages.clone())], network)?;
    let (mut loaded, mut changes) = (load(args, task, data)?, args.perturb.changes(task, args.seed)?);
    let languages: Vec<String> = loaded.iter().map(|loaded| loaded.language.clone()).collect();
    kinds::of(task).compared(&languages).iter().for_each(|text| note(text));
    for loaded in &mut loaded {
        changes.apply(loaded)?.iter().for_each(|said| tell(said));
    }
    let folder = &named::folder_for(model, task, network)?;
    let saving = Saving::of(args, folder, task, &loaded)?;
    let kept = saving.as_ref().filter(|_| !changes.is_empty()).map(|saving| saving.record()).transpose()?;
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    error::catch(|| {
        let Opened { model, tokenizer, record } = open_trained(folder, task, &chosen.device, note)?;
        let (max_length, said) = choose_length(args.max_length, record.as_ref(), folder, &model.config)?;
        said.iter().for_each(|said| note(said));
        let examiner = Examiner {
            model: &model,
            tokenizer: &tokenizer,
            task,
            max_length,
            tokens: args.tokens,
            stop: &Stop::new(),
        };
        let mut measure = Measure { examiner, saving, odd: Vec::new(), classes: Vec::new() };
        let scores = loaded.iter().map(|loaded| measure.scores(loaded)).collect::<Result<Vec<_>>>()?;
        if let Some(kept) = &kept {
            kept.write(format!("{:#}\n", changes.to_json()).as_bytes())?;
        }
        chosen.tell_notes();
        let summaries = summaries(task.source, scores)?;
        print(&format!("{changes}{}", results::one_run(&summaries).to_text()))?;
        print_classes(&measure.classes)?;
        warn(&std::mem::take(&mut measure.odd))?;
        if !args.generalized {
            return Ok(());
        }
        let grid = measure.grid(&loaded, &summaries[0])?;
        print(&format!("\n{}\n{}", results::grid(&grid).to_text(), results::grid_means(&grid).to_text()))
    })
}

/// What an encoder finds in every language asked for.
fn retrieve(
    args: &Args,
    model: &Path,
    (task, search): (&Task, &dyn Search),
    data: &Path,
    network: Network,
) -> Result<()> {
    if args.generalized {
        return Err(Error::Usage(format!("--generalized is for sentence pairs, and {} has none", task.name)));
    }
    if !args.perturb.perturb.is_empty() {
        return Err(Error::Usage(format!(
            "--perturb is for examples, and {} has texts to be found; leave it out",
            task.name
        )));
    }
    let data = &named::data(data, &[(task, args.split.split(), args.languages.clone())], network)?;
    let texts = Texts::read(task, search, data, args.split.split(), &args.languages)?;
    texts.notes.iter().for_each(|text| tell(&format!("note: {text}")));
    let folder = named::folder(model, network)?;
    let saving = Saving::of_texts(args, &folder, task, &texts)?;
    let chosen = args.device.open()?;
    tell(&format!("device: {}: {}", chosen.name, chosen.why));
    error::catch(|| {
        let (layer, max_length, tokens) = (args.layer, args.max_length, args.tokens);
        let settings = Settings { layer, max_length, max_query_length: None, tokens };
        let tokenizer = args.tokenizer.as_deref().unwrap_or(&folder);
        let mut retriever = Retriever::open(&folder, tokenizer, settings, &chosen.device, note)?;
        let (mut by_language, mut found, mut odd) = (Vec::new(), Vec::new(), Vec::new());
        for (measured, tuning) in &texts.languages {
            let answers = retriever.find(search, measured, tuning.as_ref(), &Stop::new())?;
            if let Some(saving) = &saving {
                saving.write(&measured.language, &answers.predictions)?;
            }
            odd.extend(oddities(task, &answers.predictions));
            by_language.push(scores(task, &measured.language, &answers.predictions)?);
            found.extend(answers.found);
        }
        chosen.tell_notes();
        match search.looks_both_ways() {
            true => {
                print(&format!("{}: accuracy of the nearest neighbour, in %\n\n", task.name))?;
                print(&results::retrieval(&found).to_text())?;
            }
            false => print(&results::one_run(&summaries(task.source, by_language)?).to_text())?,
        }
        warn(&odd)
    })
}

/// The examples of every language asked for.
fn load(args: &Args, task: &Task, data: &Path) -> Result<Vec<Loaded>> {
    let split = args.split.split();
    let (languages, notes) = languages(args, task, data, split)?;
    notes.iter().for_each(|note| tell(&format!("note: {note}")));
    let load = |language: &String| match data == Path::new(DEMO) {
        true => demo::load(split, language, DEMO_EXAMPLES, args.seed),
        false => task.load(data, split, language),
    };
    let mut loaded = languages.iter().map(load).collect::<Result<Vec<_>>>()?;
    tasks::join_languages(task, &mut loaded)?.iter().for_each(|text| note(text));
    Ok(loaded)
}

/// The languages asked for as the data call them, else all; and what there is to say of them.
fn languages(args: &Args, task: &Task, data: &Path, split: Split) -> Result<(Vec<String>, Vec<String>)> {
    if !args.languages.is_empty() {
        let asked = task.asked(data, split, &args.languages)?;
        let notes = asked.iter().filter_map(|asked| asked.note.clone()).collect();
        return Ok((asked.into_iter().map(|asked| asked.language).collect(), notes));
    }
    if data == Path::new(DEMO) {
        return Ok((demo::LANGUAGES.iter().map(|language| (*language).to_owned()).collect(), Vec::new()));
    }
    let survey = task.survey(data, split)?;
    let note = survey.note();
    Ok((survey.languages, note.into_iter().collect()))
}

/// How many examples of a language are generated.
const DEMO_EXAMPLES: usize = 600;

/// How the texts of predictions were changed, in their folder.
const PERTURBED: &str = "perturbed.json";

/// Where predictions are written.
struct Saving {
    folder: PathBuf,
    format: FormatName,
    task: Task,
    split: Split,
    existing: Existing,
    /// What is read, and so must not be written.
    read: Vec<PathBuf>,
}

impl Saving {
    /// Where the user wants them, if anywhere: checked for every file before anything is computed.
    fn of(args: &Args, model: &Path, task: &Task, loaded: &[Loaded]) -> Result<Option<Saving>> {
        let Some(folder) = &args.output else {
            return match args.format {
                FormatName::Jsonl => Ok(None),
                _ => Err(Error::Usage(
                    "--format: it says how predictions are written; name a folder with --output".into(),
                )),
            };
        };
        refuse_gaps(args.format, loaded)?;
        let files = loaded.iter().flat_map(|loaded| &loaded.files);
        let saving = Saving::at(folder, args, model, task, files)?;
        for first in loaded {
            saving.output(&first.language)?;
            for second in loaded.iter().filter(|second| args.generalized && second.language != first.language) {
                saving.output(&format!("{}-{}", first.language, second.language))?;
            }
        }
        let languages = loaded.iter().map(|loaded| loaded.language.as_str());
        saving.refuse_strangers(&languages.collect(), args.generalized, !args.perturb.perturb.is_empty())?;
        Ok(Some(saving))
    }

    /// The same of what is found.
    fn of_texts(args: &Args, model: &Path, task: &Task, texts: &Texts) -> Result<Option<Saving>> {
        let Some(folder) = &args.output else { return Saving::of(args, model, task, &[]) };
        let saving = Saving::at(folder, args, model, task, texts.files())?;
        texts.languages.iter().try_for_each(|(texts, _)| saving.output(&texts.language).map(|_| ()))?;
        Ok(Some(saving))
    }

    fn at<'a>(
        folder: &Path,
        args: &Args,
        model: &Path,
        task: &Task,
        files: impl Iterator<Item = &'a Origin>,
    ) -> Result<Saving> {
        let tables = args.perturb.paths().map(Path::to_owned);
        let read = files.map(|file| file.path.clone()).chain([model.to_owned()]).chain(tables).collect();
        let (format, split, existing) = (args.format, args.split.split(), args.force.existing());
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::Output(format!("cannot create {}: {error}", folder.display())))?;
        Ok(Saving { folder: folder.to_owned(), format, task: *task, split, existing, read })
    }

    /// Refuses a folder that holds what is not written anew, such as another model's predictions in other languages: all in
    /// it is read as one model's.
    fn refuse_strangers(&self, languages: &BTreeSet<&str>, pairs: bool, perturbed: bool) -> Result<()> {
        let is_own = |name: &str| {
            let language = name.strip_prefix(&format!("{}-", self.split)).and_then(|name| name.strip_suffix(".jsonl"));
            let is_pair =
                |name: &str| name.split_once('-').is_some_and(|(a, b)| languages.contains(a) && languages.contains(b));
            language.is_some_and(|language| languages.contains(language) || pairs && is_pair(language))
        };
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let is_stranger = |name: &&String| match name.as_str() {
            PERTURBED => !perturbed,
            name => name.ends_with(".jsonl") && !is_own(name),
        };
        match names.iter().find(is_stranger).filter(|_| self.format == FormatName::Jsonl) {
            None => Ok(()),
            Some(name) => Err(Error::Output(format!(
                "{}: it is of another evaluation, and all in that folder is read as one model's; name another --output, or \
                 remove it",
                self.folder.join(name).display()
            ))),
        }
    }

    /// Where it is kept how texts were changed.
    fn record(&self) -> Result<Output> {
        let read: Vec<&Path> = self.read.iter().map(PathBuf::as_path).collect();
        Output::new(&self.folder.join(PERTURBED), self.existing, &read)
    }

    fn output(&self, language: &str) -> Result<Output> {
        let read: Vec<&Path> = self.read.iter().map(PathBuf::as_path).collect();
        let (split, task) = (self.split, self.task.name);
        let name = match self.format {
            FormatName::Jsonl => format!("{split}-{language}.jsonl"),
            FormatName::Xtreme => {
                let (ending, _) = kinds::of(&self.task).submission(&[]);
                format!("{task}/{split}-{language}.{ending}")
            }
            FormatName::Xglue => {
                format!("{}/{language}.prediction", task.trim_start_matches("xglue-").to_uppercase())
            }
        };
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::Output(format!("cannot create {}: {error}", folder.display())))?;
        Output::new(&path, self.existing, &read)
    }

    fn write(&self, language: &str, predicted: &[Prediction]) -> Result<()> {
        let mut text = Vec::new();
        match self.format {
            FormatName::Jsonl => predictions::write(&mut text, predicted)?,
            FormatName::Xtreme | FormatName::Xglue => text = kinds::of(&self.task).submission(predicted).1.into_bytes(),
        }
        self.output(language)?.write(&text)
    }
}

/// Refuses to write a submission for data of which rows were left out: its lines go by those of the data.
fn refuse_gaps(format: FormatName, loaded: &[Loaded]) -> Result<()> {
    for loaded in loaded.iter().filter(|_| format != FormatName::Jsonl) {
        let mut seen = BTreeSet::new();
        if let Some(twice) = loaded.examples.iter().filter_map(|one| one.key.as_ref()).find(|key| !seen.insert(*key)) {
            let language = &loaded.language;
            return Err(Error::Data(format!(
                "{language}: two questions have the id \"{twice}\", and a submission has one answer for each id"
            )));
        }
    }
    let dropped = |loaded: &Loaded| loaded.dropped.values().sum::<usize>();
    match loaded.iter().find(|loaded| format != FormatName::Jsonl && dropped(loaded) > 0) {
        None => Ok(()),
        Some(loaded) => Err(Error::Usage(format!(
            "--format: {} rows of {} are left out ({:?}), and a submission has a line for each; name data without such rows",
            dropped(loaded),
            loaded.language,
            loaded.dropped
        ))),
    }
}

struct Measure<'a> {
    examiner: Examiner<'a>,
    saving: Option<Saving>,
    /// What is odd about the predictions so far.
    odd: Vec<String>,
    /// The marks of each class, by language.
    classes: Vec<(String, BTreeMap<String, Marks>)>,
}

impl Measure<'_> {
    /// By every metric.
    fn scores(&mut self, loaded: &Loaded) -> Result<Vec<Score>> {
        let (task, language) = (self.examiner.task.name, &loaded.language);
        tell(&format!("{task} {language}: {} examples", loaded.examples.len()));
        for (reason, n) in &loaded.dropped {
            tell(&format!("  {n} rows left out: {reason}"));
        }
        loaded.notes.iter().for_each(|text| tell(&format!("  note: {text}")));
        let measured = self.examiner.predict(loaded, None)?;
        if measured.n_truncated > 0 {
            tell(&format!("  {} of them cut to {} tokens", measured.n_truncated, self.examiner.max_length));
        }
        if let Some(saving) = &self.saving {
            saving.write(&loaded.language, &measured.predictions)?;
        }
        self.odd.extend(oddities(self.examiner.task, &measured.predictions));
        if measured.n_unseen > 0 {
            let n = measured.n_unseen;
            tell(&format!("  {n} words lie beyond that, and count as predicted O, or the most usual"));
        }
        let task = self.examiner.task;
        self.classes.push((loaded.language.clone(), kinds::of(task).classes(task, &measured.predictions)));
        scores(task, &loaded.language, &measured.predictions)
    }

    fn grid(&mut self, loaded: &[Loaded], summary: &Summary) -> Result<Grid> {
        let mut cells = Vec::new();
        for first in loaded {
            for second in loaded {
                let known = summary.score(&first.language).filter(|_| first.language == second.language);
                let score = match known {
                    Some(score) => score.clone(),
                    None => self.scores(&generalized(first, second)?)?.swap_remove(0),
                };
                cells.push((first.language.clone(), second.language.clone(), score));
            }
        }
        Grid::new(cells)
    }
}
