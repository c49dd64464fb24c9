//! Wrong input: the exact text, exit code 1, and nothing is run.

use crate::harness::{Place, library};
use std::process::Command;

/// What follows the known names.
const SEARCHED: &str = "searched `[PLACE]/plugins` (6 plugins), `[PLACE]/home/store` (0 plugins)";

/// The blocks that fit the slot `pooling`.
const POOLINGS: &str = "known blocks of role `pooling`: `attentive-mean`, `attentive-stats`, \
    `attentive-stats-per-channel`, `mean`, `misbehaving`, `mixing`, `noisy`, `sliding-window`, \
    `stats`, `talkative`, `wide`";

/// Sweeps with these changes and expects exactly this on stderr.
#[track_caller]
fn refused(place: &Place, changes: &[&str], expected: &str) {
    let mut arguments = vec!["sweep", "pooling"];
    arguments.extend(changes);
    refused_command(place, place.command(&arguments), expected);
}

#[track_caller]
fn refused_command(place: &Place, command: Command, expected: &str) {
    let answer = place.answer(command);
    let found = &answer.stderr;
    assert!(found == expected, "expected:\n{expected}\nfound:\n{found}");
    assert_eq!(answer.code, Some(1), "{found}");
    assert_eq!(answer.stdout, "");
    assert!(place.runs().is_empty(), "something was run");
}

/// Sweeps after `from` was replaced by `to` in the experiment.
#[track_caller]
fn refused_edit(from: &str, to: &str, expected: &str) {
    let place = Place::new();
    place.edit(from, to);
    refused(&place, &[], expected);
}

#[test]
fn unknown_component_with_near_match_valid_names_and_where_was_searched() {
    let expected = format!(
        "error: pooling/experiment.toml:26: `model.pooling`: unknown pooling `attentoin-mean`\n\
         hint: did you mean `attentive-mean`?\n\
         hint: {POOLINGS}; {SEARCHED}\n"
    );
    refused_edit("use = \"attentive-mean\"", "use = \"attentoin-mean\"", &expected);
    let expected = format!(
        "error: pooling/experiment.toml:52: `model.pooling`: unknown pooling `maen`\n\
         hint: did you mean `mean`?\n\
         hint: {POOLINGS}; {SEARCHED}\n"
    );
    refused_edit("{ use = \"mean\" }", "{ use = \"maen\" }", &expected);
    let expected = format!(
        "error: command line `model.use=rq-vae`: `model`: unknown model `rq-vae`\n\
         hint: did you mean `rqvae`?\n\
         hint: known models: `beam-tagger`, `grouped`, `relay`, `rqvae`, `tiny`; {SEARCHED}\n"
    );
    refused(&Place::new(), &["model.use=rq-vae"], &expected);
}

#[test]
fn a_component_of_another_kind_is_hinted_at() {
    let expected = format!(
        "error: pooling/experiment.toml:26: `model.pooling`: unknown pooling `masked-mse`\n\
         hint: `masked-mse` exists as a loss in plugin `losses`\n\
         hint: {POOLINGS}; {SEARCHED}\n"
    );
    refused_edit("use = \"attentive-mean\"", "use = \"masked-mse\"", &expected);
    let expected = format!(
        "error: pooling/experiment.toml:7: `dataset`: unknown dataset `rqvae`\n\
         hint: `rqvae` exists as a model in plugin `rqvae`\n\
         hint: known datasets: `audio-folder`, `encoded-sequences`, `librispeech`, \
         `synthetic-speech`; {SEARCHED}\n"
    );
    refused_edit("use = \"synthetic-speech\"", "use = \"rqvae\"", &expected);
}

