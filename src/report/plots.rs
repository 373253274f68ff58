//! Plots as SVG, for one self-contained page: no script, no outside resource, colors from the page's own style.
//!
//! Every image is 360 units wide, which a phone shows as they are and a desktop larger. Methods differ in color, and in
//! the form of their points or dashes, so that color alone carries nothing.

use super::{
    analysis::{Analysis, Correlation, Gain, Kind, LanguageFacts, Measured, MethodAnalysis, TRANSFER_GAP},
    document::capitalized,
    percent, points, range,
    table::{cut, html},
};
use std::fmt::Write;

const WIDTH: f64 = 360.0;

/// How wide forest plots are, which name groups of languages.
const FOREST: f64 = 420.0;

/// How wide a letter is, about.
const LETTER: f64 = 6.4;

/// How wide the names of languages are at most; codes are never cut.
const NAMES: f64 = 124.0;

/// Colors and forms that the page's style knows.
const STYLES: usize = 8;

/// A number line on the image: values, and where they lie.
struct Axis {
    values: [f64; 2],
    places: [f64; 2],
    step: f64,
}

impl Axis {
    /// An axis whose ends are ticks.
    fn new(values: impl IntoIterator<Item = f64>, places: [f64; 2]) -> Axis {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let ends = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], value| [a.min(value), b.max(value)]);
        let [from, to] = if ends[0] <= ends[1] { ends } else { [0.0, 1.0] };
        let to = if from == to { from + 0.01 } else { to };
        let step = step(to - from);
        // Whole steps, so that zero is a tick where it is in sight.
        Axis { values: [(from / step + 1e-9).floor() * step, (to / step - 1e-9).ceil() * step], places, step }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value - self.values[0]) / (self.values[1] - self.values[0]);
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    fn ticks(&self) -> Vec<f64> {
        let first = (self.values[0] / self.step - 1e-9).ceil();
        let n = (self.values[1] / self.step - first + 1e-9).floor().max(0.0) as usize;
        (0..=n).map(|i| self.step * (first + i as f64)).collect()
    }
}

/// The round step that gives four to eight ticks.
fn step(range: f64) -> f64 {
    let power = 10f64.powf((range / 5.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| range / step <= 7.0).unwrap_or(power)
}

/// An image under way.
struct Image {
    width: f64,
    height: f64,
    body: String,
}

impl Image {
    fn new(height: f64) -> Image {
        Image { width: WIDTH, height, body: String::new() }
    }

    fn add(&mut self, element: std::fmt::Arguments) {
        self.body.write_fmt(element).expect("a string takes all that is written");
        self.body.push('\n');
    }

    fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        self.add(format_args!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"));
    }

    fn text(&mut self, anchor: &str, [x, y]: [f64; 2], text: &str) {
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", html(text)));
    }

    /// A text in a style of its own.
    fn styled(&mut self, class: &str, anchor: &str, [x, y]: [f64; 2], text: &str) {
        let text = html(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A text that is read from below.
    fn upright(&mut self, class: &str, [x, y]: [f64; 2], text: &str) {
        let text = html(text);
        self.add(format_args!(
            "<text class=\"{class}\" transform=\"translate({x:.1} {y:.1}) rotate(-90)\">{text}</text>"
        ));
    }

    /// The code of a language, which keeps to the left, and its name as far as there is room up to `right`.
    fn language(&mut self, [right, y]: [f64; 2], codes: f64, language: &LanguageFacts) {
        self.text("start", [0.0, y], &language.code);
        if language.name != language.code {
            let letters = ((right - codes) / (0.92 * LETTER)) as usize;
            self.styled("soft", "start", [codes, y], &cut(&language.name, letters));
        }
    }

    /// A point in the form of its series, which says `title` when it is pointed at.
    fn point(&mut self, series: usize, [x, y]: [f64; 2], title: &str) {
        let r = 3.0;
        let form = match series % STYLES {
            0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{r}\"/>"),
            1 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"5.4\" height=\"5.4\"/>", x - 2.7, y - 2.7),
            2 => path(&[[x, y - 3.8], [x + 3.5, y + 2.6], [x - 3.5, y + 2.6]]),
            3 => path(&[[x, y - 4.0], [x + 4.0, y], [x, y + 4.0], [x - 4.0, y]]),
            4 => path(&[[x, y + 3.8], [x + 3.5, y - 2.6], [x - 3.5, y - 2.6]]),
            5 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"3\"/>", x - 4.0, y - 1.5),
            6 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"3\" height=\"8\"/>", x - 1.5, y - 4.0),
            _ => path(&[[x - 3.8, y], [x + 2.6, y - 3.5], [x + 2.6, y + 3.5]]),
        };
        let class = style(series);
        self.add(format_args!("<g class=\"point {class}\"><title>{}</title>{form}</g>", html(title)));
    }

    /// The names of the methods with their forms, several a row; returns where the rest may begin.
    fn legend(&mut self, methods: &[&MethodAnalysis], dashes: bool) -> f64 {
        let (mut x, mut y) = (4.0, 10.0);
        for (i, method) in methods.iter().enumerate() {
            let width = 22.0 + 6.2 * method.name.chars().count() as f64;
            if x + width > WIDTH && x > 4.0 {
                (x, y) = (4.0, y + 16.0);
            }
            match dashes {
                true => self.line(&format!("curve {}", style(i)), [x, y], [x + 14.0, y]),
                false => self.point(i, [x + 6.0, y], &method.name),
            }
            self.text("start", [x + 18.0, y + 4.0], &method.name);
            x += width + 6.0;
        }
        y + 14.0
    }

    fn done(self, title: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {:.0}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
            self.width,
            self.height,
            html(title),
            self.body
        )
    }
}

