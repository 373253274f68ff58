//! SIB-200: what is a sentence about?

use super::{Kind, Layout, Split, Task, table};

/// SIB-200 (Adelani et al., 2024): topics of FLORES-200 sentences; a language is the name of its folder.
pub const SIB200: Task = Task {
    name: "sib200",
    about: "topic of a sentence in up to 205 languages (Adelani et al., 2024)",
    kind: Kind::Classify {
        labels: &["entertainment", "geography", "health", "politics", "science/technology", "sports", "travel"],
    },
    pairs: false,
    source: "eng_Latn",
    languages: &[
        "afr_Latn", "amh_Ethi", "arb_Arab", "azj_Latn", "ben_Beng", "bul_Cyrl", "cat_Latn", "ces_Latn", "cym_Latn",
        "dan_Latn", "deu_Latn", "ell_Grek", "eng_Latn", "epo_Latn", "est_Latn", "eus_Latn", "fin_Latn", "fra_Latn",
        "gle_Latn", "glg_Latn", "guj_Gujr", "hau_Latn", "heb_Hebr", "hin_Deva", "hun_Latn", "hye_Armn", "ibo_Latn",
        "ind_Latn", "isl_Latn", "ita_Latn", "jav_Latn", "jpn_Jpan", "kat_Geor", "kaz_Cyrl", "khm_Khmr", "kor_Hang",
        "lit_Latn", "lvs_Latn", "mal_Mlym", "mar_Deva", "mlt_Latn", "mya_Mymr", "nld_Latn", "nob_Latn", "nqo_Nkoo",
        "pan_Guru", "pes_Arab", "pol_Latn", "por_Latn", "quy_Latn", "ron_Latn", "rus_Cyrl", "sna_Latn", "spa_Latn",
        "srp_Cyrl", "swe_Latn", "swh_Latn", "tam_Taml", "tel_Telu", "tgl_Latn", "tha_Thai", "tur_Latn", "ukr_Cyrl",
        "urd_Arab", "uzn_Latn", "vie_Latn", "xho_Latn", "yor_Latn", "zho_Hans", "zho_Hant", "zsm_Latn", "zul_Latn",
    ],
    aliases: &[],
    leave_out: |_| None,
    layouts: &[Layout {
        about: "the SIB-200 release",
        files: &[
            (Split::Train, "{language}/train.tsv"),
            (Split::Dev, "{language}/dev.tsv"),
            (Split::Test, "{language}/test.tsv"),
        ],
        read: table::read,
    }],
};
