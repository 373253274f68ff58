//! Recipes that are right, and what is said of those that are not.

use super::*;
use crate::learn::methods::{Length, Norm, Targets, With, WordNorms};

const BASE: &str = "name = \"t\"\n[model]\npath = \"m\"\n[[stages]]\ntask = \"xnli\"\n";

fn parse(text: &str, settings: &[&str]) -> Result<Resolved> {
    let settings: Vec<Setting> = settings.iter().map(|setting| Setting::parse(setting).unwrap()).collect();
    Resolved::parse(text, "t.toml", &settings)
}

#[test]
fn defaults_are_the_published_ones() {
    let recipe = parse(BASE, &[]).unwrap().recipe;
    let stage = &recipe.stages[0];
    assert_eq!((recipe.seed, stage.epochs, stage.batch_size, stage.max_length), (7, Some(1), 32, 128));
    assert_eq!((stage.learning_rate, stage.betas, stage.epsilon), (2e-5, [0.9, 0.999], 1e-8));
    assert_eq!((stage.weight_decay, stage.warmup_steps, stage.max_grad_norm), (0.0, 0, 1.0));
    assert_eq!((stage.schedule, stage.select), (Decay::Linear, Select::Best));
    assert_eq!((recipe.methods.len(), recipe.methods[0].name.as_str()), (1, "standard"));
    assert_eq!(recipe.stage_name(0, recipe.methods.first()), "1-xnli-standard");
    assert_eq!((stage.n_updates(64), stage.n_updates(65)), (2, 3));
}

#[test]
fn what_was_resolved_is_a_recipe_again() {
    for (name, text) in SHIPPED {
        let resolved = Resolved::parse(text, name, &[]).unwrap();
        assert_eq!(resolved.recipe.name, *name);
        assert!(!resolved.recipe.about.is_empty());
        let again = Resolved::parse(&resolved.to_toml(), "again", &[]).unwrap();
        assert_eq!(again.recipe, resolved.recipe);
        assert_eq!(again.to_toml(), resolved.to_toml());
        assert_eq!(resolved.differences(&again.to_toml()), Ok(vec![]));
    }
}

#[test]
fn every_value_has_its_source() {
    let text = format!("{BASE}batch_size = 16\n[[methods]]\nadv = {{ radius = 1 }}\n");
    let resolved = parse(&text, &["seed=3", "methods.0.adv.steps=4"]).unwrap();
    for (key, source) in [
        ("name", "t.toml:1"),
        ("stages.0.batch_size", "t.toml:6"),
        ("methods.0.adv.radius", "t.toml:8"),
        ("methods.0.adv.steps", "--set"),
        ("methods.0.adv.norm", "default"),
        ("methods.0.name", "default"),
        ("seed", "--set"),
    ] {
        assert_eq!(resolved.sources.get(key).map(String::as_str), Some(source), "{key}");
    }
}

