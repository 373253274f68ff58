//! What a report says: verdict, tables and plots of an analysis, in their order.

use super::{
    Column, NOTHING, Table,
    analysis::{Analysis, Correlation, Gain, Kind, Measured, MethodAnalysis, Scope, TRANSFER_GAP, Variation},
    changes::{Change, Changes, LanguageChanges, Side},
    document::{Document, capitalized},
    p_value,
    paper::{Figure, Paper},
    percent, plots, points, range,
    shortcuts::Shortcut,
    statistics::{Permutation, mean},
    table::cut,
};

/// The names of the tables of a report, by which they are chosen.
pub const TABLES: [&str; 22] = [
    "accuracy",
    "gains",
    "methods",
    "intervals",
    "differences",
    "contrasts",
    "variation",
    "distance",
    "languages",
    "groups",
    "group-gains",
    "group-contrasts",
    "subset",
    "subset-gains",
    "shortcuts",
    "pairs",
    "pair-gains",
    "pair-grids",
    "loss",
    "items",
    "runs",
    "data",
];

/// The main tables, for the end of a run.
pub fn brief(analysis: &Analysis) -> Document {
    let mut document = Document { title: title(analysis), blocks: Vec::new() };
    verdict(analysis, &mut document);
    overview(analysis, &mut document);
    notes(analysis, &mut document);
    document
}

/// All there is to say.
pub fn full(analysis: &Analysis) -> Document {
    let mut document = Document { title: title(analysis), blocks: Vec::new() };
    verdict(analysis, &mut document);
    overview(analysis, &mut document);
    document.table(
        "intervals",
        format!("95 % intervals of {}", analysis.metric),
        matrix(analysis, Kind::Language, &interval_cell),
    );
    contrasts(analysis, &mut document);
    variation(analysis, &mut document);
    distances(analysis, &mut document);
    breakdowns(analysis, &mut document);
    subset(analysis, &mut document);
    shortcuts(analysis, &mut document);
    pairs(analysis, &mut document);
    curves(analysis, &mut document);
    items(analysis, &mut document);
    records(analysis, &mut document);
    notes(analysis, &mut document);
    document
}

/// The differences of one method from the baseline, language by language.
pub fn comparison(analysis: &Analysis) -> Document {
    let [first, second] = &analysis.methods[..] else { return full(analysis) };
    let is_swapped = analysis.baseline.as_ref() == Some(&second.name);
    let (base, other) = if is_swapped { (second, first) } else { (first, second) };
    let mut document =
        Document { title: format!("{}: {} against {}", analysis.task, other.name, base.name), blocks: Vec::new() };
    verdict(analysis, &mut document);
    document.text(setting(analysis));
    let counts = counts_items(other);
    let headings = ["n", &base.name, &other.name, "difference", "95 % interval"];
    let rest = if counts { &["only 2nd", "only 1st", "p", "Holm"][..] } else { &["p", "Holm"] };
    let headings = headings.iter().chain(rest).map(|heading| Column::numbers(*heading));
    let mut table = Table::new([Column::languages("language")].into_iter().chain(headings));
    let mut kind = Kind::Language;
    for (own, against) in other.measures.iter().zip(&base.measures) {
        if own.kind != kind {
            table = if kind == Kind::Language { table.means() } else { table.rule() };
            kind = own.kind;
        }
        if !matches!(own.kind, Kind::Group | Kind::Contrast) {
            table = table.row(compared(analysis, other, own, against));
        }
    }
    document.table(
        "differences",
        format!("{} of {} less that of {}", capitalized(analysis.metric), other.name, base.name),
        table,
    );
    let (only, test) = match counts {
        true => (
            "“only 2nd”, “only 1st”: items that only the second or only the first has right; ",
            ", or of two single models by the exact McNemar test where an item has one answer (with few such items it is wider \
             than the interval, which may then be clear of zero beside a p above 0.05)",
        ),
        false => ("", ""),
    };
    let drawn = if are_single(analysis) { "items" } else { "items crossed with seeds" };
    document.text(format!("{only}p: of {drawn}{test}; Holm: corrected over all languages, and over all means"));
    document.text(pairing(analysis));
    if let Some(permutation) = &other.permutation {
        document.text(format!(
            "seeds alone: the two groups of means differ with p {} ({} {} arrangements, permutation test)",
            permutation_p(permutation, "= "),
            if permutation.exact { "all of" } else { "drawn:" },
            permutation.arrangements
        ));
    }
    contrasts(analysis, &mut document);
    variation(analysis, &mut document);
    items(analysis, &mut document);
    notes(analysis, &mut document);
    document
}

/// Whether items that one side alone has right are counted: of two single models, where an item has one answer.
fn counts_items(method: &MethodAnalysis) -> bool {
    let gains = method.measures.iter().filter_map(|measured| measured.gain.as_ref());
    gains.map(|gain| gain.discordant).any(|counts| counts.is_some())
}

/// A row of a comparison of a method with another.
fn compared(analysis: &Analysis, method: &MethodAnalysis, own: &Measured, against: &Measured) -> Vec<String> {
    let n = analysis.languages.iter().find(|language| own.kind == Kind::Language && language.code == own.name);
    let mut cells = vec![own.name.clone(), n.map_or(String::new(), |n| n.examples.to_string())];
    cells.extend([against, own].map(value_cell));
    let Some(gain) = &own.gain else { return cells };
    cells.extend([points(gain.value), interval_of(gain)]);
    if counts_items(method) {
        cells.extend(match gain.discordant {
            Some(counts) => counts.map(|count| count.to_string()),
            None => [NOTHING.into(), NOTHING.into()],
        });
    }
    cells.extend([p_cell(gain.p), p_cell(gain.p_holm)]);
    cells
}

