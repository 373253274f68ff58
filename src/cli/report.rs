//! `rxlt report`: run folders as tables, statistics and plots.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;

use super::{Force, note, print, tell};
use crate::{
    checkpoint::Output,
    error::{Error, Result},
    report::{
        analysis::{Analysis, Claims, Options, analyze},
        changes::{self, Changes},
        contents::{TABLES, full},
        csv::{seeds_to_csv, to_csv},
        document::Document,
        languages,
        latex::Fit,
        runs::{Labels, Study, read_rows},
    },
    tasks::TextFile,
};

/// Report on runs: the task's metric and gains by method and language, with intervals over items and seeds, and breakdowns.
///
/// Runs of one task on the same test items go together; methods are told apart by name, and seeds of a method must have
/// the same settings. The same runs and options give the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt report runs/xnli-*
  rxlt report runs/xnli-* --format html --output xnli.html
  rxlt report runs/xnli-* --format latex --tables accuracy,gains --fit column --output xnli.tex
  rxlt report runs/xnli-* --items 10 --items-to items.tsv
  rxlt report runs/xnli-* theirs/s1 theirs/s2 --label theirs/s1=theirs --label theirs/s2=theirs --margin 1
  rxlt report runs/xnli-* --distances uriel-syntactic.tsv --subset flips.jsonl --format markdown")]
pub struct Args {
    /// Folders that rxlt run left, folders of such folders, or a method's folder in one; beside them predictions made
    /// elsewhere, as files or folders of them.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    analysis: AnalysisArgs,
}

/// Which form, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Form {
    /// The form of the report.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
    /// Only these tables (accuracy, gains, methods, groups, …), with the verdict and what is said of them.
    #[arg(long, value_name = "TABLE,…", value_delimiter = ',', value_parser = PossibleValuesParser::new(TABLES),
          hide_possible_values = true)]
    tables: Vec<String>,
    /// What LaTeX tables have to fit: a page, or one of its two columns.
    #[arg(long, value_enum, default_value = "page", value_name = "WIDTH")]
    fit: Width,
    /// The file to write; stdout where not given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Terminal,
    Markdown,
    /// A line for each method and measure.
    Csv,
    /// As CSV a line for each method, seed, language and metric.
    CsvSeeds,
    /// Tables for papers: methods by language.
    Latex,
    Json,
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Width {
    Column,
    Page,
}

/// How runs are compared.
#[derive(Debug, clap::Args)]
pub(super) struct AnalysisArgs {
    /// The method that gains are measured against; `standard`, or the first, where not given.
    #[arg(long, value_name = "METHOD")]
    baseline: Option<String>,
    /// Of this permutations are drawn where they are too many to be counted out.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Distances from the source language: lines of a code and a number, parted by a tab; a first line that begins with #
    /// says what they are.
    #[arg(long, value_name = "FILE")]
    distances: Option<PathBuf>,
    /// How much text of each language the encoder was trained on, in the same form: the third of the languages with the
    /// least is called low-resource.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Items to look at apart, as rxlt flips writes them.
    #[arg(long, value_name = "FILE")]
    subset: Option<PathBuf>,
    /// How many items are listed that a method gains and loses against the baseline, in each language; 3 of two methods, none
    /// of more, where not given.
    #[arg(long, value_name = "N")]
    items: Option<usize>,
    /// A file for all of these items, with texts and every seed's answer: .tsv or .jsonl.
    #[arg(long, value_name = "FILE")]
    items_to: Option<PathBuf>,
    /// What a run, or predictions made elsewhere, are called: one of the paths given, and a name; may be given several
    /// times, and one name for several seeds.
    #[arg(long, value_name = "PATH=NAME")]
    label: Vec<String>,
    /// Test whether methods differ by less than so many points.
    #[arg(long, value_name = "POINTS", value_parser = margin)]
    margin: Option<f64>,
    /// A contrast of methods to test: A,B for A − B, or A,B,C,D for (A − B) − (C − D), such as a method's gain at two
    /// rates; may be given several times.
    #[arg(long, value_name = "A,B[,C,D]")]
    contrast: Vec<String>,
    /// Where the data lie now whose texts are shown, if not where the runs had them.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A margin in points.
fn margin(text: &str) -> std::result::Result<f64, String> {
    let points = text.parse::<f64>().ok().filter(|points| *points > 0.0 && *points < 100.0);
    points.ok_or_else(|| format!("expected points above 0 and below 100, found {text}"))
}

/// The two or four names of a contrast.
fn contrast(text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.len() {
        2 | 4 => Ok(names),
        n => Err(Error::Usage(format!(
            "--contrast {text}: expected two names of methods (A,B) or four (A,B,C,D), found {n}"
        ))),
    }
}

/// How many items are listed of two methods where nobody says.
const ITEMS: usize = 3;

impl AnalysisArgs {
    pub(super) fn options(&self, study: &Study) -> Result<Options> {
        let listed = self.items.unwrap_or(if study.methods().len() == 2 { ITEMS } else { 0 });
        let distances = self
            .distances
            .as_deref()
            .map(|path| Ok::<_, Error>((name(path)?, languages::numbers(&TextFile::read(path)?)?)));
        Ok(Options {
            baseline: self.baseline.clone(),
            seed: self.seed,
            distances: distances.transpose()?,
            text: self.text.as_deref().map(|path| languages::numbers(&TextFile::read(path)?)).transpose()?,
            subset: self.subset.as_deref().map(|path| read_rows(path, study.task)).transpose()?,
            items: (listed > 0 || self.items_to.is_some()).then_some(listed),
            data: self.data.clone(),
            claims: Claims::OfMethods,
            margin: self.margin.map(|points| points / 100.0),
            contrasts: self.contrast.iter().map(|names| contrast(names)).collect::<Result<_>>()?,
        })
    }

