//! `rxlt watch`: runs as they go, from their logs.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use ratatui::{
    Frame,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    symbols::Marker,
    text::Line,
    widgets::{Axis, Block, Cell, Chart, Dataset, GraphType, Row, Table},
};

use unicode_width::UnicodeWidthStr;

use super::{print, together::PARTS};
use crate::{
    error::{Error, Result},
    report,
    run::{
        files::is_run,
        folder::{Look, Status},
        history::{History, Stage},
        tensorboard::Board,
    },
};

/// Between two looks at the logs.
const PAUSE: Duration = Duration::from_millis(500);

/// Lines that a key goes on by.
const PAGE: isize = 10;

/// Points of a curve.
const POINTS: usize = 200;

/// Curves that can be told apart.
const COLORS: [Color; 6] = [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];

/// Watch runs: losses, speed and what is left, of seeds and methods side by side.
///
/// It reads logs alone, and takes nothing from who writes them: live, afterwards, from another terminal or over SSH. A
/// folder may be empty still, or hold runs (seeds, a sweep, a study). ↑ and ↓ go through them, q ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt watch runs/open-sib200
  rxlt watch runs/a runs/b --once
  rxlt watch runs/a runs/b --once --tensorboard boards && tensorboard --logdir boards")]
pub struct Args {
    /// Runs, or folders of runs.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print what there is once, as plain text.
    #[arg(long)]
    once: bool,
    /// Write event files for TensorBoard in this folder, in FOLDER/RUN/STAGE, of all that logs have, and of what comes.
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
}

/// `rxlt watch`
pub fn run(args: &Args) -> Result<()> {
    if let Some(missing) = args.folders.iter().find(|folder| !folder.is_dir()) {
        return Err(Error::Missing(format!(
            "there is no folder {}; name those that rxlt run writes",
            missing.display()
        )));
    }
    let (roots, place) = (args.folders.clone(), args.tensorboard.clone());
    let mut watched = Watched { roots, runs: Vec::new(), place, boards: BTreeMap::new(), first: None };
    watched.update()?;
    if args.once {
        return print(&watched.to_text());
    }
    let mut terminal = ratatui::try_init().map_err(|error| {
        Error::Io(format!("cannot draw on this terminal: {error}; --once prints what there is as plain text"))
    })?;
    let result = show(&mut terminal, &mut watched);
    ratatui::restore();
    result
}

/// Until somebody has seen enough.
fn show(terminal: &mut ratatui::DefaultTerminal, watched: &mut Watched) -> Result<()> {
    let failed = |error: std::io::Error| Error::Io(format!("cannot draw on this terminal: {error}"));
    loop {
        terminal.draw(|frame| watched.draw(frame)).map_err(failed)?;
        if event::poll(PAUSE).map_err(failed)?
            && let Event::Key(key) = event::read().map_err(failed)?
        {
            let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            match key.code {
                _ if is_interrupt => return Ok(()),
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Down | KeyCode::Char('j') => watched.go(1),
                KeyCode::Up | KeyCode::Char('k') => watched.go(-1),
                KeyCode::PageDown => watched.go(PAGE),
                KeyCode::PageUp => watched.go(-PAGE),
                _ => {}
            }
        }
        watched.update()?;
    }
}

struct Watched {
    roots: Vec<PathBuf>,
    runs: Vec<History>,
    /// Where event files are written, if they are.
    place: Option<PathBuf>,
    /// By where they are written.
    boards: BTreeMap<PathBuf, Board>,
    /// The first line that is shown, where somebody said so.
    first: Option<usize>,
}

impl Watched {
    /// Finds runs that were begun since, and reads on in all.
    fn update(&mut self) -> Result<()> {
        for root in &self.roots {
            for folder in runs_in(root, 0) {
                if !self.runs.iter().any(|run| run.folder() == folder) {
                    self.runs.push(History::new(&folder));
                }
            }
        }
        self.runs.sort_by(|a, b| a.folder().cmp(b.folder()));
        self.runs.iter_mut().try_for_each(History::update)?;
        self.update_boards()
    }

