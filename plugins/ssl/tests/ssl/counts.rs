//! Parameter counts of the published sizes.

use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::Device;
use ablate_ssl::{Family, Size, SpeechEncoder, SpeechEncoderConfig};

/// Nothing is drawn: a parameter knows its shape before it has values.
fn count(family: Family, size: Size, layer: Option<usize>, weighted_sum: bool) -> usize {
    let config = SpeechEncoderConfig {
        size,
        random: true,
        layer,
        weighted_sum,
        ..SpeechEncoderConfig::default()
    };
    let encoder = SpeechEncoder::new(family, &config, &Device::flex().autodiff());
    encoder.expect("a published size").num_params()
}

/// The counts of `transformers`' classes.
#[test]
fn published_sizes_have_the_published_numbers_of_parameters() {
    for (family, size, wanted) in [
        (Family::Hubert, Size::Base, 94_371_712),
        (Family::Hubert, Size::Large, 315_438_720),
        (Family::Wavlm, Size::Base, 94_381_936),
        (Family::Wavlm, Size::BasePlus, 94_381_936),
        (Family::Wavlm, Size::Large, 315_453_120),
    ] {
        assert_eq!(count(family, size, None, false), wanted, "{family:?} {size:?}");
    }
}

#[test]
fn layers_above_the_chosen_one_are_not_there() {
    // A layer of width 768: four projections, two linear layers of 3072, two normalizations.
    let layer = 4 * (768 * 768 + 768) + 768 * 3072 + 3072 + 3072 * 768 + 768 + 4 * 768;
    let whole = count(Family::Hubert, Size::Base, None, false);
    assert_eq!(count(Family::Hubert, Size::Base, Some(9), false), whole - 3 * layer);
    assert_eq!(count(Family::Hubert, Size::Base, Some(9), true), whole - 3 * layer + 10);
    // Large models normalize the last output alone.
    let layer = 4 * (1024 * 1024 + 1024) + 1024 * 4096 + 4096 + 4096 * 1024 + 1024 + 4 * 1024;
    let whole = count(Family::Hubert, Size::Large, None, false);
    assert_eq!(count(Family::Hubert, Size::Large, Some(23), false), whole - layer - 2 * 1024);
}
