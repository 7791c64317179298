//! `pack`: one file that is used like the run it was made of.

use std::fs;

use crate::support::Place;

fn packed() -> Place {
    let place = Place::with_run();
    let ran = place.run(&["pack", "runs/tiny", "--output", "tiny.regard"]);
    ran.says(&[
        "packed `runs/tiny` into `tiny.regard`; translate with `regard translate tiny.regard`",
    ]);
    assert_eq!(ran.succeeds(), "");
    place
}

#[test]
fn commands_that_use_a_model_take_a_pack() {
    let place = packed();
    // Without the run nothing else can be read.
    place.copy_run("runs/tiny", "runs/copy");
    let of_run: Vec<String> = used(&place, "runs/copy");
    fs::remove_dir_all(place.path("runs")).unwrap();
    assert_eq!(used(&place, "tiny.regard"), of_run);
}

fn used(place: &Place, model: &str) -> Vec<String> {
    place.write("source", "a b c\nd e\n");
    place.write("target", "a b c\nd d\n");
    let files = ["--source", "source", "--reference", "target", "--json"];
    let commands: [&[&str]; 4] = [
        &["translate", model, "--input", "source"],
        &["score", model, "--source", "source", "--target", "target"],
        &[&["evaluate", model][..], &files].concat(),
        &["attend", model, "a b c"],
    ];
    let outputs = commands.map(|command| place.run(command).succeeds());
    let compared = place.run(&[&["compare", model][..], &files].concat());
    let compared: serde_json::Value = serde_json::from_str(&compared.succeeds()).unwrap();
    let bucket = &compared["buckets"][0]["runs"][0];
    let mut all = outputs.to_vec();
    all.extend(["bleu", "chrf", "perplexity"].map(|key| bucket[key].to_string()));
    all.push(compared["runs"][0]["parameters"].to_string());
    all
}

#[test]
fn a_pack_is_inspected() {
    let place = packed();
    let said = place.run(&["inspect", "tiny.regard"]).succeeds();
    for part in [
        "pack: tiny.regard",
        "model: 6112 parameters",
        "vocabulary: 30 source, 30 target (one)",
        "checkpoint: step 4 (",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    let said = place.run(&["inspect", "tiny.regard", "--json"]).succeeds();
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&found["pack"], &found["step"]),
        (&"tiny.regard".into(), &4.into())
    );
    assert_eq!(found["parameters"], 6112);
}

#[test]
fn the_checkpoint_is_chosen_when_packing() {
    let place = packed();
    let translate = |model: &str, checkpoint: &str| {
        let arguments = ["translate", model, "--checkpoint", checkpoint];
        place.run_on(&arguments, "a b c\n")
    };
    translate("tiny.regard", "last").succeeds();
    translate("tiny.regard", "4").succeeds();
    translate("tiny.regard", "2").fails(&[
        "`tiny.regard` holds the checkpoint at step 4 (",
        "not the checkpoint at step 2",
        "hint: leave `--checkpoint` out",
    ]);
    let pack = [
        "pack",
        "runs/tiny",
        "--output",
        "two.regard",
        "--checkpoint",
    ];
    place.run(&[&pack[..], &["2"]].concat()).succeeds();
    assert_eq!(
        translate("two.regard", "2").succeeds(),
        translate("runs/tiny", "2").succeeds()
    );
    place
        .run(&[&pack[..], &["3"]].concat())
        .fails(&["`runs/tiny` has no checkpoint at step 3"]);
}

#[test]
fn a_pack_that_is_cut_off_or_something_else_is_refused() {
    let place = packed();
    let whole = place.read("tiny.regard");
    for length in [0, 7, 1000, whole.len() - 1] {
        place.write("cut.regard", &whole[..length]);
        place.run_on(&["translate", "cut.regard"], "a\n").fails(&[
            "`cut.regard` is no run directory, nor a whole file of `regard pack`: it is cut off or damaged",
            "hint: name a directory that `regard train` wrote, or write the file again",
        ]);
    }
    let mut damaged = whole;
    *damaged.last_mut().unwrap() ^= 1;
    place.write("damaged.regard", damaged);
    for command in ["inspect", "translate"] {
        place
            .run_on(&[command, "damaged.regard"], "a\n")
            .fails(&["it is damaged: it does not hold what was written"]);
    }
    place
        .run(&["score", "tiny.toml", "--tsv", "held-out.tsv"])
        .fails(&["`tiny.toml` is no run directory, nor a whole file of `regard pack`"]);
    for command in ["average", "plot"] {
        place
            .run(&[command, "tiny.regard"])
            .fails(&["`tiny.regard` is not a run directory"]);
    }
}

#[test]
fn what_cannot_be_used_is_not_packed() {
    let place = Place::with_run();
    place.write("before.regard", "before");
    let pack = |output: &str| place.run(&["pack", "runs/tiny", "--output", output]);
    pack("nowhere/tiny.regard").fails(&["cannot write `nowhere/tiny.regard`"]);
    fs::remove_file(place.path("runs/tiny/tokenizer.json")).unwrap();
    pack("before.regard").fails(&["the run `runs/tiny` has no usable tokenizer"]);
    assert_eq!(place.text("before.regard"), "before");
    place
        .run(&["pack", "tiny.toml", "--output", "before.regard"])
        .fails(&["`tiny.toml` is not a run directory"]);
    place.run(&["pack", "runs/tiny"]).fails(&["--output"]);
}
