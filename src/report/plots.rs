//! Plots as SVG, for one self-contained page: no script, no outside resource, colors from the page's own style.
//!
//! Every image is 360 units wide, which a phone shows as they are and a desktop larger. Methods differ in color, and in
//! the form of their points or dashes, so that color alone carries nothing.

use super::{
    analysis::{Analysis, Correlation, Kind, MethodAnalysis},
    document::capitalized,
    percent, points,
    table::html,
};
use std::fmt::Write;

const WIDTH: f64 = 360.0;

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
    height: f64,
    body: String,
}

impl Image {
    fn new(height: f64) -> Image {
        Image { height, body: String::new() }
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
            "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
            self.height,
            html(title),
            self.body
        )
    }
}

fn style(series: usize) -> String {
    format!("s{}", series % STYLES)
}

fn path(points: &[[f64; 2]]) -> String {
    let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    format!("<polygon points=\"{}\"/>", points.join(" "))
}

/// Accuracy by language, a row each, with intervals.
pub fn accuracies(analysis: &Analysis) -> String {
    let methods: Vec<&MethodAnalysis> = analysis.methods.iter().collect();
    let n = analysis.languages.len();
    let pitch = 9.0;
    let row = pitch * methods.len() as f64 + 7.0;
    let mut image = Image::new(0.0);
    let top = image.legend(&methods, false);
    let bottom = top + row * n as f64;
    image.height = bottom + 34.0;
    let label = analysis.languages.iter().map(|language| language.code.chars().count()).max().unwrap_or(0);
    let left = 10.0 + 6.2 * label as f64;
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
        image.text("end", [left - 6.0, middle + 4.0], &language.code);
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
    let (top, bottom, left) = (8.0, 190.0, 42.0);
    let mut image = Image::new(bottom + 34.0);
    let (least, most) = found.iter().fold((f64::MAX, f64::MIN), |(a, b), (_, x, _)| (a.min(*x), b.max(*x)));
    let room = 0.06 * (most - least);
    let x = Axis { values: [least - room, most + 1.6 * room], places: [left, WIDTH - 8.0], step: step(most - least) };
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
    let mut labels: Vec<[f64; 2]> = Vec::new();
    for (language, distance, gain) in &found {
        let [px, py] = place(*distance, gain.value);
        image.line(&format!("error {style}"), [px, y.at(gain.low)], [px, y.at(gain.high)]);
        let title =
            format!("{}: {} {}", language.name, points(gain.value), [gain.low, gain.high].map(points).join(" to "));
        image.point(series, [px, py], &title);
        // A name is left out where it would cover another: the table has them all.
        if labels.iter().all(|[x, y]| (x - px).abs() > 24.0 || (y - py).abs() > 9.5) {
            labels.push([px, py]);
            image.text("start", [px + 5.0, py + 4.0], &language.code);
        }
    }
    image.done(&format!("Gain of {} in points by distance from {}", method.name, analysis.source))
}

/// The generalized setting: darker is better.
pub fn heat_map(analysis: &Analysis, grid: &[Vec<Option<f64>>]) -> String {
    let n = grid.len() as f64;
    let label = analysis.languages.iter().map(|language| language.code.chars().count()).max().unwrap_or(0) as f64;
    let left = 6.0 + 6.2 * label;
    let size = (WIDTH - left) / n;
    let mut image = Image::new(20.0 + size.min(28.0) * n);
    let height = size.min(28.0);
    let values = || grid.iter().flatten().flatten().copied();
    let (least, most) = values().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(value), b.max(value)));
    for (i, (row, first)) in grid.iter().zip(&analysis.languages).enumerate() {
        let top = 18.0 + height * i as f64;
        image.text("end", [left - 4.0, top + height / 2.0 + 4.0], &first.code);
        image.text("middle", [left + size * (i as f64 + 0.5), 12.0], &first.code);
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
}
