//! What is known of languages, in one place: names, scripts, families, morphology, and how far they are apart.
//!
//! **Distance.** The one built in is genealogical, after Glottolog (Hammarström et al., glottolog.org, CC BY 4.0): how
//! many of the steps family, branch and (for Germanic) West or North a language does not share with the source. It is
//! coarse and full of ties, but certain, citable and there for every language. URIEL's distances (Littell et al., 2017),
//! or any others, are given as a file instead.
//!
//! **Morphologically rich** are the languages of the SPMRL shared tasks (Seddah et al., 2013, 2014): Arabic, Basque,
//! French, German, Hebrew, Hungarian, Korean, Polish and Swedish.
//!
//! **Agglutinative** are families and branches that their standard grammars describe so: Turkic (Johanson & Csató, 1998),
//! Uralic (Abondolo, 1998), Dravidian (Krishnamurti, 2003), Bantu (Nurse & Philippson, 2003), Japonic (Shibatani, 1990),
//! Koreanic (Sohn, 1999), Basque (Hualde & Ortiz de Urbina, 2003), Kartvelian (Hewitt, 1995), Quechuan (Adelaar, 2004).

use std::collections::BTreeMap;

use crate::{
    error::{Error, Result},
    tasks::TextFile,
};

/// What is known of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// Its ISO 639-1 code where it has one, else 639-3; a dialect as xSID calls it.
    pub code: &'static str,
    /// Its code in FLORES-200 and SIB-200; empty where it has none.
    pub flores: &'static str,
    /// Its name in English.
    pub name: &'static str,
    /// The script of its texts.
    pub script: &'static str,
    /// Family first, then branches, as far down as is told apart here.
    pub lineage: &'static [&'static str],
}

/// The languages of the SPMRL shared tasks.
const SPMRL: [&str; 9] = ["ar", "eu", "fr", "de", "he", "hu", "ko", "pl", "sv"];

/// Families and branches of agglutinative languages.
const AGGLUTINATIVE: [&str; 9] =
    ["Turkic", "Uralic", "Dravidian", "Bantu", "Japonic", "Koreanic", "Basque", "Kartvelian", "Quechuan"];

/// How far down a lineage is told apart at most.
const LEVELS: usize = 3;