    /// Writes what is new into event files, if that is wanted.
    fn update_boards(&mut self) -> Result<()> {
        let Some(place) = self.place.clone() else { return Ok(()) };
        for (i, root) in self.roots.iter().enumerate() {
            let name = last_part(root).unwrap_or_else(|| i.to_string().into());
            let is_of = |run: &&History| run.folder().starts_with(root);
            for run in self.runs.iter().filter(is_of) {
                let inside = run.folder().strip_prefix(root).unwrap_or(Path::new(""));
                let own = place.join(&name).join(inside);
                let run = run.folder();
                let board = self.boards.entry(own.clone()).or_insert_with(|| Board::new(run, &own));
                if !board.is_of(run) {
                    let (run, own) = (run.display(), own.display());
                    return Err(Error::Usage(format!(
                        "{run}: event files of another run lie in {own}; name folders of different names, or one above both"
                    )));
                }
            }
        }
        self.boards.values_mut().try_for_each(Board::update)
    }

    /// A line for each stage, as cells.
    fn lines(&self) -> Vec<[String; 8]> {
        let mut lines = Vec::new();
        for run in &self.runs {
            let name = self.name_of(run.folder());
            let doing = doing(&run.look());
            if run.stages.is_empty() {
                let mut line: [String; 8] = Default::default();
                (line[0], line[7]) = (name, doing.to_owned());
                lines.push(line);
                continue;
            }
            let last = run.stages.len() - 1;
            lines.extend(run.stages.iter().enumerate().map(|(i, stage)| {
                let is_over = stage.total.is_some_and(|total| stage.step() >= total);
                let doing = match doing {
                    _ if i < last => DONE,
                    RUNNING if is_over => "measuring",
                    doing => doing,
                };
                line(&name, stage, doing)
            }));
        }
        lines
    }

    /// A run's folder as short as it can be said: inside of the one that was named, of several with that one's name.
    fn name_of(&self, folder: &Path) -> String {
        let roots = self.roots.iter().filter(|root| folder.starts_with(root));
        let root = roots.max_by_key(|root| root.components().count()).map_or(folder, PathBuf::as_path);
        let inside = folder.strip_prefix(root).unwrap_or(Path::new(""));
        let inside: PathBuf = inside.components().filter(|part| part.as_os_str() != PARTS).collect();
        let is_clear = inside.components().next().is_some() && self.roots.len() == 1;
        let short = if is_clear { inside } else { self.short(root).join(inside) };
        short.components().collect::<PathBuf>().display().to_string()
    }

    /// A folder that was named by its last part, where no other has the same.
    fn short(&self, root: &Path) -> PathBuf {
        let own = last_part(root);
        let n_same = self.roots.iter().filter(|other| last_part(other) == own).count();
        own.filter(|_| n_same <= 1).unwrap_or_else(|| root.to_owned())
    }

    fn to_text(&self) -> String {
        if self.runs.is_empty() {
            return "no run has begun here\n".into();
        }
        let columns = HEADINGS.iter().enumerate().map(|(i, heading)| match i {
            0 | 1 | 7 => report::Column::words(*heading),
            _ => report::Column::numbers(*heading),
        });
        self.lines().into_iter().fold(report::Table::new(columns), report::Table::row).to_text()
    }