#[test]
fn unknown_key_of_a_component_of_train_and_of_the_experiment() {
    refused_edit(
        "max_seconds = 0.5",
        "max_second = 0.5",
        "error: pooling/experiment.toml:14: `dataset.max_second`: unknown key\n\
         hint: did you mean `max_seconds`?\n\
         hint: valid keys: `audio`, `data_seed`, `items_test`, `items_train`, `items_valid`, \
         `max_seconds`, `min_seconds`, `noise`, `normalize`, `speakers`, `words`, `encoder`\n",
    );
    refused_edit(
        "mel_bins = 20",
        "mel_bin = 20",
        "error: pooling/experiment.toml:15: `dataset.encoder.mel_bin`: unknown key\n\
         hint: did you mean `mel_bins`?\n\
         hint: valid keys: `frame_length_ms`, `frame_shift_ms`, `mel_bins`\n",
    );
    refused_edit(
        "hidden = 8",
        "hiden = 8",
        "error: pooling/experiment.toml:27: `model.pooling.hiden`: unknown key\n\
         hint: did you mean `hidden`?\n\
         hint: valid keys: `hidden`\n",
    );
    refused_edit(
        "batch_size = 4",
        "batchsize = 4",
        "error: pooling/experiment.toml:43: `train.batchsize`: unknown key\n\
         hint: did you mean `batch_size`?\n\
         hint: valid keys: `batch_size`, `total_epochs`, `total_steps`, `eval_every_epochs`, \
         `eval_every_steps`, `checkpoint_every_epochs`, `checkpoint_every_steps`, `optimizer`, \
         `schedule`, `clip_norm`, `accumulate_steps`, `early_stopping`, `bucketing`, \
         `prefetch_batches`, `prefetch_workers`\n",
    );
    let keys = "hint: valid keys: `question`, `name`, `device`, `threads`, `plugins`, `dataset`, \
                `model`, `blocks`, `loss`, `metric`, `artifact`, `train`, `report`, `sweep`\n";
    let expected = format!(
        "error: pooling/experiment.toml:1: `qestion`: unknown key\n\
         hint: did you mean `question`?\n{keys}"
    );
    refused_edit("question =", "qestion =", &expected);
    let expected = format!("error: command line `extends=x`: `extends`: unknown key\n{keys}");
    refused(&Place::new(), &["extends=x"], &expected);
}

#[test]
fn wrong_type_in_a_file_in_the_environment_and_on_the_command_line() {
    refused_edit(
        "mel_bins = 20",
        "mel_bins = \"twenty\"",
        "error: pooling/experiment.toml:15: `dataset.encoder.mel_bins`: expected an integer, found \
         the string `twenty`\n",
    );
    refused_edit(
        "batch_size = 4",
        "batch_size = \"four\"",
        "error: pooling/experiment.toml:43: `train.batch_size`: expected an integer, found the \
         string `four`\n",
    );
    let place = Place::new();
    for (key, variable, value) in [
        ("train.batch_size", "ABLATE_SET__train__batch_size", "four"),
        ("model.quantizer.levels", "ABLATE_SET__model__quantizer__levels", "two"),
    ] {
        let mut command = place.command(&["sweep", "pooling"]);
        command.env(variable, value);
        let expected = format!(
            "error: environment variable `{variable}`: `{key}`: expected an integer, found the \
             string `{value}`\n"
        );
        refused_command(&place, command, &expected);
    }
    refused(
        &place,
        &["model.quantizer.codebook_size=eight"],
        "error: command line `model.quantizer.codebook_size=eight`: \
         `model.quantizer.codebook_size`: expected an \
         integer, found the string `eight`\n",
    );
}