/// All languages known.
pub const LANGUAGES: &[Language] = &[
    of("af", "afr_Latn", "Afrikaans", "Latin", &["Indo-European", "Germanic", "West"]),
    of("am", "amh_Ethi", "Amharic", "Ethiopic", &["Afro-Asiatic"]),
    of("ar", "arb_Arab", "Arabic", "Arabic", &["Afro-Asiatic"]),
    of("az", "azj_Latn", "Azerbaijani", "Latin", &["Turkic"]),
    of("bn", "ben_Beng", "Bengali", "Bengali", &["Indo-European", "Indo-Iranian"]),
    of("bg", "bul_Cyrl", "Bulgarian", "Cyrillic", &["Indo-European", "Balto-Slavic"]),
    of("ca", "cat_Latn", "Catalan", "Latin", &["Indo-European", "Italic"]),
    of("cs", "ces_Latn", "Czech", "Latin", &["Indo-European", "Balto-Slavic"]),
    of("cy", "cym_Latn", "Welsh", "Latin", &["Indo-European", "Celtic"]),
    of("da", "dan_Latn", "Danish", "Latin", &["Indo-European", "Germanic", "North"]),
    of("de", "deu_Latn", "German", "Latin", &["Indo-European", "Germanic", "West"]),
    of("de-ba", "", "South German (Bavarian)", "Latin", &["Indo-European", "Germanic", "West"]),
    of("de-muc", "", "Bavarian (Munich)", "Latin", &["Indo-European", "Germanic", "West"]),
    of("de-st", "", "Bavarian (South Tyrol)", "Latin", &["Indo-European", "Germanic", "West"]),
    of("gsw", "", "Swiss German", "Latin", &["Indo-European", "Germanic", "West"]),
    of("el", "ell_Grek", "Greek", "Greek", &["Indo-European", "Greek"]),
    of("en", "eng_Latn", "English", "Latin", &["Indo-European", "Germanic", "West"]),
    of("eo", "epo_Latn", "Esperanto", "Latin", &["Constructed"]),
    of("et", "est_Latn", "Estonian", "Latin", &["Uralic"]),
    of("eu", "eus_Latn", "Basque", "Latin", &["Basque"]),
    of("fi", "fin_Latn", "Finnish", "Latin", &["Uralic"]),
    of("fr", "fra_Latn", "French", "Latin", &["Indo-European", "Italic"]),
    of("ga", "gle_Latn", "Irish", "Latin", &["Indo-European", "Celtic"]),
    of("gl", "glg_Latn", "Galician", "Latin", &["Indo-European", "Italic"]),
    of("gu", "guj_Gujr", "Gujarati", "Gujarati", &["Indo-European", "Indo-Iranian"]),
    of("ha", "hau_Latn", "Hausa", "Latin", &["Afro-Asiatic"]),
    of("ht", "hat_Latn", "Haitian Creole", "Latin", &["Indo-European", "Italic"]),
    of("he", "heb_Hebr", "Hebrew", "Hebrew", &["Afro-Asiatic"]),
    of("hi", "hin_Deva", "Hindi", "Devanagari", &["Indo-European", "Indo-Iranian"]),
    of("hu", "hun_Latn", "Hungarian", "Latin", &["Uralic"]),
    of("hy", "hye_Armn", "Armenian", "Armenian", &["Indo-European", "Armenian"]),
    of("ig", "ibo_Latn", "Igbo", "Latin", &["Atlantic-Congo"]),
    of("id", "ind_Latn", "Indonesian", "Latin", &["Austronesian"]),
    of("is", "isl_Latn", "Icelandic", "Latin", &["Indo-European", "Germanic", "North"]),
    of("it", "ita_Latn", "Italian", "Latin", &["Indo-European", "Italic"]),
    of("nap", "", "Neapolitan", "Latin", &["Indo-European", "Italic"]),
    of("jv", "jav_Latn", "Javanese", "Latin", &["Austronesian"]),
    of("ja", "jpn_Jpan", "Japanese", "Japanese", &["Japonic"]),
    of("ka", "kat_Geor", "Georgian", "Georgian", &["Kartvelian"]),
    of("kk", "kaz_Cyrl", "Kazakh", "Cyrillic", &["Turkic"]),
    of("km", "khm_Khmr", "Khmer", "Khmer", &["Austroasiatic"]),
    of("ko", "kor_Hang", "Korean", "Hangul", &["Koreanic"]),
    of("lt", "lit_Latn", "Lithuanian", "Latin", &["Indo-European", "Balto-Slavic"]),
    of("lv", "lvs_Latn", "Latvian", "Latin", &["Indo-European", "Balto-Slavic"]),
    of("ml", "mal_Mlym", "Malayalam", "Malayalam", &["Dravidian"]),
    of("mr", "mar_Deva", "Marathi", "Devanagari", &["Indo-European", "Indo-Iranian"]),
    of("mt", "mlt_Latn", "Maltese", "Latin", &["Afro-Asiatic"]),
    of("my", "mya_Mymr", "Burmese", "Burmese", &["Sino-Tibetan"]),
    of("nl", "nld_Latn", "Dutch", "Latin", &["Indo-European", "Germanic", "West"]),
    of("no", "nob_Latn", "Norwegian", "Latin", &["Indo-European", "Germanic", "North"]),
    of("nqo", "nqo_Nkoo", "N’Ko", "N’Ko", &["Mande"]),
    of("pa", "pan_Guru", "Punjabi", "Gurmukhi", &["Indo-European", "Indo-Iranian"]),
    of("fa", "pes_Arab", "Persian", "Arabic", &["Indo-European", "Indo-Iranian"]),
    of("pl", "pol_Latn", "Polish", "Latin", &["Indo-European", "Balto-Slavic"]),
    of("pt", "por_Latn", "Portuguese", "Latin", &["Indo-European", "Italic"]),
    of("qu", "quy_Latn", "Ayacucho Quechua", "Latin", &["Quechuan"]),
    of("ro", "ron_Latn", "Romanian", "Latin", &["Indo-European", "Italic"]),
    of("ru", "rus_Cyrl", "Russian", "Cyrillic", &["Indo-European", "Balto-Slavic"]),
    of("sn", "sna_Latn", "Shona", "Latin", &["Atlantic-Congo", "Bantu"]),
    of("es", "spa_Latn", "Spanish", "Latin", &["Indo-European", "Italic"]),
    of("sr", "", "Serbian", "Latin", &["Indo-European", "Balto-Slavic"]),
    of("sr-cyrl", "srp_Cyrl", "Serbian (Cyrillic)", "Cyrillic", &["Indo-European", "Balto-Slavic"]),
    of("sv", "swe_Latn", "Swedish", "Latin", &["Indo-European", "Germanic", "North"]),
    of("sw", "swh_Latn", "Swahili", "Latin", &["Atlantic-Congo", "Bantu"]),
    of("ta", "tam_Taml", "Tamil", "Tamil", &["Dravidian"]),
    of("te", "tel_Telu", "Telugu", "Telugu", &["Dravidian"]),
    of("tl", "tgl_Latn", "Tagalog", "Latin", &["Austronesian"]),
    of("th", "tha_Thai", "Thai", "Thai", &["Tai-Kadai"]),
    of("tr", "tur_Latn", "Turkish", "Latin", &["Turkic"]),
    of("uk", "ukr_Cyrl", "Ukrainian", "Cyrillic", &["Indo-European", "Balto-Slavic"]),
    of("ur", "urd_Arab", "Urdu", "Arabic", &["Indo-European", "Indo-Iranian"]),
    of("uz", "uzn_Latn", "Uzbek", "Latin", &["Turkic"]),
    of("vi", "vie_Latn", "Vietnamese", "Latin", &["Austroasiatic"]),
    of("xh", "xho_Latn", "Xhosa", "Latin", &["Atlantic-Congo", "Bantu"]),
    of("yo", "yor_Latn", "Yoruba", "Latin", &["Atlantic-Congo"]),
    of("zh", "zho_Hans", "Chinese", "Chinese", &["Sino-Tibetan"]),
    of("zh-hant", "zho_Hant", "Chinese (traditional)", "Chinese", &["Sino-Tibetan"]),
    of("ms", "zsm_Latn", "Malay", "Latin", &["Austronesian"]),
    of("zu", "zul_Latn", "Zulu", "Latin", &["Atlantic-Congo", "Bantu"]),
];

