//! What a user may do wrong with weights, and what is said about it.

use crate::support::*;
use ablate_sdk::Block;
use ablate_sdk::burn::tensor::Device;
use ablate_ssl::{Family, Hubert, Size, SpeechEncoder, SpeechEncoderConfig, Wavlm};
use std::path::Path;

fn refusal(family: Family, config: &SpeechEncoderConfig) -> String {
    let error = SpeechEncoder::new(family, config, &Device::flex()).expect_err("must fail");
    let causes: Vec<String> = error.causes.iter().map(ToString::to_string).collect();
    [vec![error.message.to_string()], causes].concat().join(" <- ")
}

#[test]
fn says_which_file_is_needed_and_where_from() {
    let config = |size| SpeechEncoderConfig { size, ..SpeechEncoderConfig::default() };
    assert_eq!(
        refusal(Family::Wavlm, &config(Size::Large)),
        "`wavlm` of size `large` needs its published weights: download `model.safetensors` (or \
         `pytorch_model.bin`, where there is no other) from the model card \
         https://huggingface.co/microsoft/wavlm-large into a folder of yours, say \
         `weights/wavlm-large`, and write `weights = \"weights/wavlm-large/model.safetensors\"`; \
         `random = true` is for weights that no training has seen"
    );
    for (family, size, card) in [
        (Family::Hubert, Size::Base, "facebook/hubert-base-ls960"),
        (Family::Hubert, Size::Large, "facebook/hubert-large-ll60k"),
        (Family::Wavlm, Size::Base, "microsoft/wavlm-base "),
        (Family::Wavlm, Size::BasePlus, "microsoft/wavlm-base-plus"),
    ] {
        let text = refusal(family, &config(size));
        assert!(text.contains(card), "{text}");
    }
    let missing = SpeechEncoderConfig {
        weights: Some("weights/wavlm-large/model.safetensors".into()),
        ..config(Size::Large)
    };
    let text = Wavlm::contract(&missing).expect_err("must fail").to_string();
    let start = "no file `weights/wavlm-large/model.safetensors`; `wavlm` of size `large` needs";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_folder_is_answered_with_the_file_in_it() {
    let folder = WAVLM_BASE.path("");
    let config = SpeechEncoderConfig { weights: Some(folder.clone()), ..WAVLM_BASE.config() };
    let (shown, file) = (folder.display(), folder.join("pytorch_model.bin"));
    assert_eq!(
        refusal(Family::Wavlm, &config),
        format!(
            "`weights` is the folder `{shown}`: name the file, `weights = \"{}\"`",
            file.display()
        )
    );
}

#[test]
fn weights_of_another_size_are_refused_by_tensor_and_shape() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    std::fs::copy(HUBERT_BASE.path("model.safetensors"), &path).expect("copied");
    let config = SpeechEncoderConfig { weights: Some(path.clone()), ..Default::default() };
    let shown = path.display();
    let text = refusal(Family::Hubert, &config);
    assert!(text.contains(&format!("`{shown}`: tensor `feature_projection.layer_norm.weight` has shape [16], expected [512]")), "{text}");
    assert!(text.contains("the weights do not fit `hubert` of size `base`"), "{text}");
    // HuBERT has no gates.
    let config = SpeechEncoderConfig {
        architecture: Some(WAVLM_BASE.path("config.json")),
        ..SpeechEncoderConfig { weights: Some(path.clone()), ..WAVLM_BASE.config() }
    };
    let text = refusal(Family::Wavlm, &config);
    assert!(
        text.contains("has no tensor `encoder.layers.0.attention.rel_attn_embed.weight`"),
        "{text}"
    );
}

#[test]
fn the_config_beside_the_weights_must_agree() {
    let weights = Some(HUBERT_BASE.path("model.safetensors"));
    let config = SpeechEncoderConfig { weights, ..SpeechEncoderConfig::default() };
    let text = refusal(Family::Hubert, &config);
    assert!(text.starts_with("`size = \"base\"` is not that of the weights"), "{text}");
    assert!(text.contains("says otherwise about hidden_size"), "{text}");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = |name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(HUBERT_BASE.path(name), &to).expect("copied");
        to
    };
    let (weights, architecture) = (Some(copy("model.safetensors")), Some(copy("config.json")));
    let preprocessor = folder.path().join("preprocessor_config.json");
    std::fs::write(&preprocessor, r#"{"do_normalize": true}"#).expect("written");
    let config = SpeechEncoderConfig { weights, architecture, ..HUBERT_BASE.config() };
    assert_eq!(
        refusal(Family::Hubert, &config),
        format!(
            "whether to normalize is not clear: `{}` says `do_normalize` true, the models of size \
             `custom` were trained with false: write `normalize = true` or `normalize = false`",
            preprocessor.display()
        )
    );
    let said = SpeechEncoderConfig { normalize: Some(true), ..config };
    SpeechEncoder::new(Family::Hubert, &said, &Device::flex()).expect("said");
}

#[test]
fn files_that_are_cut_short_or_something_else_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check = |name: &str, bytes: &[u8], tiny: &Tiny, wanted: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        let config = SpeechEncoderConfig { weights: Some(path), ..tiny.config() };
        let text = refusal(tiny.family, &config);
        assert!(text.contains(wanted), "{name}: {text}");
    };
    let read = |path: &Path| std::fs::read(path).expect("stored");
    let whole = read(&HUBERT_BASE.path("model.safetensors"));
    let cut = "is cut short or not in the format that its name says: download it again";
    check("cut.safetensors", &whole[..whole.len() / 2], &HUBERT_BASE, cut);
    check("empty.safetensors", b"", &HUBERT_BASE, cut);
    check("page.safetensors", b"<html>not found</html>", &HUBERT_BASE, cut);
    let pickle = read(&WAVLM_BASE.path("pytorch_model.bin"));
    check("cut.bin", &pickle[..pickle.len() / 2], &WAVLM_BASE, cut);
    check("page.bin", b"<html>not found</html>", &WAVLM_BASE, cut);
    check("model.onnx", &whole, &HUBERT_BASE, "so its format is not known");
    let other = read(&HUBERT_BASE.path("reference.safetensors"));
    let landmark = "no tensor `feature_projection.projection.weight`";
    check("other.safetensors", &other, &HUBERT_BASE, landmark);
}

#[test]
fn layers_that_are_not_there_are_refused_before_anything_is_read() {
    let config = SpeechEncoderConfig { layer: Some(13), ..SpeechEncoderConfig::default() };
    let error = Hubert::contract(&config).expect_err("must fail").to_string();
    assert_eq!(
        error,
        "`layer` is 13, there are 0 to 12: 0 is what enters the first of the 12 layers"
    );
}

#[test]
fn the_width_of_the_features_is_that_of_the_size() {
    let width = |config: &SpeechEncoderConfig| {
        let contract = Wavlm::contract(config).expect("valid").to_json().expect("well written");
        contract["outputs"][0]["shape"][2].clone()
    };
    assert_eq!(width(&SpeechEncoderConfig::default()), 768);
    assert_eq!(width(&SpeechEncoderConfig { size: Size::Large, ..Default::default() }), 1024);
    assert_eq!(width(&WAVLM_BASE.config()), 32);
}
