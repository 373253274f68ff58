//! How far a run has come, on stderr: a bar on a terminal, elsewhere a line now and then.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{self, IsTerminal},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use unicode_width::UnicodeWidthStr;

use super::losses;
use crate::terminal::{self, say};

/// Time between two plain lines.
const PAUSE: Duration = Duration::from_secs(30);

/// Columns of a bar that still shows something.
const LEAST_BAR: usize = 6;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A bar that is drawn over.
    Bar,
    /// A line every thirty seconds.
    Plain,
    /// A line every second, for another process that shows it.
    Lines,
    /// Not at all; notes are said.
    Notes,
    /// Not at all, nor notes: another process says them.
    Silent,
}

impl Mode {
    /// Whether progress is shown at all.
    fn is_shown(self) -> bool {
        matches!(self, Mode::Bar | Mode::Plain | Mode::Lines)
    }

    /// Time between two lines.
    fn pause(self) -> Duration {
        if self == Mode::Lines { Duration::from_secs(1) } else { PAUSE }
    }

    /// A bar where stderr is a terminal that can draw one, else lines.
    pub fn auto() -> Mode {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stderr().is_terminal() && !dumb { Mode::Bar } else { Mode::Plain }
    }
}

/// One update of the model, as it is shown and logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'a> {
    /// The stage's name, such as `2-xnli-adv`.
    pub stage: &'a str,
    /// Updates made so far in this stage.
    pub step: u64,
    /// Updates of the whole stage.
    pub total: u64,
    /// The loss.
    pub loss: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// Tokens of this update.
    pub tokens: usize,
    /// Whether it is of the stage's own task, not of one beside it.
    pub is_own: bool,
}

/// Shows progress; the training loop calls it after every update.
#[derive(Debug)]
pub struct Progress {
    mode: Mode,
    state: Mutex<State>,
    whole: Mutex<Whole>,
}

/// How far all training of a run has come.
#[derive(Debug, Default)]
struct Whole {
    /// Updates of all stages and methods; 0 where that is not known.
    total: u64,
    /// Updates of those that are done.
    done: u64,
}

impl Whole {
    /// The share that is done with so many updates of the stage under way; nothing where there is no other stage.
    fn share(&self, step: &Step) -> Option<f64> {
        (self.total > step.total).then(|| (self.done + step.step).min(self.total) as f64 / self.total as f64)
    }
}

#[derive(Debug, Default)]
struct State {
    stage: String,
    pace: Pace,
    /// Of all updates of the stage's own task.
    losses: Vec<f64>,
    /// When a plain line was last written.
    said: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new(mode: Mode) -> Progress {
        Progress { mode, state: Mutex::default(), whole: Mutex::default() }
    }

    /// So many updates are made in all, by all stages and methods.
    pub fn expect(&self, updates: u64) {
        *self.whole() = Whole { total: updates, done: 0 };
    }

    /// So many of them were made before.
    pub fn skip(&self, updates: u64) {
        self.whole().done += updates;
    }

    /// A stage goes on after updates with these losses.
    pub fn go_on(&self, stage: &str, losses: Vec<f64>) {
        let mut state = self.state();
        state.leave();
        *state = State { stage: stage.to_owned(), losses, ..State::default() };
    }

    /// An update was made.
    pub fn step(&self, step: &Step) {
        let mut state = self.state();
        if state.stage != step.stage {
            state.leave();
            *state = State { stage: step.stage.to_owned(), ..State::default() };
        }
        let now = Instant::now();
        state.pace.count(now, step.tokens);
        if step.is_own {
            state.losses.push(step.loss);
        }
        // Asked for only where it is shown.
        let text = |state: &State| {
            let beside = format!("{}  {1}/{1}  ", step.stage, step.total).width() + LEAST_BAR;
            let room = terminal::width().map_or(usize::MAX, |width| width.saturating_sub(beside));
            let loss = losses::recent(&state.losses).map_or(step.loss, |(mean, _)| mean);
            let left = state.pace.left(step.total - step.step.min(step.total));
            measures(step, loss, state.pace.tokens_per_second(), left, self.whole().share(step), room)
        };
        match self.mode {
            Mode::Notes | Mode::Silent => {}
            Mode::Bar => {
                let text = text(&state);
                let bar = state.bar.get_or_insert_with(|| bar_of(step.stage.to_owned(), step.total));
                bar.set_position(step.step);
                bar.set_message(text);
            }
            Mode::Plain | Mode::Lines => {
                let due = state.said.is_none_or(|said| now - said >= self.mode.pause()) || step.step == step.total;
                if due {
                    state.said = Some(now);
                    say(&format!("{} {}/{}  {}", step.stage, step.step, step.total, text(&state)));
                }
            }
        }
        if step.step >= step.total {
            state.leave();
            drop(state);
            self.skip(step.total);
        }
    }