    fn draw(&self, frame: &mut Frame) {
        let lines = self.lines();
        let [top, bottom] =
            Layout::vertical([Constraint::Max(lines.len() as u16 + 3), Constraint::Min(8)]).areas(frame.area());
        let shown = self.shown(&lines, usize::from(top.height).saturating_sub(3));
        let (headings, widths) = columns(&lines, usize::from(top.width).saturating_sub(2));
        let rows = lines.iter().enumerate().skip(shown.start).take(shown.len()).map(|(i, line)| {
            let cells = headings.iter().zip(&widths).map(|(column, width)| Cell::from(cut(&line[*column], *width)));
            Row::new(cells.collect::<Vec<_>>()).style(color(i))
        });
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let header = Row::new(headings.iter().map(|column| HEADINGS[*column])).style(bold);
        let table = Table::new(rows, widths.iter().map(|width| Constraint::Length(*width as u16))).header(header);
        let title = match shown.len() == lines.len() {
            true => " rxlt watch · q quits ".to_owned(),
            false => {
                format!(" rxlt watch · {} to {} of {}, ↑ ↓ · q quits ", shown.start + 1, shown.end, lines.len())
            }
        };
        frame.render_widget(table.block(Block::bordered().title(title)), top);
        self.draw_curves(frame, bottom, &shown);
    }

    /// Which lines there is room for: from where somebody went, else so that the first that is at work is among them.
    fn shown(&self, lines: &[[String; 8]], room: usize) -> Range<usize> {
        let at_work =
            || lines.iter().position(|line| line[7].starts_with(RUNNING)).unwrap_or_default().saturating_sub(1);
        let start = self.first.unwrap_or_else(at_work).min(lines.len().saturating_sub(room));
        start..(start + room).min(lines.len())
    }

    /// Goes down by so many lines, or up.
    fn go(&mut self, by: isize) {
        let lines = self.lines();
        let first = self.shown(&lines, 0).start;
        self.first = Some(first.saturating_add_signed(by).min(lines.len().saturating_sub(1)));
    }

    /// The losses of the lines that are shown.
    fn draw_curves(&self, frame: &mut Frame, area: ratatui::layout::Rect, shown: &Range<usize>) {
        // One for each line of the table, by which it has its colour: a run that is not begun has a line, too.
        let of_run = |run: &History| match run.stages.is_empty() {
            true => vec![Vec::new()],
            false => run.stages.iter().map(|stage| stage.curve(POINTS)).collect(),
        };
        let curves: Vec<Vec<(f64, f64)>> = self.runs.iter().flat_map(of_run).collect();
        let curves = || curves.iter().enumerate().skip(shown.start).take(shown.len());
        let points = || curves().flat_map(|(_, curve)| curve);
        let most_x = points().map(|point| point.0).fold(1.0, f64::max);
        let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let high = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
        let sets = curves().map(|(i, curve)| {
            Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(color(i)).data(curve)
        });
        let label = |text: String| Line::from(text);
        let x = Axis::default().bounds([1.0, most_x]).labels([label("1".into()), label(format!("update {most_x}"))]);
        let y = Axis::default().bounds([low, high]).labels([label(format!("{low:.3}")), label(format!("{high:.3}"))]);
        let chart = Chart::new(sets.collect()).x_axis(x).y_axis(y).block(Block::bordered().title(" loss "));
        frame.render_widget(chart, area);
    }
}

fn color(line: usize) -> Style {
    Style::new().fg(COLORS[line % COLORS.len()])
}

/// Which columns there is room for, and how wide they are: what a terminal has no room for is left out, rate and speed
/// first, and then names are cut.
fn columns(lines: &[[String; 8]], room: usize) -> (Vec<usize>, Vec<usize>) {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].width()).max().unwrap_or_default();
        cells.max(HEADINGS[column].width())
    };
    let all = |columns: &[usize]| columns.iter().map(|column| width(*column) + 1).sum::<usize>() - 1;
    let every: Vec<usize> = (0..HEADINGS.len()).collect();
    let without = |left_out: &[usize]| every.iter().copied().filter(|column| !left_out.contains(column)).collect();
    let choices: [Vec<usize>; 3] = [every.clone(), without(&[RATE]), without(&[RATE, SPEED])];
    let columns = choices.iter().find(|columns| all(columns) <= room).unwrap_or(&choices[2]).clone();
    let over = all(&columns).saturating_sub(room);
    let (run, stage) = (width(0), width(1));
    let from_run = (over * run / (run + stage).max(1)).min(run.saturating_sub(LEAST));
    let from_stage = (over - from_run).min(stage.saturating_sub(LEAST));
    let widths = columns.iter().map(|column| match column {
        0 => run - from_run,
        1 => stage - from_stage,
        column => width(*column),
    });
    (columns.clone(), widths.collect())
}