#[test]
fn a_recipe_extends_another() {
    let text = "name = \"mine\"\nextends = \"open-sib200\"\nseeds = [4]\n[data]\nmax_eval_samples = 9\n[[methods]]\nadv = {}\n";
    let mine = parse(text, &["stages.0.epochs=2"]).unwrap();
    let base = Resolved::parse(find("open-sib200").unwrap(), "open-sib200", &[]).unwrap().recipe;
    assert_eq!((mine.recipe.name.as_str(), mine.recipe.about.as_str(), &mine.recipe.seeds[..]), ("mine", "", &[4][..]));
    assert_eq!((&mine.recipe.languages, &mine.recipe.model), (&base.languages, &base.model));
    assert_eq!(mine.recipe.data, Data { max_eval_samples: Some(9), ..base.data });
    assert_eq!(mine.recipe.stages, [Stage { epochs: Some(2), ..base.stages[0].clone() }]);
    assert_eq!(mine.recipe.methods.iter().map(|method| method.name.as_str()).collect::<Vec<_>>(), ["adv"]);
    let source = |key: &str| mine.sources[key].split(':').next().unwrap().to_owned();
    assert_eq!(
        ["seeds", "model.path", "stages.0.batch_size", "stages.0.epochs"].map(source),
        ["t.toml", "open-sib200", "open-sib200", "--set"]
    );

    // A seed of one's own is the one that is run, whatever the other names.
    let text = "name = \"mine\"\nextends = \"open-xsid\"\nseed = 4\n";
    assert!(!Resolved::parse(find("open-xsid").unwrap(), "open-xsid", &[]).unwrap().recipe.seeds.is_empty());
    let seeds = |recipe: &Resolved| recipe.by_seed().iter().map(|one| one.recipe.seed).collect::<Vec<_>>();
    assert_eq!(seeds(&parse(text, &[]).unwrap()), [4]);
    assert_eq!(seeds(&parse(text, &["seeds=[5,6]"]).unwrap()), [5, 6]);

    let folder = tempfile::tempdir().unwrap();
    let beside = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Resolved::load(&path, &[])
    };
    beside("base.toml", BASE).unwrap();
    let own = beside("own.toml", "name = \"own\"\nextends = \"base.toml\"\nseed = 1\n").unwrap();
    assert!(own.sources["stages.0.task"].ends_with("base.toml:5"), "{:?}", own.sources);
    for (text, expected) in [
        ("extends = \"own.toml\"", "own.toml extends another itself"),
        ("extends = \"none.toml\"", "none.toml"),
        ("extends = \"open-sib\"", "no recipe \"open-sib\""),
        ("extends = \"base.toml\"", "name: expected"),
        ("extends = 3", "expected a string"),
    ] {
        let error = beside("wrong.toml", text).unwrap_err();
        assert!(error.message().contains(expected), "{text}: {}", error.message());
    }
    assert!(parse(BASE, &["extends=open-sib200"]).unwrap_err().message().contains("only a recipe's file"));
}

#[test]
fn settings_reach_every_value() {
    type Look = fn(&Recipe) -> bool;
    let cases: &[(&str, Look)] = &[
        ("seed=9", |r| r.seed == 9),
        ("stages.0.learning_rate=1e-4", |r| r.stages[0].learning_rate == 1e-4),
        ("stages.0.weight_decay=0", |r| r.stages[0].weight_decay == 0.0),
        ("stages.0.betas=[0.8, 0.9]", |r| r.stages[0].betas == [0.8, 0.9]),
        ("stages.0.select=average", |r| r.stages[0].select == Select::Average),
        ("stages.0.updates=7", |r| (r.stages[0].updates, r.stages[0].epochs) == (Some(7), None)),
        ("stages.0.max_grad_norm=inf", |r| r.stages[0].max_grad_norm == f64::INFINITY),
        ("languages=de,sw", |r| r.languages == ["de", "sw"]),
        ("languages=de", |r| r.languages == ["de"]),
        ("languages=[\"de\"]", |r| r.languages == ["de"]),
        ("model.path=a/b c", |r| r.model.path.as_deref() == Some("a/b c")),
        ("data.folder=2024", |r| r.data.folder == "2024"),
        ("methods.0.adv.norm=linf", |r| r.methods[0].adv.as_ref().is_some_and(|adv| adv.norm == Norm::Linf)),
        ("methods.0.rs-rp={samples=2}", |r| r.methods[0].rs_rp.as_ref().is_some_and(|part| part.samples == 2)),
        ("generalized=true", |r| r.generalized),
    ];
    let text = format!("{BASE}epochs = 2\n");
    for (setting, look) in cases {
        let resolved = parse(&text, &[setting]).unwrap();
        assert!(look(&resolved.recipe), "{setting}: {}", resolved.to_toml());
    }
}

#[test]
fn parts_of_a_method_are_mixed() {
    let mixed = format!("{BASE}[[methods]]\nrs-da = {{ neighbours = \"n\" }}\nadv = {{ weight = 3 }}\nrs-rp = {{}}\n");
    let method = parse(&mixed, &[]).unwrap().recipe.methods.remove(0);
    assert_eq!(method.name, "rs-da+adv+rs-rp");
    let shown = format!("{:?}", method.objective(&WordNorms::UNIT));
    assert!(shown.starts_with("Mixture([(0.75, Adv") && shown.contains("(0.25, RsRp"), "{shown}");
    let augmented = format!("{BASE}[[methods]]\nrs-da = {{ neighbours = \"n\" }}\n");
    let method = parse(&augmented, &[]).unwrap().recipe.methods.remove(0);
    assert_eq!(
        (method.name.as_str(), format!("{:?}", method.objective(&WordNorms::UNIT)).as_str()),
        ("rs-da", "Standard { weight: 1.0 }")
    );
}