    /// So many of all languages were measured.
    pub fn measured(&self, stage: &str, n: u64, total: u64) {
        let mut state = self.state();
        let what = format!("{stage} measured");
        if state.stage != what {
            state.leave();
            *state = State { stage: what.clone(), ..State::default() };
        }
        match self.mode {
            Mode::Notes | Mode::Silent => {}
            Mode::Bar => {
                let bar = state.bar.get_or_insert_with(|| bar_of(what, total));
                bar.set_message("languages");
                bar.set_position(n);
            }
            Mode::Plain | Mode::Lines => {
                let now = Instant::now();
                if n == total || state.said.get_or_insert(now).elapsed() >= self.mode.pause() {
                    state.said = Some(now);
                    say(&format!("{what} {n}/{total} languages"));
                }
            }
        }
        if n >= total {
            state.leave();
        }
    }

    /// A model was measured on the way: by which number, and whether it is the best so far, and so kept.
    pub fn evaluated(&self, stage: &str, step: u64, measure: &str, value: f64, is_best: bool) {
        let best = if is_best { " (best so far)" } else { "" };
        if self.mode.is_shown() {
            self.note(format_args!("{stage} {step}: {measure} {value:.4}{best}"));
        }
        // The time that measuring took says nothing of the next update.
        self.state().pace.pause();
    }

    /// Something that a user should know.
    pub fn note(&self, text: impl Display) {
        let state = self.state();
        match (&state.bar, self.mode) {
            (_, Mode::Silent) => {}
            (Some(bar), _) => bar.suspend(|| say(&text.to_string())),
            (None, _) => say(&text.to_string()),
        }
    }

    /// Leaves the terminal as it was: the bar stays where it stands.
    pub fn finish(&self) {
        self.state().leave();
    }

    fn whole(&self) -> MutexGuard<'_, Whole> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs side by side: a row for each that is at work, drawn over on a terminal, elsewhere a table now and then.
#[derive(Debug)]
pub struct Board {
    mode: Mode,
    labels: Vec<String>,
    rows: Mutex<Rows>,
}

#[derive(Debug)]
struct Rows {
    bars: MultiProgress,
    /// Those that have begun and not ended, with what each said last.
    at_work: BTreeMap<usize, (String, Option<ProgressBar>)>,
    n_ended: usize,
    said: Instant,
}

impl Board {
    /// Nothing has begun yet.
    pub fn new(mode: Mode, labels: Vec<String>) -> Board {
        let rows = Rows { bars: MultiProgress::new(), at_work: BTreeMap::new(), n_ended: 0, said: Instant::now() };
        Board { mode, labels, rows: Mutex::new(rows) }
    }

    /// What a run said last.
    pub fn say(&self, row: usize, text: &str) {
        let mut rows = self.rows();
        let label = &self.labels[row];
        if self.mode == Mode::Bar {
            let Rows { bars, at_work, .. } = &mut *rows;
            let new = || (String::new(), Some(bars.add(row_of(label))));
            let (_, bar) = at_work.entry(row).or_insert_with(new);
            let room = terminal::width().map_or(usize::MAX, |width| width.saturating_sub(label.width() + 2));
            bar.iter().for_each(|bar| bar.set_message(fitted(text, room)));
            return;
        }
        rows.at_work.insert(row, (text.to_owned(), None));
        if self.mode.is_shown() && rows.said.elapsed() >= self.mode.pause() {
            rows.said = Instant::now();
            let widest = rows.at_work.keys().map(|row| self.labels[*row].chars().count()).max().unwrap_or_default();
            say(&format!("{} of {} ended", rows.n_ended, self.labels.len()));
            for (row, (text, _)) in &rows.at_work {
                say(&format!("  {:widest$}  {text}", self.labels[*row]));
            }
        }
    }

    /// A run ended, and how.
    pub fn end(&self, row: usize, how: &str) {
        let mut rows = self.rows();
        rows.n_ended += 1;
        let line = format!("{}: {how} ({} of {} ended)", self.labels[row], rows.n_ended, self.labels.len());
        if let Some((_, Some(bar))) = rows.at_work.remove(&row) {
            bar.finish_and_clear();
        }
        match self.mode {
            Mode::Notes | Mode::Silent => {}
            Mode::Bar => rows.bars.suspend(|| say(&line)),
            Mode::Plain | Mode::Lines => say(&line),
        }
    }

    /// Leaves the terminal as it was.
    pub fn finish(&self) {
        let rows = self.rows();
        rows.at_work.values().filter_map(|(_, bar)| bar.as_ref()).for_each(ProgressBar::finish_and_clear);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row_of(label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix}  {wide_msg}").expect("the template is right");
    ProgressBar::new_spinner().with_style(style).with_prefix(label.to_owned())
}

impl State {
    fn leave(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }
}

/// How fast updates come: means that forget old ones.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    seconds: Option<f64>,
    tokens: f64,
}

impl Pace {
    fn count(&mut self, now: Instant, tokens: usize) {
        if let Some(last) = self.last.replace(now) {
            let took = (now - last).as_secs_f64();
            let weight = if self.seconds.is_some() { 0.05 } else { 1.0 };
            self.seconds = Some(self.seconds.unwrap_or(0.0) * (1.0 - weight) + weight * took);
            self.tokens = self.tokens * (1.0 - weight) + weight * tokens as f64;
        }
    }