/// The columns that are left out first.
const RATE: usize = 4;
const SPEED: usize = 5;

/// What names keep at least.
const LEAST: usize = 8;

/// A name that is cut in its middle: what tells it from others is at its ends.
fn cut(text: &str, width: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= width || width < 3 {
        return text.to_owned();
    }
    let begin = (width - 1) / 2;
    let end = letters.len() - (width - 1 - begin);
    letters[..begin].iter().chain(&['…']).chain(&letters[end..]).collect()
}

const HEADINGS: [&str; 8] = ["run", "stage", "update", "loss", "rate", "tokens/s", "left", ""];

fn line(run: &str, stage: &Stage, doing: &str) -> [String; 8] {
    let dash = || "–".to_owned();
    let total = stage.total.map_or(String::new(), |total| format!("/{total}"));
    let rate = stage.updates.last().map_or_else(dash, |update| format!("{:.1e}", update.learning_rate));
    let left = stage.seconds_left().filter(|_| doing == RUNNING).map_or_else(dash, time);
    let measured = stage.measured.as_ref();
    let measured = measured.map_or(String::new(), |(key, value, at)| format!(", {key} {value:.3} at {at}"));
    [
        run.to_owned(),
        stage.name.clone(),
        format!("{}{total}", stage.step()),
        stage.loss().map_or_else(dash, |loss| format!("{loss:.4}")),
        rate,
        stage.tokens_per_second().map_or_else(dash, |speed| format!("{speed:.0}")),
        left,
        format!("{doing}{measured}"),
    ]
}

/// `1 h 05 min`, `5 min`, `12 s`
fn time(seconds: f64) -> String {
    match seconds as u64 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// Said of a run at work.
const RUNNING: &str = "running";

/// Said of a run, or a stage, that is over.
const DONE: &str = "done";

fn doing(look: &Look) -> &'static str {
    match look {
        Look::Nothing => "not begun",
        Look::Held(_) => RUNNING,
        Look::Left(Status::Done) => DONE,
        Look::Left(Status::Failed) => "failed",
        Look::Left(Status::Paused) => "stopped",
        Look::Left(Status::Running) => "killed",
    }
}

/// The last part of a folder's path, as it is in the file system.
fn last_part(folder: &Path) -> Option<PathBuf> {
    folder.canonicalize().ok()?.file_name().map(PathBuf::from)
}

/// How deep runs lie below a folder that is named: a study has them by target.
const DEPTH: usize = 3;

