//! A report as CSV: what was measured of methods, and what of each seed.

use super::analysis::{Analysis, Measured, MethodAnalysis};

/// One line per method and measure, fields quoted as in RFC 4180.
pub fn to_csv(analysis: &Analysis) -> String {
    let mut text = String::from(
        "items,method,kind,measure,seeds,value,deviation,low,high,gain,gain_low,gain_high,gain_error,gain_freedom,p,p_holm,\
         p_equivalent,test,by_seed\r\n",
    );
    let parts = [("all", Some(analysis)), ("subset", analysis.subset.as_deref())];
    for (items, part) in parts {
        for method in part.iter().flat_map(|part| &part.methods) {
            for measured in &method.measures {
                let fields = csv_fields(items, method, measured);
                text += &fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",");
                text += "\r\n";
            }
        }
    }
    text
}

fn csv_fields(items: &str, method: &MethodAnalysis, measured: &Measured) -> Vec<String> {
    let show = |value: f64| if value.is_finite() { format!("{value:.6}") } else { String::new() };
    let kind = serde_json::to_value(measured.kind).ok();
    let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default();
    let seeds = method.seeds.len().to_string();
    let mut fields: Vec<String> =
        [items, &method.name, kind, &measured.name, &seeds].map(|field| field.to_owned()).into();
    fields.extend([measured.value, measured.deviation.unwrap_or(f64::NAN), measured.low, measured.high].map(show));
    match &measured.gain {
        None => fields.extend([const { String::new() }; 9]),
        Some(gain) => {
            fields.extend([gain.value, gain.low, gain.high, gain.error, gain.freedom].map(show));
            let p = |p: Option<f64>| p.map_or(String::new(), |p| format!("{p:.3e}"));
            fields.extend([gain.p, gain.p_holm, gain.p_equivalent].map(p));
            fields.push(gain.test.to_owned());
        }
    }
    let of_seed = |(seed, value): (&u64, &f64)| format!("{seed}={}", show(*value));
    fields.push(method.seeds.iter().zip(&measured.by_seed).map(of_seed).collect::<Vec<_>>().join(" "));
    fields
}

/// A field of CSV; one that a spreadsheet would compute is not disarmed, since that changes the data.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// One line per method, seed, language and metric.
pub fn seeds_to_csv(analysis: &Analysis) -> String {
    let mut text = String::from("task,method,seed,language,name,metric,value,n,recipe,configuration,folder\r\n");
    for run in &analysis.runs {
        for score in &run.scores {
            let known = analysis.languages.iter().find(|language| language.code == score.language);
            let name = known.map_or("", |known| known.name.as_str());
            let value = if score.value.is_finite() { format!("{:.6}", score.value) } else { String::new() };
            let (seed, n) = (run.seed.to_string(), score.n.to_string());
            let fields = [
                analysis.task,
                &run.label,
                &seed,
                &score.language,
                name,
                score.metric,
                &value,
                &n,
                &run.recipe,
                &run.config,
                &run.folder,
            ];
            text += &fields.map(quoted).join(",");
            text += "\r\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_quoted_as_in_rfc_4180() {
        for (field, expected) in [("plain", "plain"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a\nb", "\"a\nb\"")]
        {
            assert_eq!(quoted(field), expected);
        }
    }
}