#[test]
fn a_consistency_has_the_settings_of_what_perturbs() {
    let of = |settings: &str| {
        let text = format!("{BASE}[[methods]]\nconsistency = {{ {settings} }}\n");
        let resolved = parse(&text, &[]).unwrap();
        let again = parse(&resolved.to_toml(), &[]).unwrap();
        assert_eq!(again.recipe, resolved.recipe);
        resolved.recipe.methods[0].consistency.clone().unwrap()
    };
    let smart = of("radius = \"0.06x\", step_size = \"0.03x\"");
    assert_eq!((smart.with, smart.norm, smart.steps), (With::Ascent, Some(Norm::Linf), Some(1)));
    assert_eq!((smart.radius, smart.targets), (Some(Length::Words(0.06)), Some(Targets::Fixed)));
    let r3f = of("with = \"noise\"");
    assert_eq!((r3f.radius, r3f.weight, r3f.targets), (Some(Length::Of(1e-5)), Some(1.0), Some(Targets::Free)));
    assert_eq!((r3f.norm, r3f.steps), (None, None));
    let xtune = of("with = \"text\", typos = {}");
    assert_eq!((xtune.radius, xtune.weight, xtune.targets), (None, Some(5.0), Some(Targets::Fixed)));
}

#[test]
fn spans_are_not_put_into_other_words_and_tags_are() {
    let refusal = |task: &str, method: &str| {
        let text = BASE.replace("\"xnli\"", &format!("\"{task}\""));
        parse(&format!("{text}[[methods]]\n{method}\n"), &[]).map(drop).map_err(|error| error.message().to_owned())
    };
    for (name, method) in
        [("typos", "typos = {}"), ("consistency.typos", "consistency = { with = \"text\", typos = {} }")]
    {
        let error = refusal("xquad", method).unwrap_err();
        assert!(error.contains(&format!("methods.0.{name}: not for this task: answers are parts of texts")), "{error}");
        assert_eq!(refusal("panx", method), Ok(()));
    }
    assert!(refusal("panx", "rs-da = { neighbours = \"n\" }").unwrap_err().contains("words carry tags"));
}