/// The folder itself where it is a run, else those inside that are.
fn runs_in(folder: &Path, depth: usize) -> Vec<PathBuf> {
    if is_run(folder) {
        return vec![folder.to_owned()];
    }
    if depth == DEPTH {
        return Vec::new();
    }
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inside.filter(|path| path.is_dir()).flat_map(|path| runs_in(&path, depth + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{Terminal, backend::TestBackend};

    #[test]
    fn a_frame_shows_runs_and_their_losses() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("s1");
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join("config.resolved.toml"), "name = \"x\"\n").unwrap();
        let place = folder.path().join("boards");
        let roots = vec![folder.path().to_owned()];
        let mut watched =
            Watched { roots, runs: Vec::new(), place: Some(place.clone()), boards: BTreeMap::new(), first: None };
        watched.update().unwrap();
        assert!(watched.to_text().contains("not begun"), "{}", watched.to_text());
        let step = |i: u64| {
            format!(
                "{{\"event\":\"step\",\"stage\":\"1-x\",\"step\":{i},\"loss\":{},\"learning_rate\":1e-3,\"tokens\":50,\
                 \"seconds\":0.1}}\n",
                3.0 / i as f64
            )
        };
        std::fs::write(run.join("log.jsonl"), (1..=30).map(step).collect::<String>()).unwrap();
        watched.update().unwrap();
        let events = std::fs::read_dir(place.join(folder.path().file_name().unwrap()).join("s1/1-x")).unwrap().count();
        assert_eq!(events, 1, "one file of events for each stage");
        let text = watched.to_text();
        for part in ["s1", "1-x", "30", "1.0e-3", "500"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let mut terminal = Terminal::new(TestBackend::new(100, 24)).unwrap();
        terminal.draw(|frame| watched.draw(frame)).unwrap();
        let drawn = terminal.backend().to_string();
        assert!(drawn.contains("1-x") && drawn.contains("update 30") && drawn.contains("3.000"), "{drawn}");
    }

    #[test]
    fn many_runs_fit_a_small_terminal() {
        let folder = tempfile::tempdir().unwrap();
        for i in 10..40 {
            let run = folder.path().join(format!("xnli/intermediate-mnli-s{i}-0123456789"));
            std::fs::create_dir_all(&run).unwrap();
            std::fs::write(run.join("config.resolved.toml"), "name = \"x\"\n").unwrap();
            let step = "{\"event\":\"step\",\"stage\":\"1-xnli-standard-compute-of-adv\",\"step\":1,\"loss\":1.5,\
                        \"learning_rate\":1e-3,\"tokens\":50,\"seconds\":0.1}\n";
            std::fs::write(run.join("log.jsonl"), step).unwrap();
        }
        let roots = vec![folder.path().to_owned()];
        let mut watched = Watched { roots, runs: Vec::new(), place: None, boards: BTreeMap::new(), first: None };
        watched.update().unwrap();
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        let mut drawn = |watched: &Watched| {
            terminal.draw(|frame| watched.draw(frame)).unwrap();
            terminal.backend().to_string()
        };
        let first = drawn(&watched);
        for part in ["1 to 13 of 30, ↑ ↓", "xnli/inter", "…", "of-adv", "1.5000", "not begun"] {
            assert!(first.contains(part), "{part}: {first}");
        }
        assert!(!first.contains("rate"), "{first}");
        watched.go(PAGE);
        assert!(drawn(&watched).contains("11 to 23 of 30"), "{}", drawn(&watched));
        watched.go(100);
        assert!(drawn(&watched).contains("18 to 30 of 30"), "{}", drawn(&watched));
        assert_eq!([cut("abcdefgh", 8), cut("abcdefgh", 5)], ["abcdefgh", "ab…gh"]);
    }

    #[test]
    fn runs_of_several_folders_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let of = |path: &str| folder.path().join(path);
        for run in ["a/s1", "b/s1", "b/s2/.parts/adv", "c/a"] {
            std::fs::create_dir_all(of(run)).unwrap();
        }
        let names = |roots: &[&str], runs: &[&str]| {
            let roots = roots.iter().map(|root| of(root)).collect();
            let watched = Watched { roots, runs: Vec::new(), place: None, boards: BTreeMap::new(), first: None };
            runs.iter().map(|run| watched.name_of(&of(run))).collect::<Vec<_>>()
        };
        assert_eq!(names(&["b"], &["b/s1", "b/s2/.parts/adv"]), ["s1", "s2/adv"]);
        assert_eq!(names(&["a/s1"], &["a/s1"]), ["s1"]);
        assert_eq!(names(&["a", "b"], &["a/s1", "b/s1", "b/s2/.parts/adv"]), ["a/s1", "b/s1", "b/s2/adv"]);
        let (one, other) = (of("a/s1").display().to_string(), of("b/s1").display().to_string());
        assert_eq!(names(&["a/s1", "b/s1"], &["a/s1", "b/s1"]), [one, other], "both are s1");
    }

    #[test]
    fn times_are_said_as_people_do() {
        assert_eq!([12.4, 300.0, 3900.0].map(time), ["12 s", "5 min", "1 h 05 min"]);
    }
}