/// A colour, and after all of them the same with hollow forms.
fn style(series: usize) -> String {
    let hollow = if series / STYLES % 2 == 1 { " hollow" } else { "" };
    format!("s{}{hollow}", series % STYLES)
}

/// Room for the codes of languages, and for codes and names.
fn room_for_languages(analysis: &Analysis) -> [f64; 2] {
    let longest = |of: &dyn Fn(&LanguageFacts) -> usize| analysis.languages.iter().map(of).max().unwrap_or(0) as f64;
    let codes = 6.0 + LETTER * longest(&|language| language.code.chars().count());
    let names = longest(&|language| if language.name == language.code { 0 } else { language.name.chars().count() });
    [codes, (codes + (LETTER * names).min(NAMES - codes.min(NAMES - 40.0))).max(codes) + 4.0]
}

/// A row of a forest plot.
struct Row<'a> {
    name: String,
    language: Option<&'a LanguageFacts>,
    gain: &'a Gain,
    is_mean: bool,
}

/// Gains of a method, a row each, with intervals and figures: languages by family, groups, and means last.
pub fn forest(analysis: &Analysis, method: &MethodAnalysis) -> Option<String> {
    const PITCH: f64 = 14.0;
    let series = analysis.methods.iter().position(|other| other.name == method.name).unwrap_or(0);
    let parts = parts_of_forest(analysis, method);
    let n: usize = parts.iter().map(|(_, rows)| rows.len() + 1).sum();
    if parts.is_empty() {
        return None;
    }
    let [codes, names] = room_for_languages(analysis);
    let has_groups = parts.iter().flat_map(|(_, rows)| rows).any(|row| row.language.is_none() && !row.is_mean);
    let width = if has_groups { FOREST } else { WIDTH };
    let (left, right, top) = (names.max(if has_groups { 156.0 } else { 110.0 }), width - 120.0, 6.0);
    let bottom = top + PITCH * n as f64 + 4.0;
    let mut image = Image { width, ..Image::new(bottom + 32.0) };
    let axis = forest_axis(analysis, [left, right]);
    for tick in axis.ticks() {
        let class = if tick.abs() < 1e-9 { "axis" } else { "grid" };
        image.line(class, [axis.at(tick), top], [axis.at(tick), bottom]);
        image.text("middle", [axis.at(tick), bottom + 13.0], points(tick).trim_end_matches(".0"));
    }
    image.text("middle", [(left + right) / 2.0, bottom + 27.0], &format!("gain in {} in points", analysis.metric));
    let mut y = top;
    for (heading, rows) in &parts {
        y += PITCH;
        image.styled("head", "start", [0.0, y - 3.0], heading);
        for row in rows {
            y += PITCH;
            if row.is_mean {
                image.add(format_args!(
                    "<rect class=\"shade\" x=\"0\" y=\"{:.1}\" width=\"{width}\" height=\"{PITCH}\"/>",
                    y - PITCH + 0.5
                ));
                image.styled("strong", "start", [0.0, y - 3.0], &cut(&row.name, (left / LETTER) as usize));
            } else if let Some(language) = row.language {
                image.language([left, y - 3.0], codes, language);
            } else {
                image.styled("small", "start", [0.0, y - 3.5], &cut(&row.name, (left / 4.7) as usize));
            }
            image.gain(&axis, series, y - PITCH / 2.0 + 0.5, row);
        }
    }
    Some(image.done(&format!("Gain of {} by language in points, with 95 % intervals", method.name)))
}

