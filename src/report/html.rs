//! A report as one HTML page: its style inside, plots as SVG, nothing fetched, and one script that sorts tables.

use super::{
    document::{Block, Document},
    table::html,
};
use sha2::{Digest, Sha256};

/// What sorts tables; a page runs nothing else.
const SCRIPT: &str = include_str!("sort.js");

/// Light and dark, wide and narrow. Colors are those of Okabe & Ito (2008), darker on light ground and lighter on dark
/// so that every one has a contrast of at least 4.5 to its ground.
const STYLE: &str = r##"
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f23; --soft: #57606a; --line: #d7dce1; --heat: #0068a8;
  --c0: #57606a; --c1: #0068a8; --c2: #b34000; --c3: #00755a; --c4: #8f3f74; --c5: #7a5a00; --c6: #5a4fcf; --c7: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15181b; --ink: #e6e9ec; --soft: #a3abb3; --line: #363c42; --heat: #3f9bdc;
    --c0: #b4bcc4; --c1: #62b5f0; --c2: #ff9a5c; --c3: #3fcf9f; --c4: #e39ac6; --c5: #e2b93b; --c6: #aaa2ff; --c7: #ff8f98; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.5rem; padding-top: 0.5rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; overflow-wrap: anywhere; }
figure { margin: 1rem 0; max-width: 34rem; }
.plots { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr)); }
figcaption, caption { text-align: left; color: var(--soft); font-size: 0.9rem; padding: 0.25rem 0; }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible { outline: 2px solid var(--c1); }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption span { display: block; position: sticky; left: 0; width: fit-content; max-width: min(46rem, calc(100vw - 2rem)); }
th, td { padding: 0.2rem 1.1rem 0.2rem 0; text-align: left; white-space: nowrap; font-weight: normal; }
thead th { font-weight: 600; border-bottom: 1px solid var(--soft); vertical-align: bottom; }
.number { text-align: right; }
tbody th { position: sticky; left: 0; background: var(--ground); }
tbody:last-child tr:last-child > * { border-bottom: 1px solid var(--soft); }
tbody + tbody tr:first-child > * { border-top: 1px solid var(--line); }
tbody.means th, tbody.means td { font-weight: 600; }
.code { display: inline-block; min-width: 2.2em; }
.name { color: var(--soft); }
.lead { font-size: 1.12rem; line-height: 1.45; font-weight: 500; border-left: 3px solid var(--c1); padding-left: 0.9rem; }
nav { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; font-size: 0.9rem; }
nav a { color: var(--c1); }
thead button { all: unset; cursor: pointer; white-space: nowrap; }
thead button:focus-visible { outline: 2px solid var(--c1); outline-offset: 2px; }
thead button::after { content: "↕"; color: var(--line); padding-left: 0.25em; margin-right: -0.9em; font-weight: normal; }
thead button:hover::after { color: var(--soft); }
[aria-sort="ascending"] button::after { content: "↑"; color: var(--ink); }
[aria-sort="descending"] button::after { content: "↓"; color: var(--ink); }
tr.below > td { white-space: normal; overflow-wrap: anywhere; max-width: 46rem; color: var(--soft); padding-left: 1rem; }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: var(--ink); }
.s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); } .s3 { --c: var(--c3); }
.s4 { --c: var(--c4); } .s5 { --c: var(--c5); } .s6 { --c: var(--c6); } .s7 { --c: var(--c7); }
.soft { fill: var(--soft); } .strong { font-weight: 650; } .head { font-size: 9.5px; font-weight: 650; fill: var(--soft); }
.small { font-size: 9px; } .figure { font-size: 9.5px; font-variant-numeric: tabular-nums; }
.shade { fill: var(--ink); fill-opacity: 0.06; }
.point { fill: var(--c); } .point.hollow { fill: var(--ground); stroke: var(--c); stroke-width: 1.2; } .error { stroke: var(--c); stroke-width: 1.2; } .fit { stroke: var(--c); stroke-width: 1.5; }
.band { fill: var(--c); fill-opacity: 0.15; } .curve { fill: none; stroke: var(--c); stroke-width: 1.5; }
.curve.s1 { stroke-dasharray: 6 3; } .curve.s2 { stroke-dasharray: 2 2; } .curve.s3 { stroke-dasharray: 8 3 2 3; }
.curve.s4 { stroke-dasharray: 10 4; } .curve.s5 { stroke-dasharray: 4 2; } .curve.s6 { stroke-dasharray: 1 3; }
.curve.s7 { stroke-dasharray: 8 2 2 2 2 2; } .curve.hollow { stroke-width: 2.4; stroke-opacity: 0.6; }
.grid { stroke: var(--line); stroke-width: 0.7; } .axis { stroke: var(--soft); stroke-width: 1; }
.heat { fill: var(--heat); }
@media (max-width: 40rem) { .name { display: block; font-size: 0.75rem; } }
@media print { body { max-width: none; } thead button::after, nav { display: none; } }
"##;

impl Document {
    /// One self-contained page.
    pub fn to_html(&self) -> String {
        let (mut body, mut contents) = (String::new(), String::new());
        let mut in_plots = false;
        for block in &self.blocks {
            let is_plot = matches!(block, Block::Plot { .. });
            if is_plot != in_plots {
                body += if is_plot { "<div class=\"plots\">\n" } else { "</div>\n" };
                in_plots = is_plot;
            }
            body += &match block {
                Block::Heading(text) => {
                    let (id, text) = (contents.matches("<a ").count() + 1, html(text));
                    contents += &format!("<a href=\"#s{id}\">{text}</a>\n");
                    format!("<h2 id=\"s{id}\">{text}</h2>\n")
                }
                Block::Verdict(text) => format!("<p class=\"lead\">{}</p>\n", html(text)),
                Block::Text(text) | Block::Note(text) => format!("<p>{}</p>\n", html(text)),
                Block::Table { caption, table, .. } => {
                    let name = html(caption);
                    let table = table.to_html(caption);
                    format!(
                        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{name}\">\n{table}</div>\n"
                    )
                }
                Block::Plot { caption, svg } => {
                    format!("<figure>\n<figcaption>{}</figcaption>\n{svg}</figure>\n", html(caption))
                }
            };
        }
        if in_plots {
            body += "</div>\n";
        }
        let title = html(&self.title);
        let hash = base64(&Sha256::digest(SCRIPT));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'sha256-{hash}'\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
             <nav aria-label=\"Sections\">\n{contents}</nav>\n{body}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
        )
    }
}

/// Bytes in letters, as a page's policy wants a hash.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letter = |i: usize| match i <= three.len() {
            true => char::from(LETTERS[(bits >> (18 - 6 * i)) as usize & 63]),
            false => '=',
        };
        (0..4).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(four).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }

    /// What the page says of its only script is its hash: another would not run.
    #[test]
    fn a_page_has_one_script_and_its_hash() {
        let page = Document { title: "<script>".into(), blocks: Vec::new() }.to_html();
        assert_eq!(page.matches("<script").count(), 1);
        let script = page.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
        assert!(page.contains(&format!("script-src 'sha256-{}'", base64(&Sha256::digest(script)))));
    }
}