#[test]
fn values_out_of_range_and_values_that_contradict_each_other() {
    let place = Place::new();
    refused(
        &place,
        &["train.total_epochs=-1"],
        "error: command line `train.total_epochs=-1`: `train.total_epochs`: must be at least 1, \
         found `-1`\n",
    );
    refused(
        &place,
        &["dataset.min_seconds=0.01"],
        "error: command line `dataset.min_seconds=0.01`: `dataset.min_seconds`: must be at least \
         0.1, found `0.01`\n",
    );
    // Only the component itself knows this.
    refused(
        &place,
        &["model.latent_dim=17"],
        "error: variant `attentive`: `model.decoder` (`located`) failed to start: the vectors have \
         width 17, which must be even and a multiple of `heads` (2)\n\
         hint: the width is `latent_dim` of the model\n",
    );
    refused(
        &place,
        &["--device", "cuda:0"],
        "error: variant `attentive`: `dataset.encoder` (`log-mel`) failed to start: device `cuda:0` \
         is not built into this plugin; it has `flex`\n",
    );
}

#[test]
fn contract_mismatch_shows_the_named_dimensions() {
    refused_edit(
        "{ use = \"mean\" }",
        "{ use = \"wide\" }",
        "error: variant `mean`: contract mismatch between `model` (`rqvae`) and the block in its \
         slot `pooling` (`wide`): the block gives `pooled: f32[B, 1, 128]`, `model` expects \
         `pooled: f32[B, W, 16]`\n",
    );
    refused(
        &Place::new(),
        &["loss.reconstruction.inputs.target=speaker"],
        "error: variant `attentive`: contract mismatch between `loss.reconstruction` \
         (`masked-mse`) and `dataset` (`synthetic-speech`): `dataset` gives `speaker: int[B]`, \
         `loss.reconstruction` expects `target: f32[B, T, F]`\n\
         hint: wire it to another tensor with `loss.reconstruction.inputs.target = \"NAME\"`\n",
    );
}

#[test]
fn a_loss_wired_to_nothing_is_told_what_there_is() {
    refused(
        &Place::new(),
        &["loss.reconstruction.inputs.target=feature"],
        "error: variant `attentive`: input `target` of `loss.reconstruction` (`masked-mse`) is \
         wired to `feature`, which is not given: `model` gives `reconstruction: f32[B, T, F]`, \
         `codes: int[B, W, L]`, `code_mask: bool[B, W]`, `commitment: f32[1]`, `codebooks: \
         f32[L, K, 16]`; `dataset` gives `features: f32[B, T, F]`, `mask: bool[B, T]`, `seconds: \
         f32[B]`, `speaker: int[B]`, `word: int[B]`\n\
         hint: did you mean `features`?\n",
    );
}

#[test]
fn missing_data_root() {
    let place = Place::new();
    place.edit("use = \"synthetic-speech\"", "use = \"audio-folder\"");
    for line in [
        "speakers = 2\n",
        "words = 3\n",
        "items_train = 12\n",
        "items_valid = 4\n",
        "items_test = 4\n",
        "min_seconds = 0.3\n",
        "max_seconds = 0.5\n",
    ] {
        place.edit(line, "");
    }
    let layout = "a folder with wav, flac, mp3, ogg or opus files at any depth; the folder of a \
                  file is its speaker";
    let advice = "set it with `dataset.root=/path/to/corpus` on the command line or `root` under \
                  `[dataset]` in the experiment; it is";
    let failed = "error: variant `attentive`: `dataset` (`audio-folder`) failed to start:";
    let expected = format!("{failed} `root` is not set; {advice} {layout}\n");
    refused(&place, &[], &expected);
    let expected =
        format!("{failed} `root`: there is no folder `[PLACE]/nowhere`; {advice} {layout}\n");
    refused(&place, &["dataset.root=nowhere"], &expected);
    place.write("empty/notes.txt", "no audio");
    let expected = format!(
        "{failed} there is no audio (wav, flac, mp3, ogg, opus, oga) in `[PLACE]/empty`; `root` \
         should be {layout}\n"
    );
    refused(&place, &["dataset.root=empty"], &expected);
}