#[test]
fn wrong_recipes_are_refused_with_place_and_remedy() {
    let cases: &[(&str, &[&str])] = &[
        ("beside = [\"xnlj\"]", &["t.toml:6: stages.0.beside: no task \"xnlj\"; did you mean \"xnli\"?"]),
        ("beside = [\"udpos\", \"udpos\"]", &["stages.0.beside: \"udpos\" is learned already"]),
        ("beside = [\"mlm\"]", &["stages.0.mlm.text: mlm needs text"]),
        ("task_alpha = 0.5", &["stages.0.task_alpha: only a stage with beside has this setting"]),
        ("beside = [\"udpos\"]\ntask_alpha = 2.0", &["stages.0.task_alpha: expected a number from 0 to 1, found 2"]),
        ("lerning_rate = 1", &["t.toml:6: unknown key \"lerning_rate\"; did you mean \"learning_rate\"?"]),
        (
            "learning_rate = -1",
            &["t.toml:6: stages.0.learning_rate: expected a number above 0 that f32 can hold, found -1"],
        ),
        ("learning_rate = \"x\"", &["t.toml:6: expected a number, such as 0.5 or 2e-5, found \"x\""]),
        ("batch_size = 0", &["t.toml:6: stages.0.batch_size: expected 1 or more, found 0"]),
        ("batch_size = -3", &["t.toml:6: ", "-3"]),
        ("betas = [0.9, 1.0]", &["t.toml:6: stages.0.betas: expected 0 or more and below 1, found [0.9, 1.0]"]),
        ("betas = [0.9]", &["t.toml:6: ", "2"]),
        ("epochs = 1\nupdates = 2", &["t.toml:7: stages.0.updates: expected either epochs or updates, found both"]),
        ("select = \"bset\"", &["t.toml:6: unknown value \"bset\"; did you mean \"best\"?"]),
        ("alpha = 0.5", &["t.toml:6: stages.0.mlm: only mlm has these settings"]),
        ("epochs = ", &["t.toml:6: "]),
        ("[[stages]]\ntask = \"xnil\"", &["t.toml:7: stages.1.task: no task \"xnil\"; did you mean \"xnli\"?"]),
        ("[[stages]]\ntask = \"mlm\"", &["t.toml:7: stages.1.mlm.text: mlm needs text"]),
        (
            "[[stages]]\ntask = \"mlm\"\nmlm = { text = [\"t\"] }\n[[methods]]\nadv = {}",
            &["methods are compared by a task"],
        ),
        (
            "[[stages]]\ntask = \"mlm\"\nmlm = { text = [\"t\"], pair_share = 2 }",
            &["pair_share: expected a number from 0 to 1"],
        ),
        ("mlm = { layers = 1 }", &["t.toml:6: stages.0.mlm: only mlm has these settings"]),
        (
            "[[stages]]\ntask = \"mlm\"\nweight_decay = 0.1\nmlm = { text = [\"t\"], layers = 0 }",
            &["weight_decay: with layers, expected 0: those that take no part would shrink"],
        ),
        (
            "[[stages]]\ntask = \"mlm\"\nmlm = { text = [\"t\"], leave_out = [\"xnil\"] }",
            &["no task \"xnil\"; did you mean \"xnli\"?"],
        ),
        ("[[methods]]\nrsda = {}", &["t.toml:7: unknown key \"rsda\"; did you mean \"rs-da\"?"]),
        ("[[methods]]\nrs-da = {}", &["methods.0.rs-da.neighbours: name the JSON file"]),
        (
            "[[methods]]\nadv = { radius = 0 }",
            &["t.toml:7: methods.0.adv.radius: expected a number above 0 that f32 can hold, found 0"],
        ),
        ("[[methods]]\nadv = { at = \"word\", norm = \"l3\" }", &["t.toml:7: unknown value \"l3\"; did you mean"]),
        ("[[methods]]\nrs-rp = { vote_confidence = 1 }", &["above 0.5 and below 1, found 1"]),
        (
            "[[methods]]\nadv = { radius = \"0.06\" }",
            &["t.toml:7: expected a number, or one with an x for a multiple of words' mean norm, such as \"0.06x\""],
        ),
        (
            "[[methods]]\nconsistency = { radius = \"0.06x\" }",
            &[
                "methods.0.consistency.step_size: it is the number 0.001, and radius is relative to words (\"0.06x\")",
                "step_size = \"0.03x\"",
            ],
        ),
        (
            "[[methods]]\nadv = { radius = \"0.06x\", at = \"encoder\" }",
            &["methods.0.adv.radius: a length relative to words (\"0.06x\") is for at = \"word\""],
        ),
        ("[[methods]]\nfreelb = { steps = 0 }", &["methods.0.freelb.steps: expected 1 or more, found 0"]),
        (
            "[[methods]]\nconsistency = { with = \"noise\", steps = 2 }",
            &["methods.0.consistency.steps: only with = \"ascent\" has this setting"],
        ),
        ("[[methods]]\nconsistency = { with = \"text\" }", &["wants one of synonyms, code-switch and typos"]),
        (
            "[[methods]]\nconsistency = { with = \"text\", typos = { words = 2 } }",
            &["methods.0.consistency.typos.words: expected a number above 0, up to 1, found 2"],
        ),
        (
            "[[methods]]\ncode-switch = {}",
            &["methods.0.code-switch.dictionaries: name files of a word and its translation"],
        ),
        (
            "[[methods]]\ntypos = {}\ncode-switch = { dictionaries = [\"d\"] }",
            &["methods.0: one augmentation at a time, found code-switch and typos"],
        ),
        ("[[methods]]\n[[methods]]", &["methods.1.name: there are two methods \"standard\""]),
        ("[model.fresh]\nnum_attention_heads = 3", &["expected either model.path or [model.fresh]", "a multiple of"]),
        ("[data]\nfolder = \"\"", &["t.toml:7: data.folder"]),
    ];
    for (extra, expected) in cases {
        let error = parse(&format!("{BASE}{extra}\n"), &[]).expect_err(extra);
        assert_eq!(error.exit_code(), 78, "{error}");
        for part in *expected {
            assert!(error.message().contains(part), "{extra}: expected \"{part}\" in: {error}");
        }
    }
    for (text, expected) in [
        ("", "t.toml: name: expected letters"),
        ("schema = 3\nname = \"t\"", "t.toml:1: schema: expected 2, found 3"),
        ("name = \"../x\"", "t.toml:1: name: expected letters, digits"),
        ("name = \"t\"\n[model]\n", "expected model.path"),
        (
            "name = \"t\"\n[model]\ntokenizer = \"t\"\nfresh = { do_lower_case = true }\n[[stages]]\ntask = \"xsid\"",
            "model.fresh.do_lower_case: this is of a tokenizer to be trained, and model.tokenizer names one",
        ),
        (
            "name = \"t\"\n[model]\nfresh = { num_hidden_layers = 2 }\n[[stages]]\ntask = \"mlm\"\nmlm = { text = [\"t\"], layers = 3 }",
            "t.toml:6: stages.0.mlm.layers: expected at most 2, found 3",
        ),
        ("name = \"t\"\nseed = -1", "t.toml:2: "),
        ("name = \"t\"\ngeneralized = true\n[[stages]]\ntask = \"xsid\"", "t.toml:2: generalized: only tasks of"),
    ] {
        let error = parse(text, &[]).expect_err(text);
        assert!(error.message().contains(expected), "{text}: expected \"{expected}\" in: {error}");
    }
}