impl Image {
    /// An interval with its point, and both in figures at the right; means are diamonds.
    fn gain(&mut self, axis: &Axis, series: usize, y: f64, row: &Row) {
        let gain = row.gain;
        let style = style(series);
        let star = if gain.is_significant() { "*" } else { "" };
        let interval = range([gain.low, gain.high]);
        let title = format!("{}: {} {interval}{star}", row.name, points(gain.value));
        let [least, most] = axis.values;
        if gain.low.is_finite() && gain.high.is_finite() {
            let (low, high) = (axis.at(gain.low.clamp(least, most)), axis.at(gain.high.clamp(least, most)));
            match row.is_mean {
                true => {
                    let middle = axis.at(gain.value.clamp(least, most));
                    let form = path(&[[low, y], [middle, y - 4.5], [high, y], [middle, y + 4.5]]);
                    self.add(format_args!("<g class=\"point {style}\"><title>{}</title>{form}</g>", html(&title)));
                }
                false => self.line(&format!("error {style}"), [low, y], [high, y]),
            }
            // What goes on beyond the image ends in the head of an arrow.
            for (is_beyond, x, back) in [(gain.low < least, low, 4.0), (gain.high > most, high, -4.0)] {
                if is_beyond {
                    let head = path(&[[x, y], [x + back, y - 3.0], [x + back, y + 3.0]]);
                    self.add(format_args!("<g class=\"point {style}\">{head}</g>"));
                }
            }
        }
        if !row.is_mean && (least..=most).contains(&gain.value) {
            self.point(series, [axis.at(gain.value), y], &title);
        }
        let class = if row.is_mean || gain.is_significant() { "figure strong" } else { "figure" };
        self.styled(class, "end", [self.width - 84.0, y + 3.5], &points(gain.value));
        self.styled(class, "end", [self.width - 6.0, y + 3.5], &interval);
        self.styled(class, "start", [self.width - 5.5, y + 3.5], star);
    }
}

/// An axis that all forest plots of a report share. It shows every gain and most intervals whole; a few that are far
/// wider than the others are cut.
fn forest_axis(analysis: &Analysis, places: [f64; 2]) -> Axis {
    let measured = || analysis.methods.iter().flat_map(|method| parts_of_forest(analysis, method));
    let gains: Vec<&Gain> = measured().flat_map(|(_, rows)| rows).map(|row| row.gain).collect();
    let mut reach: Vec<f64> = gains.iter().flat_map(|gain| [gain.low.abs(), gain.high.abs()]).collect();
    reach.retain(|end| end.is_finite());
    reach.sort_by(f64::total_cmp);
    let usual = reach.get((0.9 * reach.len() as f64) as usize).copied().unwrap_or(0.01);
    let farthest = gains.iter().map(|gain| gain.value.abs()).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let most = (1.5 * usual).max(1.05 * farthest);
    let ends = gains.iter().flat_map(|gain| [gain.low, gain.high, gain.value]).map(|end| end.clamp(-most, most));
    Axis::new(ends.chain([0.0]), places)
}

