//! The recipes that ship with the program: a file of `recipes/` and a line of this table each.

use crate::error::{Error, Result, did_you_mean};

/// Name and text of every recipe.
pub const SHIPPED: &[(&str, &str)] = &[
    ("demo", include_str!("../../recipes/demo.toml")),
    ("pretrain-open", include_str!("../../recipes/pretrain-open.toml")),
    ("distil-open", include_str!("../../recipes/distil-open.toml")),
    ("open-xsid", include_str!("../../recipes/open-xsid.toml")),
    ("open-sib200", include_str!("../../recipes/open-sib200.toml")),
    ("open-sib200-variants", include_str!("../../recipes/open-sib200-variants.toml")),
    ("open-sib200-average", include_str!("../../recipes/open-sib200-average.toml")),
    ("open-sib200-intents", include_str!("../../recipes/open-sib200-intents.toml")),
    ("open-xnli", include_str!("../../recipes/open-xnli.toml")),
    ("open-xnli-sib200", include_str!("../../recipes/open-xnli-sib200.toml")),
    ("open-xnli-mlm", include_str!("../../recipes/open-xnli-mlm.toml")),
    ("open-pawsx", include_str!("../../recipes/open-pawsx.toml")),
    ("open-udpos", include_str!("../../recipes/open-udpos.toml")),
    ("open-panx", include_str!("../../recipes/open-panx.toml")),
    ("open-xquad", include_str!("../../recipes/open-xquad.toml")),
    ("xnli-standard", include_str!("../../recipes/xnli-standard.toml")),
    ("xnli-adv", include_str!("../../recipes/xnli-adv.toml")),
    ("xnli-rs-rp", include_str!("../../recipes/xnli-rs-rp.toml")),
    ("xnli-rs-da", include_str!("../../recipes/xnli-rs-da.toml")),
    ("pawsx-standard", include_str!("../../recipes/pawsx-standard.toml")),
    ("pawsx-adv", include_str!("../../recipes/pawsx-adv.toml")),
    ("pawsx-rs-rp", include_str!("../../recipes/pawsx-rs-rp.toml")),
    ("pawsx-rs-da", include_str!("../../recipes/pawsx-rs-da.toml")),
    ("xsid-small", include_str!("../../recipes/xsid-small.toml")),
    ("xsid-standard", include_str!("../../recipes/xsid-standard.toml")),
    ("sib200-standard", include_str!("../../recipes/sib200-standard.toml")),
];

/// The text of the recipe of this name.
pub fn find(name: &str) -> Result<&'static str> {
    let names = SHIPPED.iter().map(|(name, _)| *name);
    let found = SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text);
    found.ok_or_else(|| {
        let hint = did_you_mean(name, names);
        Error::Usage(format!("no recipe \"{name}\"; {hint}; a file of yours ends in .toml"))
    })
}