fn title(analysis: &Analysis) -> String {
    let names: Vec<&str> = analysis.methods.iter().map(|method| method.name.as_str()).collect();
    format!("{}: {}", analysis.task, names.join(", "))
}

/// Whether there is one model of each method, so that nothing is known of seeds.
fn are_single(analysis: &Analysis) -> bool {
    analysis.methods.iter().all(|method| method.seeds.len() == 1)
}

/// What was trained on what, and how intervals came about.
fn setting(analysis: &Analysis) -> String {
    let one_language = analysis.languages.len() == 1;
    let languages = format!("{} language{}", analysis.languages.len(), if one_language { "" } else { "s" });
    let seeds: Vec<String> = analysis
        .methods
        .iter()
        .map(|method| {
            let seeds: Vec<String> = method.seeds.iter().map(u64::to_string).collect();
            format!("{} {}", method.name, seeds.join(" "))
        })
        .collect();
    let (clusters, drawn) = match analysis.clusters {
        Some(n) => (format!(" in {n} clusters that share a text"), "clusters"),
        None => (String::new(), "items"),
    };
    let how = if are_single(analysis) {
        "alone, of these models; that of one language is the one that the run prints"
    } else {
        "crossed with seeds; that of one seed in one language is the one that the run prints"
    };
    let learned = match analysis.runs.iter().filter(|run| !run.has_run).count() {
        0 => format!("Trained on {}", analysis.source),
        n if n == analysis.runs.len() => format!("Predictions made elsewhere, source language {}", analysis.source),
        _ => format!("Trained on {} (of predictions made elsewhere nothing says so)", analysis.source),
    };
    let few = match analysis.methods.iter().map(|method| method.seeds.len()).min() {
        Some(2) => {
            " Two seeds leave one degree of freedom to what varies by seed: such an interval is very wide, or narrow by \
             chance; five seeds steady it."
        }
        _ => "",
    };
    format!(
        "{learned}, measured on {} items{clusters} (an item and its translations are one) in {languages}. Seeds: {}. \
         Intervals are 95 %, from {drawn} (in all languages at once) {how}.{few}",
        analysis.items,
        seeds.join("; "),
    )
}

/// What figures of single models do not hold for, said first.
fn scope(analysis: &Analysis, document: &mut Document) {
    const REMEDY: &str = "another seed of the same method can differ by more than what is shown here; five seeds a method \
                          (--set seeds=[1,2,3,4,5]) say something of methods";
    match (analysis.scope, analysis.methods.len()) {
        (Scope::Methods, _) => {}
        (Scope::Models, 1) => document.verdict(format!("ONE SEED: this is a model, not a method: {REMEDY}.")),
        (Scope::Models, _) => {
            document.verdict(format!("ONE SEED EACH: what is compared are these models, not methods: {REMEDY}."));
        }
        (Scope::SomeModels, _) => {
            let single = analysis.methods.iter().filter(|method| method.seeds.len() == 1);
            let names: Vec<&str> = single.map(|method| method.name.as_str()).collect();
            let names = names.join(", ");
            document.verdict(format!(
                "ONE SEED of {names}: what is said of it holds for this model, and no p is given: {REMEDY}."
            ));
        }
    }
}

/// What the report comes to, in two sentences: what is shown, and what is not. Nothing is said of a single seed.
fn verdict(analysis: &Analysis, document: &mut Document) {
    scope(analysis, document);
    let Some(baseline) = &analysis.baseline else { return };
    let headline = &analysis.headline;
    // Of one seed each nothing is said of methods.
    let named = |name: &str| if are_single(analysis) { format!("this model of {name}") } else { name.to_owned() };
    let baseline = named(baseline);
    let of = |method: &'_ MethodAnalysis| {
        let measured = method.measures.iter().find(|measured| measured.name == *headline)?;
        Some((named(&method.name), measured.gain.clone().filter(Gain::is_of_methods)?))
    };
    let mut gains: Vec<(String, Gain)> = analysis.methods.iter().filter_map(of).collect();
    gains.sort_by(|(_, a), (_, b)| b.value.total_cmp(&a.value));
    let (shown, open): (Vec<_>, Vec<_>) = gains.iter().partition(|(_, gain)| gain.is_significant());
    let better = |(name, gain): &&(String, Gain)| {
        let (by, how) = (points(gain.value.abs()), if gain.value > 0.0 { "better" } else { "worse" });
        let by = by.trim_start_matches('+');
        format!(
            "{name} is {how} than {baseline} by {by} points (95 % interval {}; {})",
            plain_interval(gain),
            after(gain)
        )
    };
    let unsure = |(name, gain): &&(String, Gain)| {
        if !gain.low.is_finite() {
            return format!("{name} ({}, and nothing says how sure that is)", points(gain.value));
        }
        format!("{name} ({}, 95 % interval {}; {})", points(gain.value), plain_interval(gain), after(gain))
    };
    let list = |of: Vec<String>| and(&of);
    let shown = (!shown.is_empty()).then(|| list(shown.iter().map(better).collect()) + ".");
    let open = (!open.is_empty())
        .then(|| format!("{} could not be told from {baseline}.", list(open.iter().map(unsure).collect())));
    let both: Vec<String> = shown.into_iter().chain(open).collect();
    if !both.is_empty() {
        document.verdict(format!("In the {headline}, {}", both.join(" ")));
    }
}