#[test]
fn wrong_settings_are_refused_by_their_flag() {
    for (setting, expected) in [
        ("sed=3", "--set sed=3: unknown key \"sed\"; did you mean \"seed\"?"),
        ("stages.0.lr=1", "--set stages.0.lr=1: unknown key \"lr\"; "),
        ("stages.2.epochs=1", "stages has no entry \"2\" (it has 0 to 0)"),
        ("stages.x.epochs=1", "stages has no entry \"x\""),
        ("stages.0=1", "stages.0 is a table"),
        ("name.x=1", "\"name\" is a value and has no keys"),
        ("seed=x", "--set seed=x: expected a whole number, such as 3, found \"x\""),
        (
            "stages.0.learning_rate=-1",
            "--set: stages.0.learning_rate: expected a number above 0 that f32 can hold, found -1",
        ),
        ("methods.0.ad.radius=1", "unknown key \"ad\"; did you mean \"adv\"?"),
    ] {
        let error = parse(BASE, &[setting]).expect_err(setting);
        assert_eq!(error.exit_code(), 78, "{error}");
        assert!(error.message().contains(expected), "{setting}: expected \"{expected}\" in: {error}");
    }
    assert_eq!(Setting::parse("seed").unwrap_err().exit_code(), 2);
}

#[test]
fn a_setting_that_undoes_an_earlier_one_is_refused() {
    let stages = "stages=[{task = \"xnli\", epochs = 1, learning_rate = 1e-5}]";
    for [first, then] in [
        ["seed=3", "seeds=[1,2]"],
        ["seeds=[1,2]", "seed=3"],
        ["stages.0.updates=5", "stages.0.epochs=1"],
        ["stages.0.learning_rate=1e-4", stages],
    ] {
        let error = parse(BASE, &[first, then]).expect_err(first);
        let expected = format!("--set {then} undoes --set {first}, which stands before it");
        assert!(error.exit_code() == 78 && error.message().contains(&expected), "{error}");
    }
    // The same key again, or one of the parts of what was set, is a correction.
    for [first, then] in [["seed=3", "seed=4"], [stages, "stages.0.learning_rate=1e-4"]] {
        parse(BASE, &[first, then]).unwrap();
    }
}

