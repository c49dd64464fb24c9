//! What the ablation forms take away, put back and change, and what cannot be taken away.

use super::*;

/// `set` of every variant but the base spec, as text.
fn sets(sweep: &str) -> Vec<String> {
    variants(sweep)
        .iter()
        .filter(|variant| variant.form != Form::Base)
        .map(|variant| {
            let set: Vec<String> = variant
                .set
                .iter()
                .map(|(key, value)| format!("{key}={}", value.to_json()))
                .collect();
            format!("{}: {}", variant.name, set.join(" "))
        })
        .collect()
}

const SLOTS: &str =
    "[model.refiner]\nuse = 'r'\n[model.fusion]\nuse = 'f'\n[model.pooling]\nuse = 'window'\n";

#[test]
fn removes_by_null_component_by_emptiness_and_whole_losses() {
    let sweep = format!(
        "[sweep]\nleave_one_out = ['model.pooling', 'model.refiner', 'model.fusion', 'loss.b']\n{SLOTS}"
    );
    assert_eq!(
        sets(&sweep),
        [
            "-pooling: model.pooling={\"use\":\"mean\"}",
            "-refiner: model.refiner=false",
            "-fusion: model.fusion={\"use\":\"sum\"}",
            "-b: loss.b=false",
        ]
    );
    let variants = variants(&sweep);
    assert_eq!(variants[1].spec.value(&"model.pooling.use".parse().unwrap()), Some("mean".into()));
    assert_eq!(variants[2].spec.value(&"model.refiner".parse().unwrap()), None);
    assert_eq!(variants[4].spec.losses.len(), 1);
    assert_eq!(variants[4].remove, ["loss.b".parse().unwrap()]);
    let removed = "model.pooling".parse().unwrap();
    assert_eq!(variants[1].form, Form::LeaveOneOut { removed });
}

#[test]
fn removes_inside_blocks_that_are_there_by_default() {
    assert_eq!(
        sets(&format!("[sweep]\nleave_one_out = ['model.pooling.inner']\n{SLOTS}")),
        ["-inner: model.pooling.inner={\"use\":\"mean\"}"]
    );
    let late = "[sweep]\nleave_one_out = ['model.late', 'model.late.inner']\n";
    assert_eq!(
        sets(late),
        [
            "-late: model.late={\"use\":\"mean\"}",
            "-inner: model.late={\"use\":\"window\"} model.late.inner={\"use\":\"mean\"}",
        ]
    );
    // Removed together, the inner one goes with the outer, which is there already.
    let pairs = late.replace("[sweep]\n", "[sweep]\npairs = true\n");
    assert_eq!(sets(&pairs).len(), 2);
}

#[test]
fn removes_items_of_lists() {
    let sweep = "[sweep]\npairs = true\nleave_one_out = ['model.layers[0]', 'model.layers[2]']\n\
                 [[model.layers]]\nuse = 'a'\n[[model.layers]]\nuse = 'b'\n[[model.layers]]\nuse = 'c'\n";
    assert_eq!(
        sets(sweep),
        [
            "-layers.0: model.layers=[{\"use\":\"b\"},{\"use\":\"c\"}]",
            "-layers.2: model.layers=[{\"use\":\"a\"},{\"use\":\"b\"}]",
            "-layers.0-layers.2: model.layers=[{\"use\":\"b\"}]",
        ]
    );
    let whole = "[sweep]\nleave_one_out = ['model.layers']\n[[model.layers]]\nuse = 'a'\n";
    assert_eq!(sets(whole), ["-layers: model.layers=[]"]);
    refused(
        &whole.replace("'model.layers'", "'model.layers[1]'"),
        2,
        "`sweep.leave_one_out[0]`: `model.layers[1]` cannot be removed: `model.layers` has 1 items, \
         counted from 0",
    );
}

#[test]
fn pairs_are_all_pairs() {
    let sweep = format!(
        "[sweep]\npairs = true\nleave_one_out = ['model.pooling', 'model.refiner', 'loss.b']\n{SLOTS}"
    );
    check(
        &sweep,
        &["base*", "-pooling", "-refiner", "-b", "-pooling-refiner", "-pooling-b", "-refiner-b"],
    );
    let pair = &variants(&sweep)[6];
    let removed = ["model.refiner".parse().unwrap(), "loss.b".parse().unwrap()];
    assert_eq!(pair.form, Form::Pair { removed: removed.clone() });
    assert_eq!(pair.remove, removed);
}

#[test]
fn adds_one_after_the_other() {
    let sweep =
        format!("[sweep]\nadd_one_in = ['model.refiner', 'loss.b', 'model.pooling']\n{SLOTS}");
    assert_eq!(
        sets(&sweep),
        [
            "none: model.refiner=false loss.b=false model.pooling={\"use\":\"mean\"}",
            "+refiner: loss.b=false model.pooling={\"use\":\"mean\"}",
            "+refiner+b: model.pooling={\"use\":\"mean\"}",
        ]
    );
    let present = vec!["model.refiner".parse().unwrap()];
    assert_eq!(variants(&sweep)[2].form, Form::AddOneIn { present });
}