#[test]
fn no_experiment_no_toml_and_no_override() {
    let place = Place::new();
    refused_command(
        &place,
        place.command(&["sweep", "polling"]),
        "error: `polling`: no such experiment\n\
         hint: did you mean `pooling`?\n\
         hint: an experiment is a folder with an `experiment.toml`, or a TOML file\n",
    );
    place.write("broken/experiment.toml", "[dataset\nuse = 1\n");
    refused_command(
        &place,
        place.command(&["sweep", "broken"]),
        "error: broken/experiment.toml:1:9: unclosed table, expected `]`: `[dataset`\n",
    );
    refused(
        &place,
        &["train.batch_size"],
        "error: command line `train.batch_size`: expected `key=value`\n\
         hint: overrides look like `train.batch_size=8`\n",
    );
}

#[test]
fn unknown_variant_run_and_component() {
    let place = Place::new();
    refused_command(
        &place,
        place.command(&["run", "pooling", "--variant", "meen"]),
        "error: the experiment has no variant `meen`\n\
         hint: did you mean `mean`?\n\
         hint: it has `attentive`, `mean`\n",
    );
    refused_command(
        &place,
        place.command(&["show", "0123"]),
        "error: no run `0123`\n\
         hint: there are no runs yet: start one with `ablate run EXPERIMENT`\n",
    );
    refused_command(
        &place,
        place.command(&["plugins", "info", "atentive-mean", "--folder", "plugins"]),
        "error: no plugin and no component is called `atentive-mean`\n\
         hint: did you mean `attentive-mean`?\n\
         hint: `ablate plugins list` shows what there is\n",
    );
}

#[test]
fn a_plugin_that_is_truncated_or_no_library_is_named_where_it_matters() {
    let place = Place::with_plugins(&["losses", "metrics", "pooling", "speech"]);
    let whole = fs_err::read(library("rqvae")).unwrap();
    place.write("plugins/libablate_rqvae.so", &whole[..1_000_000]);
    place.write("plugins/libablate_notes.so", "this is no library\n");
    place.write("plugins/README.md", "not a library by its name, so nobody asks\n");
    let listed = place.ablate(&["plugins", "list", "--folder", "plugins"]).expect(0);
    let truncated = sizes(&listed.stderr, "it is truncated: 1000000 bytes, its headers speak of ");
    let expected = format!(
        "warning: `[PLACE]/plugins/libablate_notes.so` is left out: it is not a plugin: unknown \
         file magic\n\
         warning: `[PLACE]/plugins/libablate_rqvae.so` is left out: {truncated}\n\
         hint: copy or build the file again\n\
         next: ablate plugins info NAME\n"
    );
    listed.says(&expected);
    for plugin in ["losses", "metrics", "pooling", "speech"] {
        assert!(listed.stdout.contains(&format!("{plugin} 0.1.0  v1")), "{}", listed.stdout);
    }
    let expected = format!(
        "error: pooling/experiment.toml:18: `model`: unknown model `rqvae`\n\
         hint: no models are known; searched `[PLACE]/plugins` (4 plugins), `[PLACE]/home/store` \
         (0 plugins), `[PLACE]/plugins/libablate_notes.so` (left out: it is not a plugin: unknown \
         file magic), `[PLACE]/plugins/libablate_rqvae.so` (left out: {truncated})\n"
    );
    refused(&place, &[], &expected);
    // The broken files stay, and stop nobody who does not need them.
    place.write("plugins/libablate_whole.so", whole);
    place.ablate(&["sweep", "pooling", "--dry-run"]).expect(0);
}

/// The part of `text` that begins with `start` and ends with a number.
fn sizes(text: &str, start: &str) -> String {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no `{start}` in {text}"));
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    format!("{start}{number}")
}

#[test]
fn a_plugin_folder_that_is_not_there() {
    refused_edit(
        "\"../plugins\"",
        "\"../plugin\"",
        "error: cannot search the plugin folder `[PLACE]/plugin`: failed to query resolved \
         metadata `[PLACE]/plugin`: No such file or directory (os error 2)\n\
         hint: create the folder, or take it out of the list of plugin folders\n",
    );
}