const fn of(
    code: &'static str,
    flores: &'static str,
    name: &'static str,
    script: &'static str,
    lineage: &'static [&'static str],
) -> Language {
    Language { code, flores, name, script, lineage }
}

/// The language of a code such as `de` or `deu_Latn`.
pub fn find(code: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.code == code || (language.flores == code && !code.is_empty()))
}

impl Language {
    /// Whether it is one of the morphologically rich languages of the SPMRL shared tasks.
    pub fn is_morphologically_rich(&self) -> bool {
        SPMRL.contains(&self.code)
    }

    /// Whether its family or branch is agglutinative.
    pub fn is_agglutinative(&self) -> bool {
        self.lineage.iter().any(|group| AGGLUTINATIVE.contains(group))
    }

    /// Its family.
    pub fn family(&self) -> &'static str {
        self.lineage[0]
    }

    /// Its branch, as far down as is told apart here.
    pub fn branch(&self) -> String {
        self.lineage.join(", ")
    }

    /// The genealogical distance from another language: how many of three levels the two do not share.
    pub fn distance_from(&self, source: &Language) -> f64 {
        let shared = self.lineage.iter().zip(source.lineage).take_while(|(own, other)| own == other).count();
        if self.code == source.code { 0.0 } else { (LEVELS - shared) as f64 }
    }

    /// What that distance is.
    pub fn distance_said(&self) -> String {
        let level = |i: usize| match i {
            2 => format!("{} {}", self.lineage[2], self.lineage[1]),
            _ => self.lineage[i].to_owned(),
        };
        let levels = (0..self.lineage.len()).rev().map(|i| format!("{}: {}", LEVELS - 1 - i, level(i)));
        let levels = levels.chain([format!("{LEVELS}: another family")]).collect::<Vec<_>>().join(", ");
        format!("genealogical distance from {} after Glottolog ({levels})", self.name)
    }
}

/// A number for each language, from lines of a code and a number.
pub fn numbers(file: &TextFile) -> Result<BTreeMap<String, f64>> {
    let mut numbers = BTreeMap::new();
    for (line, content) in file.lines().filter(|(_, content)| !content.starts_with('#')) {
        let wrong = |what: &str| Error::Data(format!("{}: {what}", file.place(line)));
        let (code, number) = content
            .split_once('\t')
            .ok_or_else(|| wrong("expected a language's code and a number, parted by a tab"))?;
        let number: f64 = number
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| wrong(&format!("expected a number of at least 0, found \"{}\"", number.trim())))?;
        if numbers.insert(code.trim().to_owned(), number).is_some() {
            return Err(wrong(&format!("\"{}\" stands here twice; keep one of them", code.trim())));
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks;

    #[test]
    fn every_language_of_a_task_is_known_once() {
        for task in tasks::all() {
            let unknown: Vec<&&str> = task.languages.iter().filter(|code| find(code).is_none()).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", task.name);
        }
        for (i, language) in LANGUAGES.iter().enumerate() {
            let same = |other: &Language| {
                other.code == language.code || (!language.flores.is_empty() && other.flores == language.flores)
            };
            assert!(!LANGUAGES[..i].iter().any(same), "{}", language.code);
            assert!(!language.lineage.is_empty() && !language.name.is_empty(), "{}", language.code);
        }
    }

    #[test]
    fn distances_and_groups_are_as_described() {
        let english = find("en").unwrap();
        for (code, distance, rich, agglutinative) in [
            ("eng_Latn", 0.0, false, false),
            ("de", 0.0, true, false),
            ("swe_Latn", 1.0, true, false),
            ("fr", 2.0, true, false),
            ("hu", 3.0, true, true),
            ("sw", 3.0, false, true),
            ("th", 3.0, false, false),
        ] {
            let language = find(code).unwrap();
            let found =
                (language.distance_from(english), language.is_morphologically_rich(), language.is_agglutinative());
            assert_eq!(found, (distance, rich, agglutinative), "{code}");
        }
        let said = "genealogical distance from English after Glottolog (0: West Germanic, 1: Germanic, 2: Indo-European, \
                    3: another family)";
        assert_eq!(english.distance_said(), said);
        let turkish = find("tr").unwrap();
        assert_eq!(
            turkish.distance_said(),
            "genealogical distance from Turkish after Glottolog (2: Turkic, 3: another family)"
        );
        let from = |code: &str| find(code).unwrap().distance_from(turkish);
        assert_eq!([from("tr"), from("az"), from("en")], [0.0, 2.0, 3.0]);
        assert!(LANGUAGES.iter().all(|language| language.lineage.len() <= LEVELS));
        assert!(find("").is_none() && find("xx").is_none());
    }
}