#[test]
fn changes_one_key_at_a_time() {
    check(
        "[sweep.one_at_a_time]\n'model.pooling' = [{ use = 'mean' }, { use = 'sum' }]\n\
         'train.batch_size' = [8, 16]\n'model.depth' = [2, 3]\n",
        &["base*", "pooling=sum", "batch_size=16", "depth=3"],
    );
    let variants = variants("[sweep.one_at_a_time]\n'model.refiner' = [{ use = 'r' }, false]\n");
    assert_eq!(variants.len(), 2);
    let key = "model.refiner".parse().unwrap();
    assert_eq!(variants[1].form, Form::OneAtATime { key });
}

#[test]
fn a_named_variant_may_remove_too() {
    let sweep = format!(
        "[[sweep.variant]]\nname = 'bare'\nset = {{ 'model.depth' = 5 }}\n\
         remove = ['model.refiner', 'loss.a']\n{SLOTS}"
    );
    assert_eq!(sets(&sweep), ["bare: model.depth=5 model.refiner=false loss.a=false"]);
}

#[test]
fn names_what_cannot_be_removed() {
    let out = |key: &str| format!("[sweep]\nleave_one_out = ['{key}']\n");
    refused(
        &out("model.head"),
        2,
        "`sweep.leave_one_out[0]`: `model.head` cannot be removed: slot `head` of `m` must hold a \
         block of role `head`, and declares no null component\n\
         to try other blocks there, write `one_at_a_time = { \"model.head\" = [{ use = \"…\" }] }`\n\
         whoever writes `m` can declare one: `SlotSpec::new(\"head\", …).null_block(\"…\")`, or \
         `.optional()`",
    );
    refused(
        &out("model.refner"),
        2,
        "`sweep.leave_one_out[0]`: `model.refner` cannot be removed: `m` has no slot `refner`\n\
         did you mean `refiner`?\n\
         slots of `m`: `pooling`, `refiner`, `fusion`, `head`, `layers`, `late`",
    );
    refused(
        &out("model.depth"),
        2,
        "`sweep.leave_one_out[0]`: `model.depth` cannot be removed: `m` has no slot `depth`\n\
         slots of `m`: `pooling`, `refiner`, `fusion`, `head`, `layers`, `late`\n\
         to try other values of it, write `one_at_a_time = { \"model.depth\" = […] }`",
    );
    refused(
        &out("model.pooling.inner"),
        2,
        "`sweep.leave_one_out[0]`: `model.pooling.inner` cannot be removed: `mean` has no slot \
         `inner`\n`mean` has no slots",
    );
    refused(
        &out("model.refiner"),
        2,
        "`sweep.leave_one_out[0]`: `model.refiner` cannot be removed: `model.refiner` is empty \
         already",
    );
    refused(
        &out("model.pooling"),
        2,
        "`sweep.leave_one_out[0]`: without `model.pooling` the base spec stays what it is\n\
         `model.pooling` holds its null component already",
    );
    refused(
        &out("loss.c"),
        2,
        "`sweep.leave_one_out[0]`: `loss.c` cannot be removed: there is no loss `c`\n\
         did you mean `a`?\nthere are `a`, `b`",
    );
    refused(
        &out("model"),
        2,
        "`sweep.leave_one_out[0]`: `model` cannot be removed: an experiment needs its model\n\
         name one of its slots: `model.SLOT`",
    );
    refused(
        "[sweep]\nadd_one_in = ['loss.a', 'loss.b']\n",
        2,
        "`sweep.add_one_in[1]`: without it no loss is left to train with\n\
         the base spec has `loss.a`, `loss.b`",
    );
}

#[test]
fn shared_blocks_are_removed_from_their_slots() {
    let experiment = |key: &str| {
        experiment(&format!(
            "[sweep]\nleave_one_out = ['{key}']\n[blocks.p]\nuse = 'window'\n\
             [model.refiner]\nref = 'blocks.p'\n[model.pooling]\nref = 'blocks.p'\n"
        ))
    };
    let names = |key: &str| -> Vec<String> {
        expand(&experiment(key), &Toys).unwrap().into_iter().map(|v| v.name).collect()
    };
    assert_eq!(names("model.refiner"), ["base", "-refiner"]);
    assert_eq!(names("blocks.p.inner"), ["base", "-inner"]);
    let error = expand(&experiment("model.refiner.inner"), &Toys).unwrap_err();
    assert!(error.to_string().ends_with("`model.refiner` holds the shared block `blocks.p`"));
    assert_eq!(error.hints(), ["write `blocks.p` in the place of `model.refiner`"]);
    let error = expand(&experiment("blocks.p"), &Toys).unwrap_err();
    assert!(error.to_string().ends_with("a shared block has no place of its own"));
}