/// The rows of a forest plot under their headings.
fn parts_of_forest<'a>(analysis: &'a Analysis, method: &'a MethodAnalysis) -> Vec<(String, Vec<Row<'a>>)> {
    let row = |(measured, language): (&'a Measured, Option<&'a LanguageFacts>)| {
        let name = language.map_or(measured.name.clone(), |language| language.name.clone());
        Some(Row { name, language, gain: measured.gain.as_ref()?, is_mean: measured.kind == Kind::Mean })
    };
    let languages = || analysis.languages.iter().zip(&method.measures);
    let of = |keeps: &dyn Fn(&LanguageFacts) -> bool| -> Vec<Row<'a>> {
        languages()
            .filter(|(language, _)| keeps(language))
            .filter_map(|(language, measured)| row((measured, Some(language))))
            .collect()
    };
    let others = || analysis.languages.iter().filter(|language| language.code != analysis.source);
    let size = |family: Option<&str>| others().filter(|language| language.family == family).count();
    let mut families: Vec<Option<&str>> =
        others().map(|language| language.family).filter(|family| family.is_some() && size(*family) > 1).collect();
    families.sort_by_key(|family| (std::cmp::Reverse(size(*family)), *family));
    families.dedup();
    let mut parts = vec![("source".to_owned(), of(&|language| language.code == analysis.source))];
    for family in &families {
        parts.push((
            family.unwrap_or_default().to_owned(),
            of(&|language| language.code != analysis.source && language.family == *family),
        ));
    }
    let rest = of(&|language| language.code != analysis.source && !families.contains(&language.family));
    let heading = if families.is_empty() { "languages" } else { "other families" };
    parts.push((heading.to_owned(), rest));
    let measured = |kind: Kind| method.measures.iter().filter(move |measured| measured.kind == kind);
    let groups = measured(Kind::Group)
        .filter(|group| !group.name.starts_with("script: ") && !group.name.starts_with("family: "));
    parts.push(("groups".into(), groups.filter_map(|group| row((group, None))).collect()));
    // Of a gap less is better: it would lie on the wrong side.
    let means = measured(Kind::Mean).filter(|mean| mean.name != TRANSFER_GAP);
    parts.push(("means".into(), means.filter_map(|mean| row((mean, None))).collect()));
    parts.retain(|(_, rows)| !rows.is_empty());
    parts
}

fn path(points: &[[f64; 2]]) -> String {
    let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    format!("<polygon points=\"{}\"/>", points.join(" "))
}

/// Accuracy by language, a row each, with intervals.
pub fn accuracies(analysis: &Analysis) -> String {
    let methods: Vec<&MethodAnalysis> = analysis.methods.iter().collect();
    let n = analysis.languages.len();
    // Many methods stand closer together.
    let pitch = (60.0 / methods.len() as f64).clamp(5.0, 9.0);
    let row = (pitch * methods.len() as f64 + 7.0).max(14.0);
    let mut image = Image::new(0.0);
    let top = image.legend(&methods, false);
    let bottom = top + row * n as f64;
    image.height = bottom + 34.0;
    let [codes, left] = room_for_languages(analysis);
    let in_languages = |method: &&MethodAnalysis| {
        let measures = method.measures.iter().filter(|measured| measured.kind == Kind::Language);
        measures.flat_map(|measured| [measured.low, measured.high, measured.value]).collect::<Vec<_>>()
    };
    let axis = Axis::new(methods.iter().flat_map(in_languages), [left, WIDTH - 10.0]);
    for tick in axis.ticks() {
        image.line("grid", [axis.at(tick), top], [axis.at(tick), bottom]);
        image.text("middle", [axis.at(tick), bottom + 13.0], &format!("{:.0}", 100.0 * tick));
    }
    image.text("middle", [(left + WIDTH) / 2.0, bottom + 28.0], &format!("{} in %", analysis.metric));
    for (i, language) in analysis.languages.iter().enumerate() {
        let middle = top + row * (i as f64 + 0.5);
        image.language([left, middle + 4.0], codes, language);
        if i > 0 {
            image.line("grid", [0.0, middle - row / 2.0], [WIDTH, middle - row / 2.0]);
        }
        for (m, method) in methods.iter().enumerate() {
            let measured = &method.measures[i];
            let y = middle + pitch * (m as f64 - (methods.len() - 1) as f64 / 2.0);
            image.line(&format!("error {}", style(m)), [axis.at(measured.low), y], [axis.at(measured.high), y]);
            let (value, low, high) = (percent(measured.value), percent(measured.low), percent(measured.high));
            let title = format!("{} in {}: {value} [{low}, {high}]", method.name, language.name);
            image.point(m, [axis.at(measured.value), y], &title);
        }
    }
    image.done(&format!("{} by language and method, with 95 % intervals", capitalized(analysis.metric)))
}