/// Several things in a sentence.
fn and(things: &[String]) -> String {
    match things {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => things.concat(),
    }
}

/// `+0.5 to +2.1`
fn plain_interval(gain: &Gain) -> String {
    format!("{} to {}", points(gain.low), points(gain.high))
}

/// `p 0.03`, of a family `p 0.03 after Holm`.
fn after(gain: &Gain) -> String {
    let after = if gain.p == gain.p_holm { "" } else { " after Holm" };
    format!("p {}{after}", p_cell(gain.p_holm).replace('<', "< "))
}

/// How seeds of methods go together.
fn pairing(analysis: &Analysis) -> String {
    let Some(baseline) = &analysis.baseline else { return String::new() };
    let names = |paired: bool| -> String {
        let others = analysis.methods.iter().filter(|method| method.name != *baseline && method.is_paired == paired);
        others.map(|method| method.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let side = |names: String, how: &str| if names.is_empty() { String::new() } else { format!("{names} {how}") };
    if are_single(analysis) {
        return format!("Compared with {baseline} item by item.");
    }
    let sides = [
        side(names(true), "seed by seed, as the numbers of the seeds are the same"),
        side(names(false), "each with its own seeds, as these are not the same"),
    ];
    let sides: Vec<String> = sides.into_iter().filter(|side| !side.is_empty()).collect();
    format!("Compared with {baseline} item by item, and {}.", sides.join("; "))
}

/// Contrasts of methods that were asked for.
fn contrasts(analysis: &Analysis, document: &mut Document) {
    if analysis.contrasts.is_empty() {
        return;
    }
    let headings = ["points", "95 % interval", "p", "Holm"].map(Column::numbers);
    let equal = analysis.margin.map(margin_heading).map(Column::numbers);
    let columns = ["contrast", "of"].map(Column::words).into_iter().chain(headings).chain(equal);
    let mut table = Table::new(columns).keyed(2);
    for contrast in &analysis.contrasts {
        let gain = &contrast.gain;
        let cells = [contrast.name.clone(), contrast.measure.clone(), points(gain.value), interval_of(gain)];
        let tests = [p_cell(gain.p), p_cell(gain.p_holm)];
        let equal = analysis.margin.map(|_| p_cell(gain.p_equivalent));
        table = table.row(cells.into_iter().chain(tests).chain(equal));
    }
    let n = analysis.contrasts.len();
    document.table("contrasts", format!("Contrasts of methods; Holm: over the {n} of this table"), table);
}

/// What makes results vary, and how many seeds would make them sure.
fn variation(analysis: &Analysis, document: &mut Document) {
    let headings = ["seed", "item", "seed × item", "items", "seeds for ± 1"].map(Column::numbers);
    let mut table = Table::new(["what", "of"].map(Column::words).into_iter().chain(headings)).keyed(2);
    let mut is_empty = true;
    for method in &analysis.methods {
        for (what, variation) in [("value", &method.variation), ("gain", &method.gain_variation)] {
            let Some(Variation { spread, seeds_for_a_point }) = variation else { continue };
            is_empty = false;
            let parts = [spread.seed, spread.item, spread.seed_item].map(percent);
            let seeds = seeds_for_a_point.map_or("no number".to_owned(), |seeds| seeds.to_string());
            let cells = [what.to_owned(), method.name.clone()].into_iter().chain(parts);
            table = table.row(cells.chain([spread.items.to_string(), seeds]));
        }
    }
    if is_empty {
        return;
    }
    document.table(
        "variation",
        format!(
            "What varies in the {}: standard deviations in points from seed to seed, from item to item, and of what a seed \
             and an item have together; the seeds that would give an interval of ± 1 point on these items, were this the \
             truth (no number: items alone make it wider)",
            analysis.headline
        ),
        table,
    );
}

fn margin_heading(margin: f64) -> String {
    format!("p (|gain| ≥ {})", trimmed(100.0 * margin, 2))
}

/// The metric and gains by language, and the methods side by side.
fn overview(analysis: &Analysis, document: &mut Document) {
    document.text(setting(analysis));
    let metric = capitalized(analysis.metric);
    for method in analysis.methods.iter().filter(|_| analysis.baseline.is_some()) {
        if let Some(svg) = plots::forest(analysis, method) {
            document.plot(forest_caption(analysis, method), svg);
        }
    }
    document.heading(metric.clone());
    document.plot(format!("{metric} by language, with 95 % intervals"), plots::accuracies(analysis));
    let spread = if analysis.methods.iter().any(|method| method.seeds.len() > 1) {
        "mean ± standard deviation over seeds"
    } else {
        "one seed"
    };
    document.table_and_paper(
        "accuracy",
        format!("{metric} in %, {spread}"),
        matrix(analysis, Kind::Language, &|_, measured| value_cell(measured)),
        Some(paper_of_values(analysis)),
    );
    let Some(baseline) = &analysis.baseline else { return };
    document.heading("Gain");
    document.text(pairing(analysis));
    let below = match n_tests(analysis, Kind::Mean) {
        0 => String::new(),
        n => format!(" (below the line: the {n} tests here)"),
    };
    let star = star(analysis, Kind::Language);
    let caption = format!("Gain over {baseline} in points, with 95 % intervals; {star}{below}");
    let table = matrix(analysis, Kind::Language, &|_, measured| gain_cell(measured));
    document.table_and_paper("gains", caption, table, Some(paper_of_gains(analysis, baseline)));
    let caption = "The methods as a whole, on the mean of the languages other than the source; seeds' p: permutation of the \
                   seeds' means alone; better in, worse in: languages, after correction";
    document.table("methods", caption, methods(analysis));
}

fn forest_caption(analysis: &Analysis, method: &MethodAnalysis) -> String {
    let baseline = analysis.baseline.as_deref().unwrap_or_default();
    let star = match n_tests(analysis, Kind::Language) {
        0 => untested(analysis),
        _ => "* p < 0.05 after Holm's correction",
    };
    format!("Gain of {} over {baseline} in points, with 95 % intervals; {star}", method.name)
}

/// Languages and means, by their places among measures.
fn languages_and_means(analysis: &Analysis) -> Vec<usize> {
    let measures = analysis.methods.first().map_or(&[][..], |method| &method.measures);
    (0..measures.len()).filter(|i| matches!(measures[*i].kind, Kind::Language | Kind::Mean)).collect()
}

/// What a paper says of the metric: methods by language, the highest of each column bold.
fn paper_of_values(analysis: &Analysis) -> Paper {
    let places = languages_and_means(analysis);
    let shown = |method: &MethodAnalysis, i: usize| percent(method.measures[i].value);
    let is_best = |method: &MethodAnalysis, i: usize| {
        // The gap to the source is the better the smaller it is.
        let sign = if method.measures[i].name == TRANSFER_GAP { -1.0 } else { 1.0 };
        let value = |method: &MethodAnalysis| sign * method.measures[i].value;
        let best = analysis.methods.iter().max_by(|a, b| value(a).total_cmp(&value(b)));
        analysis.methods.len() > 1 && best.is_some_and(|best| shown(best, i) == shown(method, i))
    };
    let row = |method: &MethodAnalysis| {
        let figure = |i: &usize| {
            let measured = &method.measures[*i];
            Figure {
                value: if measured.value.is_finite() { shown(method, *i) } else { NOTHING.into() },
                beside: measured.deviation.map_or(String::new(), percent),
                has_star: measured.gain.as_ref().is_some_and(Gain::is_significant),
                is_bold: is_best(method, *i),
                ..Figure::default()
            }
        };
        (method.name.clone(), places.iter().map(figure).collect())
    };
    let seeds: Vec<usize> = analysis.methods.iter().map(|method| method.seeds.len()).collect();
    let (least, most) = (seeds.iter().min().copied().unwrap_or(0), seeds.iter().max().copied().unwrap_or(0));
    let of_seeds = match (least, most) {
        (_, 0 | 1) => "of one seed".to_owned(),
        (least, most) if least == most => {
            format!("mean of {most} seeds, and their standard deviation in small figures")
        }
        (least, most) => format!("mean of {least} to {most} seeds, and their standard deviation in small figures"),
    };
    let (bold, stars) = match &analysis.baseline {
        None => ("", String::new()),
        Some(baseline) => (
            "; bold: best of a column, be it by chance",
            format!("; {}", stars(analysis, &format!("differs from {baseline}, "))),
        ),
    };
    let (task, metric) = (analysis.task, capitalized(analysis.metric));
    Paper {
        caption: format!("{metric} in % on {task}: {of_seeds}{bold}{stars}."),
        headings: headings_of(analysis, &places),
        rows: analysis.methods.iter().map(row).collect(),
    }
}

/// What a paper says of gains: methods by language, each with its interval.
fn paper_of_gains(analysis: &Analysis, baseline: &str) -> Paper {
    let places = languages_and_means(analysis);
    let row = |method: &MethodAnalysis| {
        let figure = |i: &usize| {
            let gain = method.measures[*i].gain.as_ref()?;
            let (value, below, has_star) = (points(gain.value), interval_of(gain), gain.is_significant());
            Some(Figure { value, below, has_star, ..Figure::default() })
        };
        Some((method.name.clone(), places.iter().map(figure).collect::<Option<Vec<Figure>>>()?))
    };
    let (task, metric, stars) = (analysis.task, analysis.metric, stars(analysis, ""));
    Paper {
        caption: format!("Gain in {metric} over {baseline} on {task}, in points, with 95 % intervals; {stars}."),
        headings: headings_of(analysis, &places),
        rows: analysis.methods.iter().filter_map(row).collect(),
    }
}

/// The codes of languages, and the names of means.
fn headings_of(analysis: &Analysis, places: &[usize]) -> Vec<String> {
    places.iter().map(|i| analysis.methods[0].measures[*i].name.clone()).collect()
}

/// What a star means where languages and means stand side by side.
fn stars(analysis: &Analysis, what: &str) -> String {
    match (n_tests(analysis, Kind::Language), n_tests(analysis, Kind::Mean)) {
        (0, 0) => untested(analysis).to_owned(),
        (languages, means) => format!(
            "* {what}p < 0.05 after Holm's correction over the {languages} tests of languages, and the {means} of means"
        ),
    }
}

/// What a star means in a table of gains.
fn star(analysis: &Analysis, kind: Kind) -> String {
    match n_tests(analysis, kind) {
        0 => untested(analysis).to_owned(),
        1 => "* p < 0.05; there is one test here".to_owned(),
        n => format!("* p < 0.05 after Holm's correction over the {n} tests here"),
    }
}

/// Why there is no test.
fn untested(analysis: &Analysis) -> &'static str {
    if are_single(analysis) { "one seed is not tested" } else { "nothing is tested: one seed, or nothing varies" }
}

/// How many tests a correction is over.
fn n_tests(analysis: &Analysis, kind: Kind) -> usize {
    analysis.families.iter().find(|(of, _)| *of == kind).map_or(0, |(_, n)| *n)
}

/// A row for each measure of a kind and of means, a column for each method (the baseline only where it has values).
fn matrix(analysis: &Analysis, kind: Kind, cell: &dyn Fn(&MethodAnalysis, &Measured) -> String) -> Table {
    let shown: Vec<&MethodAnalysis> = analysis
        .methods
        .iter()
        .filter(|method| method.measures.iter().any(|measured| !cell(method, measured).is_empty()))
        .collect();
    let headings = shown.iter().map(|method| Column::numbers(&method.name));
    let first = match kind {
        Kind::Group | Kind::Contrast => "languages",
        Kind::Pairs => "pairs",
        _ => "language",
    };
    let n_column = (!matches!(kind, Kind::Pairs | Kind::Contrast)).then(|| Column::numbers("n"));
    let mut table = Table::new([Column::languages(first)].into_iter().chain(n_column).chain(headings));
    let Some(model) = analysis.methods.first() else { return table };
    for (i, measured) in model.measures.iter().enumerate() {
        if measured.kind == Kind::Mean && kind == Kind::Language && model.measures[i - 1].kind == Kind::Language {
            table = table.means();
        }
        if measured.kind != kind && !(kind == Kind::Language && measured.kind == Kind::Mean) {
            continue;
        }
        let n = match measured.kind {
            Kind::Language => Some(analysis.languages[i].examples.to_string()),
            Kind::Group => Some(measured.languages.len().to_string()),
            Kind::Mean => Some(String::new()),
            Kind::Pairs | Kind::Contrast => None,
        };
        let cells = shown.iter().map(|method| cell(method, &method.measures[i]));
        table = table.row([measured.name.clone()].into_iter().chain(n).chain(cells));
    }
    table
}

/// A row for each method: its gain as a whole, tested over items and seeds, and over seeds alone.
fn methods(analysis: &Analysis) -> Table {
    let headings = ["gain", "95 % interval", "p", "Holm"].map(str::to_owned).into_iter();
    let rest = ["seeds' p", "better in", "worse in"].map(str::to_owned);
    let headings = headings.chain(analysis.margin.map(margin_heading)).chain(rest);
    let mut table = Table::new([Column::words("method")].into_iter().chain(headings.map(Column::numbers)));
    for method in &analysis.methods {
        let measured = method.measures.iter().find(|measured| measured.name == analysis.headline);
        let Some(gain) = measured.and_then(|measured| measured.gain.as_ref()) else { continue };
        let in_languages = |better: bool| {
            let gains = method.measures.iter().filter(|measured| measured.kind == Kind::Language);
            let gains = gains.filter_map(|measured| measured.gain.as_ref());
            gains.filter(|gain| gain.is_significant() && (gain.value > 0.0) == better).count()
        };
        let seeds = method.permutation.map_or(NOTHING.into(), |permutation| permutation_p(&permutation, ""));
        let cells = [method.name.clone(), points(gain.value), interval_of(gain), p_cell(gain.p), p_cell(gain.p_holm)];
        let equal = analysis.margin.map(|_| p_cell(gain.p_equivalent));
        let counts = match gain.p {
            Some(_) => [true, false].map(|better| in_languages(better).to_string()),
            None => [NOTHING, NOTHING].map(str::to_owned),
        };
        table = table.row(cells.into_iter().chain(equal).chain([seeds]).chain(counts));
    }
    table
}

/// How gains go with distance, a row for each method.
fn correlations(analysis: &Analysis) -> Table {
    let headings = ["ρ", "95 % interval", "p", "p, branches", "Holm"].map(Column::numbers);
    let mut table = Table::new([Column::words("method")].into_iter().chain(headings));
    for method in &analysis.methods {
        let Some(c) = method.correlation.as_ref().filter(|c| c.rho.is_finite()) else { continue };
        let range = match c.low.is_finite() {
            true => format!("[{}, {}]", number(c.low), number(c.high)),
            false => NOTHING.into(),
        };
        let p = |found: Option<Permutation>| found.map_or(NOTHING.into(), |found| permutation_p(&found, ""));
        // What is corrected of a bound is a bound.
        let corrected = c.of_branches.zip(c.p_holm).map(|(permutation, p)| match permutation.is_floor() {
            true => format!("≤ {}", at_most(p)),
            false => p_value(p),
        });
        let corrected = corrected.unwrap_or(NOTHING.into());
        let (own, of_branches) = (p(c.permutation), p(c.of_branches));
        table = table.row([method.name.clone(), number(c.rho), range, own, of_branches, corrected]);
    }
    table
}

fn distances(analysis: &Analysis, document: &mut Document) {
    let all = || analysis.methods.iter().filter_map(|method| method.correlation.as_ref());
    let Some(Correlation { languages, branches, .. }) = all().next() else { return };
    let tests = all().filter(|one| one.p_holm.is_some()).count();
    document.heading("Gain and distance");
    document.text(format!("Distance: {}.", analysis.distance));
    document.table(
        "distance",
        format!(
            "ρ: Spearman's rank correlation of gain and distance over {languages} languages, with Bonett & Wright's interval; the \
             band of plots is that of the line of least squares; p: of the gains in other orders. All three take languages for \
             independent. Relatives move together: p, branches, is of means over the languages of each of {branches} branches, \
             such as Germanic's West; Holm: that, corrected over the {tests} of this table",
        ),
        correlations(analysis),
    );
    for method in &analysis.methods {
        if let Some(correlation) = &method.correlation {
            let caption = format!("Gain of {} by distance from {}", method.name, analysis.source);
            document.plot(caption, plots::by_distance(analysis, method, correlation));
        }
    }
    let headings = ["language", "name", "script", "family"].map(Column::words);
    let gains: Vec<&MethodAnalysis> = analysis.methods.iter().filter(|method| method.correlation.is_some()).collect();
    let columns = gains.iter().map(|method| Column::numbers(&method.name));
    let mut table = Table::new(headings.into_iter().chain([Column::numbers("distance")]).chain(columns));
    for (i, language) in analysis.languages.iter().enumerate() {
        let facts = [
            language.code.clone(),
            language.name.clone(),
            language.script.unwrap_or(NOTHING).to_owned(),
            language.family.unwrap_or(NOTHING).to_owned(),
            language.distance.map_or(NOTHING.into(), |distance| trimmed(distance, 3)),
        ];
        let gain = |method: &&MethodAnalysis| method.measures[i].gain.as_ref().map(|gain| points(gain.value));
        table = table.row(facts.into_iter().chain(gains.iter().map(|method| gain(method).unwrap_or_default())));
    }
    document.table("languages", "Languages, and gains in points", table);
}

fn breakdowns(analysis: &Analysis, document: &mut Document) {
    let has_groups = analysis.methods[0].measures.iter().any(|measured| measured.kind == Kind::Group);
    if !has_groups {
        return;
    }
    document.heading("Breakdowns");
    document.text(
        "Means over the languages of a group, the source left out. Morphologically rich: SPMRL shared tasks (Seddah et \
         al., 2013, 2014). n: languages.",
    );
    document.table(
        "groups",
        format!("{} in % by group of languages", capitalized(analysis.metric)),
        matrix(analysis, Kind::Group, &|_, measured| value_cell(measured)),
    );
    if analysis.baseline.is_some() {
        let table = matrix(analysis, Kind::Group, &|_, measured| gain_cell(measured));
        document.table("group-gains", format!("Gain in points by group; {}", star(analysis, Kind::Group)), table);
        if analysis.methods[0].measures.iter().any(|measured| measured.kind == Kind::Contrast) {
            let table = matrix(analysis, Kind::Contrast, &|_, measured| gain_cell(measured));
            document.table(
                "group-contrasts",
                format!(
                    "By how many points the gain is larger in a group than in the other languages; {}",
                    star(analysis, Kind::Contrast)
                ),
                table,
            );
        }
    }
}

/// The items looked at apart.
fn subset(analysis: &Analysis, document: &mut Document) {
    let Some(subset) = &analysis.subset else { return };
    document.heading("Subset of items");
    document.text(format!(
        "The same on {} of the {} items: those of the file given, such as items whose {} side the baseline flips under \
         synonym substitution.",
        subset.items, analysis.items, analysis.source
    ));
    notes(subset, document);
    let caption = format!("{} in % on the subset", capitalized(analysis.metric));
    document.table("subset", caption, matrix(subset, Kind::Language, &|_, measured| value_cell(measured)));
    if subset.baseline.is_some() {
        let table = matrix(subset, Kind::Language, &|_, measured| gain_cell(measured));
        document.table(
            "subset-gains",
            format!("Gain in points on the subset; {}", star(subset, Kind::Language)),
            table,
        );
    }
}

/// The table of methods, and which of them do not read pairs.
fn shortcuts(analysis: &Analysis, document: &mut Document) {
    let found = || analysis.methods.iter().filter_map(|method| Some((method, method.shortcut.as_ref()?)));
    let Some((_, first)) = found().next() else { return };
    document.heading("Second sentences alone");
    let headings = ["as they are", "others' first sentences", "most frequent label"];
    let columns = [Column::texts("method")].into_iter().chain(headings.map(Column::numbers));
    let row = |(method, one): (&MethodAnalysis, &Shortcut)| {
        [method.name.clone(), percent(one.own), percent(one.foreign), percent(one.most_frequent)]
    };
    let table = found().fold(Table::new(columns), |table, one| table.row(row(one)));
    let caption = format!(
        "{} in % on the same {} items of {}, mean over seeds",
        capitalized(analysis.metric),
        first.n,
        first.language
    );
    document.table("shortcuts", caption, table);
    let blind: Vec<&str> =
        found().filter(|(_, one)| !one.reads_pairs()).map(|(method, _)| method.name.as_str()).collect();
    if !blind.is_empty() {
        document.text(format!(
            "{} answer no better than that where each item has the first sentence of another: they do not read pairs.",
            blind.join(", ")
        ));
    }
}

/// The generalized setting.
fn pairs(analysis: &Analysis, document: &mut Document) {
    if analysis.methods.iter().all(|method| method.grid.is_none()) {
        return;
    }
    document.heading("Pairs of languages");
    document.text("The first sentence in one language, the second in another (Huang et al., 2021).");
    document.table(
        "pairs",
        format!(
            "{} in % over all ordered pairs of two languages, and above the mean of single languages",
            capitalized(analysis.metric)
        ),
        matrix(analysis, Kind::Pairs, &|_, measured| value_cell(measured)),
    );
    if analysis.baseline.is_some() {
        let table = matrix(analysis, Kind::Pairs, &|_, measured| gain_cell(measured));
        let star = star(analysis, Kind::Pairs);
        document.table(
            "pair-gains",
            format!("Gain in points; the second row is by how much the gain is larger in pairs; {star}"),
            table,
        );
    }
    let grids = || analysis.methods.iter().filter_map(|method| Some((method, method.grid.as_ref()?)));
    let caption = |method: &MethodAnalysis| {
        format!("{}: first sentence (rows) by second (columns), {} in %", method.name, analysis.metric)
    };
    for (method, grid) in grids() {
        document.plot(caption(method), plots::heat_map(analysis, grid));
    }
    for (method, grid) in grids() {
        let headings = analysis.languages.iter().map(|language| Column::numbers(&language.code));
        let mut table = Table::new([Column::languages("")].into_iter().chain(headings));
        for (language, row) in analysis.languages.iter().zip(grid) {
            let cells = row.iter().map(|cell| cell.map_or(NOTHING.into(), percent));
            table = table.row([language.code.clone()].into_iter().chain(cells));
        }
        document.table("pair-grids", caption(method), table);
    }
}

fn curves(analysis: &Analysis, document: &mut Document) {
    if analysis.methods.iter().all(|method| method.curve.len() < 2) {
        return;
    }
    let caption = "Training loss in the last stage, mean over seeds and a tenth of the updates; at the end of the last updates \
                   alone, at most 50 and at most a quarter, as in metrics.json";
    document.plot(caption, plots::curves(analysis));
    let mut table = Table::new([Column::words("method")].into_iter().chain(CURVE.map(Column::numbers)));
    for method in analysis.methods.iter().filter(|method| method.curve.len() > 1) {
        let width = (method.curve.len() / 10).max(1);
        let at = |share: f64| {
            let start = (share * (method.curve.len() - width) as f64).round() as usize;
            let losses: Vec<f64> = method.curve[start..start + width].iter().map(|point| point[1]).collect();
            format!("{:.3}", mean(&losses))
        };
        let end = method.final_loss.map_or_else(|| at(1.0), |loss| format!("{loss:.3}"));
        table = table.row([method.name.clone(), at(0.0), at(0.25), at(0.5), at(0.75), end]);
    }
    document.table("loss", caption, table);
}

/// Headings of the table of losses.
const CURVE: [&str; 5] = ["at the start", "after a quarter", "half way", "three quarters", "at the end"];

/// What was run, where, from which data.
fn records(analysis: &Analysis, document: &mut Document) {
    document.heading("Runs");
    let headings = [Column::words("method"), Column::numbers("seed")];
    let rest = ["recipe", "selection", "configuration", "device", "rxlt", "folder"].map(Column::words);
    let mut table = Table::new(headings.into_iter().chain(rest)).keyed(2);
    let parent = parent_of_all(analysis.runs.iter().map(|run| run.folder.as_str()));
    for run in &analysis.runs {
        let seed = run.seed.to_string();
        let folder = &run.folder[parent.len()..];
        table =
            table.row([&run.label, &seed, &run.recipe, &run.selection, &run.config, &run.device, &run.rxlt, folder]);
    }
    let below = if parent.is_empty() { String::new() } else { format!("; folders lie in {parent}") };
    let caption = format!("Every model: how it was selected, the start of the SHA-256 of its settings{below}");
    document.table("runs", caption, table);
    if analysis.data.is_empty() {
        return;
    }
    let headings = [Column::words("split"), Column::languages("language"), Column::numbers("examples")];
    let mut table = Table::new(headings.into_iter().chain([Column::words("SHA-256")])).keyed(2);
    for file in &analysis.data {
        let hash = file.sha256.chars().take(16).collect::<String>();
        table = table.row([file.split.clone(), file.language.clone(), file.examples.to_string(), hash]);
    }
    document.table("data", "Files of the data", table);
}

/// What all paths begin with, up to a separator.
fn parent_of_all<'a>(mut paths: impl Iterator<Item = &'a str>) -> &'a str {
    let Some(first) = paths.next() else { return "" };
    let separator = |letter: char| letter == '/' || letter == std::path::MAIN_SEPARATOR;
    let shared = |most: &'a str, path: &str| {
        let same = most.chars().zip(path.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let shared: &str = &most[..same];
        &most[..shared.rfind(separator).map_or(0, |at| at + 1)]
    };
    let start = &first[..first.rfind(separator).map_or(0, |at| at + 1)];
    paths.fold(start, shared)
}