#[test]
fn unknown_recipes_are_named() {
    let error = find("xnli-avd").unwrap_err();
    assert!(error.message().starts_with("no recipe \"xnli-avd\"; did you mean \"xnli-adv\"?"), "{error}");
}

#[test]
fn positions_that_are_distances_begin_anew_nowhere() {
    let mut recipe = parse(BASE, &[]).unwrap().recipe;
    recipe.stages[0].mlm = Some(Mlm { restart_positions: true, ..Mlm::default() });
    let config = |model_type: &str| {
        let raw = serde_json::json!({
            "model_type": model_type, "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "type_vocab_size": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 140,
        });
        crate::models::Config::new(raw.as_object().unwrap().clone()).unwrap()
    };
    assert!(recipe.check_sizes(&config("bert")).is_ok());
    let error = recipe.check_sizes(&config("modernbert")).unwrap_err();
    assert!(error.message().starts_with("stages.0.mlm.restart_positions: "), "{error}");
}

/// A recipe of schema 1, and what a run kept of it, mean what they meant.
#[test]
fn recipes_of_the_first_schema_are_read() {
    let stage = "[[stages]]\ntask = \"mlm\"\nupdates = 3\nlayers = 0\ntext = [\"t\"]\nalpha = 0.7\n";
    let before = format!("schema = 1\nname = \"t\"\n[model]\npath = \"m\"\n{stage}");
    let today = "schema = 2\nname = \"t\"\n[model]\npath = \"m\"\n[[stages]]\ntask = \"mlm\"\nupdates = 3\n\
                 mlm = { layers = 0, text = [\"t\"], alpha = 0.7 }\n";
    let (old, new) = (parse(&before, &[]).unwrap(), parse(today, &[]).unwrap());
    assert_eq!(old.recipe, new.recipe);
    assert_eq!(old.sources["stages.0.mlm.alpha"], "t.toml:10");
    // What a run kept: all values, but none that had no meaning there.
    let kept = format!("{before}epochs = 1\nmask_probability = 0.15\npack = false\n").replace("epochs = 1\n", "");
    assert_eq!(new.differences(&kept), Ok(Vec::new()));
    let changed = new.differences(&kept.replace("0.7", "0.3")).unwrap();
    assert_eq!(changed.iter().map(|(key, ..)| key.as_str()).collect::<Vec<_>>(), ["stages.0.mlm.alpha"]);
    // A key of today's schema stands in one place.
    let error = parse(&before.replace("schema = 1", "schema = 2"), &[]).unwrap_err();
    assert_eq!(error.message(), "t.toml:10: unknown key \"alpha\"; it belongs in mlm, that is below [stages.mlm]");
    let error = parse(&before, &["stages.0.text=x"]).unwrap_err();
    assert_eq!(error.message(), "--set stages.0.text=x: this setting is stages.0.mlm.text now");
    let error = parse(&before.replace("0.7", "[7]"), &[]).unwrap_err();
    assert!(error.message().starts_with("t.toml: invalid type"), "{error}");
    let error = parse(&format!("schema = 3\n{BASE}"), &[]).unwrap_err();
    assert!(error.message().contains("schema: expected 2, found 3"), "{error}");
}