    fn pause(&mut self) {
        self.last = None;
    }

    fn tokens_per_second(&self) -> Option<f64> {
        // Two updates whose numbers arrive together, at the end, are no pace.
        self.seconds.filter(|seconds| *seconds > 1e-3).map(|seconds| self.tokens / seconds)
    }

    fn left(&self, updates: u64) -> Option<Duration> {
        Duration::try_from_secs_f64(self.seconds? * updates as f64).ok()
    }
}

fn bar_of(prefix: String, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}");
    let bar = ProgressBar::new(total).with_prefix(prefix);
    bar.set_style(style.expect("the template is right").progress_chars("=> "));
    bar
}

/// The mean loss of the last updates, learning rate, speed, time left and the share of all training that is done, as one
/// line of at most so many columns: what there is no room for is left out, the rate first.
fn measures(
    step: &Step,
    loss: f64,
    tokens_per_second: Option<f64>,
    left: Option<Duration>,
    share: Option<f64>,
    room: usize,
) -> String {
    let mut parts = [
        Some(format!("loss {loss:.4}")),
        Some(format!("rate {:.2e}", step.learning_rate)),
        tokens_per_second.map(|speed| format!("{} tokens/s", count(speed))),
        left.map(|left| format!("{} left", time(left))),
        share.map(|share| format!("{:.0} % of all", 100.0 * share)),
    ];
    let line = |parts: &[Option<String>; 5]| parts.iter().flatten().cloned().collect::<Vec<_>>().join("  ");
    for part in [1, 2, 4] {
        if line(&parts).len() > room {
            parts[part] = None;
        }
    }
    line(&parts)
}

/// A line of [`measures`] in so many columns: as there, the rate is left out first.
fn fitted(line: &str, room: usize) -> String {
    let mut parts: Vec<&str> = line.split("  ").collect();
    let of_least: [fn(&str) -> bool; 3] =
        [|part| part.starts_with("rate "), |part| part.ends_with(" tokens/s"), |part| part.ends_with(" of all")];
    for is_of_least in of_least {
        if parts.join("  ").width() > room {
            parts.retain(|part| !is_of_least(part));
        }
    }
    parts.join("  ")
}

fn count(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// A length of time in its two largest units, such as `2 h 5 min`.
pub fn time(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_well() {
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7_530, "2 h 5 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(time(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn lines_read_well() {
        let step =
            Step { stage: "1-mlm", step: 5, total: 10, loss: 1.23456, learning_rate: 2e-5, tokens: 1000, is_own: true };
        assert_eq!(measures(&step, 1.23456, None, None, None, 80), "loss 1.2346  rate 2.00e-5");
        let text = measures(&step, 1.23456, Some(12_345.0), Some(Duration::from_secs(70)), Some(0.25), 80);
        let short = measures(&step, 1.23456, Some(12_345.0), Some(Duration::from_secs(70)), Some(0.25), 41);
        assert_eq!(short, "loss 1.2346  1 min 10 s left  25 % of all");
        assert_eq!(text, "loss 1.2346  rate 2.00e-5  12k tokens/s  1 min 10 s left  25 % of all");
        assert_eq!(fitted(&text, text.len()), text);
        assert_eq!(fitted(&text, 57), "loss 1.2346  12k tokens/s  1 min 10 s left  25 % of all");
        assert_eq!(fitted(&text, 30), "loss 1.2346  1 min 10 s left");
    }

    #[test]
    fn the_share_of_all_training_goes_on_from_stage_to_stage() {
        let progress = Progress::new(Mode::Silent);
        let step =
            |stage, step| Step { stage, step, total: 10, loss: 1.0, learning_rate: 1e-5, tokens: 8, is_own: true };
        assert_eq!(progress.whole().share(&step("1-a", 5)), None, "nobody said how many there are");
        progress.expect(40);
        progress.skip(10);
        let share = |one: Step| {
            progress.step(&one);
            progress.whole().share(&one)
        };
        assert_eq!(share(step("2-b", 5)), Some(0.375));
        progress.step(&step("2-b", 10));
        assert_eq!(share(step("2-c", 2)), Some(0.55));
    }

    #[test]
    fn the_pace_forgets_pauses() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        pace.count(at(0), 100);
        assert!(pace.left(3).is_none() && pace.tokens_per_second().is_none());
        pace.count(at(2), 100);
        pace.pause();
        pace.count(at(500), 100);
        pace.count(at(502), 100);
        assert_eq!(pace.left(3), Some(Duration::from_secs(6)));
        assert_eq!(pace.tokens_per_second(), Some(50.0));
    }
}