/// Columns of a terminal that a text takes at most in any form: files hold all of it.
const LONGEST_TEXT: usize = 300;

/// Columns that an answer takes at most.
const LONGEST_ANSWER: usize = 80;

/// The items on which methods differ, the most telling first.
fn items(analysis: &Analysis, document: &mut Document) {
    for changes in analysis.changes.iter().filter(|_| analysis.listed > 0) {
        let Changes { method, baseline, languages, notes } = changes;
        document.heading(format!("Items that {method} gains and loses"));
        document.text(format!(
            "Items of which {method} makes more (gained) or less (lost) than {baseline}, by their share of {} as a mean over \
             seeds; in all seeds: each seed of one above each of the other. Up to {} are listed for each language, the \
             largest differences first.",
            analysis.metric, analysis.listed
        ));
        for LanguageChanges { language, gained, lost } in languages {
            let count = |items: &[Change]| {
                let sure = items.iter().filter(|item| item.in_all_seeds).count();
                let left = items.len().saturating_sub(analysis.listed);
                let more = if left > 0 { format!(", {left} not listed") } else { String::new() };
                format!("{} ({sure} in all seeds{more})", items.len())
            };
            let caption = format!("{language}: gained {}, lost {}", count(gained), count(lost));
            match gained.is_empty() && lost.is_empty() {
                true => document.text(caption),
                false => document.table("items", caption, listed(analysis, changes, gained, lost)),
            }
        }
        notes.iter().for_each(|note| document.note(format!("note: {note}")));
    }
}