#[test]
fn a_method_may_have_settings_of_the_last_stage_of_its_own() {
    let two = "[[stages]]\ntask = \"mlm\"\n[[stages]]\ntask = \"xnli\"\nepochs = 3\nlearning_rate = 1e-5\n";
    let text = format!(
        "{}{two}[[methods]]\nstandard = {{}}\n[[methods]]\nname = \"long\"\nstage = {{ updates = 9, learning_rate = 2e-5 }}\n",
        BASE.split("[[stages]]").next().unwrap()
    );
    let recipe = parse(&text, &["stages.0.mlm.text=[\"t\"]"]).unwrap().recipe;
    let long = &recipe.methods[1];
    assert_eq!((long.parts(), long.name.as_str()), (vec!["standard"], "long"));
    let of = |index, method: &Method| {
        let stage = recipe.stage_with(index, method);
        (stage.epochs, stage.updates, stage.learning_rate, stage.batch_size)
    };
    assert_eq!(of(1, &recipe.methods[0]), (Some(3), None, 1e-5, 32));
    assert_eq!(of(1, long), (None, Some(9), 2e-5, 32));
    assert_eq!(of(0, long), (Some(1), None, 2e-5, 32), "the first stage is that of all methods, with its own default");

    let set = parse(&text, &["stages.0.mlm.text=[\"t\"]", "methods.1.stage.epochs=2"]).unwrap().recipe;
    let own = set.methods[1].stage.as_ref().unwrap();
    assert_eq!((own.epochs, own.updates), (Some(2), None), "what is set takes the other's place");
    let both = text.replace("updates = 9", "updates = 9, epochs = 2");
    let error = parse(&both, &["stages.0.mlm.text=[\"t\"]"]).unwrap_err().to_string();
    assert!(error.contains("methods.1.stage.updates: expected either epochs or updates, found both"), "{error}");

    let refused = |setting: &str| parse(&text, &["stages.0.mlm.text=[\"t\"]", setting]).unwrap_err().to_string();
    for (setting, expected) in [
        ("methods.1.stage.learning_rate=0", "methods.1.stage.learning_rate"),
        ("methods.1.stage.batch_size=0", "methods.1.stage.batch_size: expected 1 or more"),
        ("methods.1.stage.max_length=9", "max_length"),
        ("data.eval_split=train", "data.eval_split: expected test or dev, found train"),
    ] {
        let message = refused(setting);
        assert!(message.contains(expected), "{setting}: {message}");
    }
}

#[test]
fn passes_are_counted_where_the_encoder_is() {
    let passes = |method: &str| {
        let recipe = parse(&format!("{BASE}[[methods]]\n{method}\n"), &[]).unwrap().recipe;
        recipe.methods[0].passes()
    };
    for (method, expected) in [
        ("standard = {}", 1),
        ("typos = {}", 1),
        ("adv = { steps = 2 }", 3),
        ("adv = { steps = 2, clean_weight = 0.5 }", 4),
        ("adv = { steps = 2, at = \"encoder\" }", 1),
        ("freelb = { steps = 3 }", 3),
        ("rs-rp = { samples = 3 }", 1),
        ("rs-rp = { samples = 3, at = \"word\" }", 3),
        ("consistency = { with = \"noise\" }", 2),
        ("consistency = { with = \"ascent\", steps = 2 }", 4),
        ("standard = {}\nadv = { steps = 2 }", 4),
    ] {
        assert_eq!(passes(method), expected, "{method}");
    }
}

#[test]
fn a_setting_that_a_method_does_not_follow_is_refused() {
    let text = "name = \"own\"\nmodel = { path = \"weights/xlmr-open\" }\n[[stages]]\ntask = \"xnli\"\n\
                updates = 10\n[[methods]]\nstandard = {}\n[[methods]]\nname = \"longer\"\nstandard = {}\nstage = { updates = 30 }\n";
    for setting in ["stages.0.updates=20", "stages.0.epochs=2"] {
        let error = parse(text, &[setting]).unwrap_err();
        let says = ["--set stages.0.", "method 1 (longer) has its own, methods.1.stage.updates = 30"];
        assert!(says.iter().all(|text| error.message().contains(text)), "{error}");
    }
    let both = parse(text, &["stages.0.updates=20", "methods.1.stage.updates=60"]).unwrap().recipe;
    let updates = |i: usize| both.stages[0].with(&both.methods[i]).updates;
    assert_eq!((updates(0), updates(1)), (Some(20), Some(60)));
    assert!(parse(text, &["stages.0.learning_rate=1e-3"]).is_ok());
    let setting = [Setting::parse("stages.0.updates=20").unwrap()];
    let of = |name: &str| Resolved::parse_for(text, "own", &setting, &[name.to_owned()]);
    let chosen = of("standard").unwrap().recipe;
    assert_eq!(chosen.stages[0].with(&chosen.methods[0]).updates, Some(20));
    assert!(of("longer").unwrap_err().message().contains("would not follow"));
}