/// Gains by distance, with the line of least squares and its interval.
pub fn by_distance(analysis: &Analysis, method: &MethodAnalysis, correlation: &Correlation) -> String {
    let series = analysis.methods.iter().position(|other| other.name == method.name).unwrap_or(0);
    let found =
        analysis.languages.iter().zip(&method.measures).filter(|(language, _)| language.code != analysis.source);
    let found: Vec<_> = found
        .filter_map(|(language, measured)| Some((language, language.distance?, measured.gain.as_ref()?)))
        .collect();
    let longest = found.iter().map(|(language, ..)| language.code.chars().count()).max().unwrap_or(0);
    let (top, bottom, left) = (8.0 + 5.6 * longest as f64, 220.0, 42.0);
    let mut image = Image::new(bottom + 34.0);
    let (least, most) = found.iter().fold((f64::MAX, f64::MIN), |(a, b), (_, x, _)| (a.min(*x), b.max(*x)));
    let places = spread(&found.iter().map(|(_, distance, _)| *distance).collect::<Vec<_>>(), [left, WIDTH - 8.0]);
    let is_whole = found.iter().all(|(_, distance, _)| distance.fract() == 0.0);
    let step = if is_whole { step(most - least).max(1.0) } else { step(most - least) };
    let x = Axis { values: [least, most], places: places.ends, step };
    let heights = found.iter().flat_map(|(_, _, gain)| [gain.low, gain.high]).chain([0.0]);
    let y = Axis::new(heights.chain(correlation.band.iter().flat_map(|[_, low, high]| [*low, *high])), [bottom, top]);
    for tick in y.ticks() {
        let class = if tick.abs() < 1e-9 { "axis" } else { "grid" };
        image.line(class, [left, y.at(tick)], [WIDTH - 8.0, y.at(tick)]);
        image.text("end", [left - 5.0, y.at(tick) + 4.0], &points(tick));
    }
    for tick in x.ticks() {
        let label = format!("{tick:.2}");
        let label = label.trim_end_matches('0').trim_end_matches('.');
        image.text("middle", [x.at(tick), bottom + 14.0], label);
    }
    image.text("middle", [(left + WIDTH) / 2.0, bottom + 29.0], &format!("distance from {}", analysis.source));
    let style = style(series);
    let place = |at: f64, height: f64| [x.at(at), y.at(height)];
    let upper = correlation.band.iter().map(|[at, _, high]| place(*at, *high));
    let lower = correlation.band.iter().rev().map(|[at, low, _]| place(*at, *low));
    let band = path(&upper.chain(lower).collect::<Vec<_>>());
    image.add(format_args!("<g class=\"band {style}\">{band}</g>"));
    let [a, b] = correlation.line;
    image.line(&format!("fit {style}"), place(least, a + b * least), place(most, a + b * most));
    let mut labels: Vec<f64> = Vec::new();
    for ((language, _, gain), px) in found.iter().zip(&places.at) {
        let py = y.at(gain.value);
        image.line(&format!("error {style}"), [*px, y.at(gain.low)], [*px, y.at(gain.high)]);
        let title =
            format!("{}: {} {}", language.name, points(gain.value), [gain.low, gain.high].map(points).join(" to "));
        image.point(series, [*px, py], &title);
        // A code is left out where it would cover another: the table has them all.
        if labels.iter().all(|x| (x - px).abs() > 7.5) {
            labels.push(*px);
            image.upright("small", [px + 3.0, y.at(gain.high) - 4.0], &language.code);
        }
    }
    image.done(&format!("Gain of {} in points by distance from {}", method.name, analysis.source))
}