/// The first gained and lost items of a language.
fn listed(analysis: &Analysis, changes: &Changes, gained: &[Change], lost: &[Change]) -> Table {
    let headings = ["item", "expected", &changes.baseline, &changes.method].map(Column::texts);
    let mut table = Table::new([Column::numbers("points")].into_iter().chain(headings)).keyed(2);
    for (i, items) in [gained, lost].into_iter().enumerate() {
        if i > 0 && !gained.is_empty() && !lost.is_empty() {
            table = table.rule();
        }
        for item in items.iter().take(analysis.listed) {
            let answers = [item.expected.clone(), most_said(&item.before), most_said(&item.after)];
            let answers = answers.map(|answer| match answer.is_empty() {
                true => NOTHING.to_owned(),
                false => cut(&answer, LONGEST_ANSWER),
            });
            table = table.row([points(item.difference()), item.id.clone()].into_iter().chain(answers));
            if let Some(text) = &item.text {
                table = table.below(cut(text, LONGEST_TEXT));
            }
        }
    }
    table
}

/// What most seeds answer, and how many where they are not all.
fn most_said(side: &Side) -> String {
    let n = |answer: &String| side.answers.iter().filter(|other| *other == answer).count();
    let most = side.answers.iter().reduce(|best, next| if n(next) > n(best) { next } else { best });
    most.map_or(String::new(), |most| match n(most) == side.answers.len() {
        true => most.clone(),
        false => format!("{most} ({} of {})", n(most), side.answers.len()),
    })
}