    /// The names given to paths.
    pub(super) fn labels(&self) -> Result<Labels> {
        let label = |text: &String| match text.rsplit_once('=') {
            Some((path, name)) if !path.is_empty() && !name.is_empty() => Ok((PathBuf::from(path), name.to_owned())),
            _ => Err(Error::Usage(format!("--label {text}: expected a path, = and a name, such as runs/a=ours"))),
        };
        self.label.iter().map(label).collect()
    }

    /// What is read beside the runs and the data.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.distances, &self.text, &self.subset].into_iter().flatten()
    }
}

/// `rxlt report`
pub fn run(args: &Args) -> Result<()> {
    let study = Study::read_as(&args.runs, &args.analysis.labels()?)?;
    let outputs = args.form.outputs(&args.runs, &args.analysis, &study)?;
    study.notes.iter().for_each(|note| tell(&format!("note: {note}")));
    let analysis = analyze(&study, &args.analysis.options(&study)?)?;
    args.form.show(&analysis, full(&analysis), &outputs)
}

/// What is written: the report where it is not printed, and the items that methods gain and lose.
pub(super) struct Outputs {
    report: Option<Output>,
    items: Option<(Output, Lines)>,
}

/// Changes as the text of a file.
type Lines = fn(&[Changes]) -> String;

impl Form {
    /// Where to, checked before anything is computed; nothing of what is read may be written.
    pub(super) fn outputs(&self, runs: &[PathBuf], analysis: &AnalysisArgs, study: &Study) -> Result<Outputs> {
        if let (Some(report), true) = (&self.output, self.output == analysis.items_to) {
            let shown = report.display();
            return Err(Error::Usage(format!("--output and --items-to are both {shown}: name two files")));
        }
        if let (false, Format::Csv | Format::CsvSeeds | Format::Json) = (self.tables.is_empty(), self.format) {
            return Err(Error::Usage("--tables is of reports with tables; CSV and JSON hold all figures".into()));
        }
        let read: Vec<&Path> = runs.iter().chain(analysis.files()).map(PathBuf::as_path).collect();
        let output = |path: &PathBuf| {
            let own = study.is_measured(path).then_some(path.as_path());
            Output::new(path, self.force.existing(), &[&read[..], own.as_slice()].concat())
        };
        let report = self.output.as_ref().map(output).transpose()?;
        let items = analysis.items_to.as_ref().map(|path| Ok((output(path)?, lines_of(path)?)));
        Ok(Outputs { report, items: items.transpose()? })
    }

    /// Writes the report in its form, and the items that methods gain and lose.
    pub(super) fn show(&self, analysis: &Analysis, document: Document, outputs: &Outputs) -> Result<()> {
        let document = if self.tables.is_empty() { document } else { document.only(&self.tables)? };
        if let Some((output, lines)) = &outputs.items {
            output.write(lines(&analysis.changes).as_bytes())?;
            analysis.changes.iter().flat_map(|changes| &changes.notes).for_each(|text| note(text));
        }
        let text = match self.format {
            Format::Terminal => document.to_text(),
            Format::Markdown => document.to_markdown(),
            Format::Csv => to_csv(analysis),
            Format::CsvSeeds => seeds_to_csv(analysis),
            Format::Latex => document.to_latex(match self.fit {
                Width::Column => Fit::Column,
                Width::Page => Fit::Page,
            }),
            Format::Html => document.to_html(),
            Format::Json => {
                let json = serde_json::to_string_pretty(analysis);
                json.map_err(|error| Error::Data(format!("the report has no form as JSON: {error}")))? + "\n"
            }
        };
        match &outputs.report {
            Some(output) => output.write(text.as_bytes()),
            None => print(&text),
        }
    }
}

/// How a file of items is written, by the ending of its name.
fn lines_of(path: &Path) -> Result<Lines> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("tsv") => Ok(changes::to_tsv),
        Some("jsonl") => Ok(changes::to_jsonl),
        _ => Err(Error::Usage(format!("--items-to {}: expected a name that ends in .tsv or .jsonl", path.display()))),
    }
}

/// What the first line of a file says that it is; else the file's name.
fn name(path: &Path) -> Result<String> {
    let file = TextFile::read(path)?;
    let first = file.lines().next().and_then(|(_, content)| content.strip_prefix('#'));
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(first.map_or_else(stem, |first| first.trim().to_owned()))
}