/// Where points are drawn whose distances may be equal.
struct Spread {
    /// The place of each.
    at: Vec<f64>,
    /// Where the least and the largest distance lie.
    ends: [f64; 2],
}

/// Puts points of equal distances side by side, as far apart as there is room for, each row about its own distance.
fn spread(distances: &[f64], [left, right]: [f64; 2]) -> Spread {
    const PITCH: f64 = 9.0;
    const GAP: f64 = 2.2; // between two rows, in pitches
    let (least, most) = distances.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
    let is_near = |a: f64, b: f64| (a - b).abs() <= 0.02 * (most - least);
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
    let rows: Vec<&[usize]> = order.chunk_by(|a, b| is_near(distances[*a], distances[*b])).collect();
    let middle = |row: &[usize]| row.iter().map(|i| distances[*i]).sum::<f64>() / row.len() as f64;
    // Half of a row stands beyond its distance: that of the first and last row has to be inside.
    let beyond = |row: &[usize]| (row.len() - 1) as f64 / 2.0;
    let (first, last) = (beyond(rows[0]), beyond(rows[rows.len() - 1]));
    let ends = |pitch: f64| [left + 8.0 + pitch * first, right - 8.0 - pitch * last];
    let fits = |pitch: &f64| {
        let [from, to] = ends(*pitch);
        let at = |row: &[usize]| from + (middle(row) - least) / (most - least).max(1e-9) * (to - from);
        to > from + 40.0
            && rows
                .windows(2)
                .all(|pair| at(pair[1]) - at(pair[0]) >= pitch * (beyond(pair[0]) + beyond(pair[1]) + GAP))
    };
    let pitch = (1..=36).map(|i| PITCH * f64::from(37 - i) / 36.0).find(fits).unwrap_or(0.0);
    let ends = ends(pitch);
    let mut places = vec![0.0; distances.len()];
    for row in rows {
        let center = ends[0] + (middle(row) - least) / (most - least).max(1e-9) * (ends[1] - ends[0]);
        for (number, i) in row.iter().enumerate() {
            places[*i] = center + pitch * (number as f64 - beyond(row));
        }
    }
    Spread { at: places, ends }
}

/// The generalized setting: darker is better.
pub fn heat_map(analysis: &Analysis, grid: &[Vec<Option<f64>>]) -> String {
    let n = grid.len() as f64;
    let label = analysis.languages.iter().map(|language| language.code.chars().count()).max().unwrap_or(0) as f64;
    let left = 6.0 + LETTER * label;
    let size = (WIDTH - left) / n;
    // Codes that are wider than a column are read from below.
    let is_upright = LETTER * label > size;
    let above = if is_upright { 8.0 + LETTER * label } else { 18.0 };
    let height = size.min(28.0);
    let mut image = Image::new(above + 2.0 + height * n);
    let values = || grid.iter().flatten().flatten().copied();
    let (least, most) = values().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(value), b.max(value)));
    for (i, (row, first)) in grid.iter().zip(&analysis.languages).enumerate() {
        let top = above + height * i as f64;
        image.text("end", [left - 4.0, top + height / 2.0 + 4.0], &first.code);
        let center = left + size * (i as f64 + 0.5);
        match is_upright {
            true => image.upright("", [center + 4.0, above - 4.0], &first.code),
            false => image.text("middle", [center, 12.0], &first.code),
        }
        for (j, (cell, second)) in row.iter().zip(&analysis.languages).enumerate() {
            let Some(value) = cell else { continue };
            let x = left + size * j as f64;
            let opacity = 0.05 + 0.5 * (value - least) / (most - least).max(1e-9);
            image.add(format_args!(
                "<rect class=\"heat\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{size:.1}\" height=\"{height:.1}\" \
                 fill-opacity=\"{opacity:.2}\"><title>{} with {}: {}</title></rect>",
                html(&first.code),
                html(&second.code),
                percent(*value)
            ));
            let text = if size < 26.0 { format!("{:.0}", 100.0 * value) } else { percent(*value) };
            if size > 12.0 {
                image.text("middle", [x + size / 2.0, top + height / 2.0 + 4.0], &text);
            }
        }
    }
    image.done(&format!(
        "{} by language of the first sentence (rows) and of the second (columns), in %",
        capitalized(analysis.metric)
    ))
}