fn notes(analysis: &Analysis, document: &mut Document) {
    analysis.notes.iter().for_each(|note| document.note(note));
}

fn value_cell(measured: &Measured) -> String {
    match (measured.value.is_finite(), measured.deviation) {
        (false, _) => NOTHING.into(),
        (true, Some(deviation)) => format!("{} ± {}", percent(measured.value), percent(deviation)),
        (true, None) => percent(measured.value),
    }
    .replace('-', "−")
}

fn interval_cell(_: &MethodAnalysis, measured: &Measured) -> String {
    match measured.low.is_finite() {
        true => format!("[{}, {}]", percent(measured.low), percent(measured.high)).replace('-', "−"),
        false => NOTHING.into(),
    }
}

/// The gain with its interval and mark; empty for the baseline.
fn gain_cell(measured: &Measured) -> String {
    let Some(gain) = &measured.gain else { return String::new() };
    let mark = if gain.is_significant() { "*" } else { "" };
    format!("{} {}{mark}", points(gain.value), interval_of(gain))
}

fn interval_of(gain: &Gain) -> String {
    range([gain.low, gain.high])
}

/// A p-value, where there is one.
fn p_cell(p: Option<f64>) -> String {
    p.map_or(NOTHING.into(), p_value)
}

/// The p of a permutation test after a sign of equality; "at most" where nothing drawn is as extreme.
fn permutation_p(permutation: &Permutation, equals: &str) -> String {
    match permutation.is_floor() {
        true => format!("≤ {}", at_most(permutation.p)),
        false => format!("{equals}{}", p_value(permutation.p)),
    }
}

/// A bound, rounded up to its first digit.
fn at_most(p: f64) -> String {
    let digits = (-p.log10()).ceil().max(0.0) as usize;
    let unit = 10f64.powi(digits as i32);
    format!("{:.digits$}", (p * unit - 1e-9).ceil() / unit)
}

fn number(value: f64) -> String {
    format!("{value:.2}").replace('-', "−")
}

/// A number without zeros at its end.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (difference, expected) in [(0.0123, "+1.2"), (-0.0123, "−1.2"), (0.0002, "0.0")] {
            assert_eq!(points(difference), expected);
        }
        for (p, expected) in [(1.0 / 20_001.0, "0.00005"), (1.0 / 200_001.0, "0.000005"), (0.001, "0.001")] {
            assert_eq!(at_most(p), expected);
        }
        assert_eq!((trimmed(2.0, 3).as_str(), trimmed(0.4569, 3).as_str()), ("2", "0.457"));
        assert_eq!(parent_of_all(["/a/b/s1", "/a/b/s12", "/a/c"].into_iter()), "/a/");
        assert_eq!(parent_of_all(["runs/s1"].into_iter()), "runs/");
        assert_eq!(parent_of_all(["s1", "s2"].into_iter()), "");
    }
}
