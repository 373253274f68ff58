//! `rxlt watch`: runs as they go, from their logs.

use std::{
    collections::BTreeMap,
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

use super::print;
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

/// Points of a curve.
const POINTS: usize = 200;

/// Curves that can be told apart.
const COLORS: [Color; 6] = [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];

/// Watch runs: losses, speed and what is left, of seeds and methods side by side.
///
/// It reads logs alone, and takes nothing from who writes them: live, afterwards, from another terminal or over SSH. A
/// folder may be empty still, or hold runs (seeds, a sweep, a study). q ends it.
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
    /// Write event files for TensorBoard in this folder, in RUN/STAGE, of all that logs have, and of what comes.
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
    let mut watched = Watched { roots, runs: Vec::new(), place, boards: BTreeMap::new() };
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
            if is_interrupt || [KeyCode::Char('q'), KeyCode::Esc].contains(&key.code) {
                return Ok(());
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
            let name = root.canonicalize().ok().and_then(|root| Some(root.file_name()?.to_owned()));
            let is_of = |run: &&History| run.folder().starts_with(root);
            for run in self.runs.iter().filter(is_of) {
                let inside = run.folder().strip_prefix(root).unwrap_or(Path::new(""));
                // Of several folders the runs in each are told apart by its name.
                let own = match (self.roots.len(), inside.components().next(), &name) {
                    (1, Some(_), _) => place.join(inside),
                    (_, _, Some(name)) => place.join(name).join(inside),
                    _ => place.join(i.to_string()).join(inside),
                };
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
                let doing = if i < last || is_over && doing == "running" { "done" } else { doing };
                line(&name, stage, doing)
            }));
        }
        lines
    }

    /// A run's folder as short as it can be said.
    fn name_of(&self, folder: &Path) -> String {
        let inside = self.roots.iter().filter_map(|root| folder.strip_prefix(root).ok());
        let short =
            inside.filter(|path| path.components().next().is_some()).min_by_key(|path| path.components().count());
        let last = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
        short.map(|path| path.display().to_string()).or_else(last).unwrap_or_else(|| folder.display().to_string())
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
        let wanted = lines.len() as u16 + 3;
        let [top, bottom] = Layout::vertical([Constraint::Max(wanted), Constraint::Min(8)]).areas(frame.area());
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let rows = lines.iter().enumerate().map(|(i, line)| {
            let color = Style::new().fg(COLORS[i % COLORS.len()]);
            Row::new(line.iter().map(|cell| Cell::from(cell.as_str()))).style(color)
        });
        let widths = [18, 20, 13, 8, 8, 9, 9].map(Constraint::Max).into_iter().chain([Constraint::Fill(1)]);
        let table = Table::new(rows, widths).header(Row::new(HEADINGS).style(bold));
        frame.render_widget(table.block(Block::bordered().title(" rxlt watch · q quits ")), top);
        self.draw_curves(frame, bottom);
    }

    fn draw_curves(&self, frame: &mut Frame, area: ratatui::layout::Rect) {
        // One for each line of the table, by which it has its colour: a run that is not begun has a line, too.
        let of_run = |run: &History| match run.stages.is_empty() {
            true => vec![Vec::new()],
            false => run.stages.iter().map(|stage| stage.curve(POINTS)).collect(),
        };
        let curves: Vec<Vec<(f64, f64)>> = self.runs.iter().flat_map(of_run).collect();
        let points = || curves.iter().flatten();
        let most_x = points().map(|point| point.0).fold(1.0, f64::max);
        let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let high = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
        let sets = curves.iter().enumerate().map(|(i, curve)| {
            let style = Style::new().fg(COLORS[i % COLORS.len()]);
            Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(style).data(curve)
        });
        let label = |text: String| Line::from(text);
        let x = Axis::default().bounds([1.0, most_x]).labels([label("1".into()), label(format!("update {most_x}"))]);
        let y = Axis::default().bounds([low, high]).labels([label(format!("{low:.3}")), label(format!("{high:.3}"))]);
        let chart = Chart::new(sets.collect()).x_axis(x).y_axis(y).block(Block::bordered().title(" loss "));
        frame.render_widget(chart, area);
    }
}

const HEADINGS: [&str; 8] = ["run", "stage", "update", "loss", "rate", "tokens/s", "left", ""];

fn line(run: &str, stage: &Stage, doing: &str) -> [String; 8] {
    let dash = || "–".to_owned();
    let total = stage.total.map_or(String::new(), |total| format!("/{total}"));
    let rate = stage.updates.last().map_or_else(dash, |update| format!("{:.1e}", update.learning_rate));
    let left = stage.seconds_left().filter(|_| doing == "running").map_or_else(dash, time);
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

fn doing(look: &Look) -> &'static str {
    match look {
        Look::Nothing => "not begun",
        Look::Held(_) => "running",
        Look::Left(Status::Done) => "done",
        Look::Left(Status::Failed) => "failed",
        Look::Left(Status::Paused) => "stopped",
        Look::Left(Status::Running) => "killed",
    }
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
        let mut watched = Watched { roots, runs: Vec::new(), place: Some(place.clone()), boards: BTreeMap::new() };
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
        let events = std::fs::read_dir(place.join("s1/1-x")).unwrap().count();
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
    fn times_are_said_as_people_do() {
        assert_eq!([12.4, 300.0, 3900.0].map(time), ["12 s", "5 min", "1 h 05 min"]);
    }
}