/// Losses over updates.
pub fn curves(analysis: &Analysis) -> String {
    let methods: Vec<&MethodAnalysis> = analysis.methods.iter().collect();
    let mut image = Image::new(0.0);
    let top = image.legend(&methods, true);
    let (bottom, left) = (top + 170.0, 42.0);
    image.height = bottom + 34.0;
    let all = || methods.iter().flat_map(|method| &method.curve);
    let x = Axis::new(all().map(|point| point[0]).chain([0.0]), [left, WIDTH - 16.0]);
    let y = Axis::new(all().map(|point| point[1]), [bottom, top]);
    for tick in y.ticks() {
        image.line("grid", [left, y.at(tick)], [WIDTH - 8.0, y.at(tick)]);
        let digits = if y.values[1] - y.values[0] < 0.5 { 2 } else { 1 };
        image.text("end", [left - 5.0, y.at(tick) + 4.0], &format!("{tick:.digits$}"));
    }
    for tick in x.ticks() {
        image.text("middle", [x.at(tick), bottom + 14.0], &format!("{tick:.0}"));
    }
    image.text("middle", [(left + WIDTH) / 2.0, bottom + 29.0], "update");
    for (m, method) in methods.iter().enumerate() {
        let places: Vec<String> =
            method.curve.iter().map(|[step, loss]| format!("{:.1},{:.1}", x.at(*step), y.at(*loss))).collect();
        let style = style(m);
        image.add(format_args!(
            "<polyline class=\"curve {style}\" points=\"{}\"><title>{}</title></polyline>",
            places.join(" "),
            html(&method.name)
        ));
    }
    image.done("Training loss by update and method")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (from, to) in [(0.0, 1.0), (0.332, 0.654), (-0.021, 0.034), (0.0, 4000.0), (0.5, 0.5)] {
            let axis = Axis::new([from, to, f64::NAN], [0.0, 100.0]);
            let ticks = axis.ticks();
            assert!(from > 0.0 || ticks.iter().any(|tick| tick.abs() < 1e-9), "{from} to {to}: {ticks:?}");
            assert!((2..=9).contains(&ticks.len()), "{from} to {to}: {ticks:?}");
            assert!(axis.at(from) >= -1e-6 && axis.at(to) <= 100.0 + 1e-6, "{from} to {to}: {ticks:?}");
        }
        assert_eq!(Axis::new([], [0.0, 1.0]).values, [0.0, 1.0]);
    }

    #[test]
    fn equal_distances_stand_side_by_side() {
        for distances in [
            vec![0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 3.0],
            [vec![0.0; 2], vec![1.0; 3], vec![2.0; 12], vec![3.0; 15]].concat(),
            [vec![2.0; 25], vec![3.0; 30]].concat(),
            vec![0.31, 0.32, 0.5, 0.93],
        ] {
            let Spread { at, ends } = spread(&distances, [42.0, 352.0]);
            assert!(at.iter().all(|x| (42.0..=352.0).contains(x)) && ends[0] < ends[1], "{at:?}");
            let mut sorted = at.clone();
            sorted.sort_by(f64::total_cmp);
            let nearest = sorted.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::MAX, f64::min);
            assert!(nearest > 3.5, "{nearest} of {distances:?}: {at:?}");
            for (a, b) in
                at.iter().zip(&distances).zip(at.iter().zip(&distances).skip(1)).map(|((a, x), (b, y))| (b - a, y - x))
            {
                assert!(b == 0.0 || a > 0.0, "a farther language stands nearer");
            }
        }
    }
}
