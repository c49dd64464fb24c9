//! The block `log-mel`: what Kaldi's filter bank gives, item by item, whatever the padding holds.

use ablate_audio::{Fbank, FbankConfig};
use ablate_sdk::burn::tensor::{Bool, Tensor, TensorData};
use ablate_sdk::{Block, Error, ErrorKind, Tensors, testing};
use ablate_speech::{LogMel, LogMelConfig};

fn block(config: &LogMelConfig) -> LogMel {
    LogMel::new(config, &mut testing::build("block", 0, &[], vec![]).unwrap()).unwrap()
}

/// Features, their mask and their shape.
type Made = (Vec<f32>, Vec<bool>, [usize; 3]);

fn run(block: &LogMel, audio: Vec<f32>, mask: Vec<bool>, rows: usize) -> Result<Made, Error> {
    let call = testing::evaluation_call();
    let shape = [rows, audio.len() / rows];
    let audio = Tensor::<2>::from_data(TensorData::new(audio, shape), call.device());
    let mask = Tensor::<2, Bool>::from_data(TensorData::new(mask, shape), call.device());
    let inputs = Tensors::new().with("audio", audio).with("mask", mask);
    let output = block.forward(inputs, &call)?.tensors;
    let features = output.float::<3>("features")?;
    let shape = features.dims();
    let mask = output.bool::<2>("mask")?.into_data().try_to_vec::<bool>().unwrap();
    Ok((features.into_data().try_to_vec::<f32>().unwrap(), mask, shape))
}

fn noise(count: usize) -> Vec<f32> {
    let mut state = 7_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| draw()).collect()
}

#[test]
fn equals_the_filter_bank_to_the_bit_in_a_padded_batch() {
    let (long, short) = (noise(3000), noise(1000));
    let mut audio = long.clone();
    audio.extend(&short);
    audio.resize(6000, f32::NAN);
    let mask = (0..6000).map(|at| at < 4000).collect();
    let (features, mask, shape) = run(&block(&LogMelConfig::default()), audio, mask, 2).unwrap();
    let fbank = Fbank::new(FbankConfig::default()).unwrap();
    let (long, short) = (fbank.compute(&long).unwrap(), fbank.compute(&short).unwrap());
    // (3000 - 400) / 160 + 1 and (1000 - 400) / 160 + 1.
    assert_eq!((long.frames, short.frames, shape), (17, 4, [2, 17, 80]));
    assert_eq!(features[..17 * 80], long.data);
    assert_eq!(features[17 * 80..21 * 80], short.data);
    assert!(features[21 * 80..].iter().all(|&value| value == 0.0));
    assert_eq!(mask, (0..34).map(|at| at < 21).collect::<Vec<_>>());
}

#[test]
fn an_item_shorter_than_a_frame_has_no_frame_and_a_batch_of_such_is_refused() {
    let block = block(&LogMelConfig::default());
    let mask = (0..1600).map(|at| at < 800 + 399).collect();
    let (features, mask, shape) = run(&block, noise(1600), mask, 2).unwrap();
    assert_eq!(shape, [2, 3, 80]);
    assert!(features[240..].iter().all(|&value| value == 0.0));
    assert_eq!(mask, [true, true, true, false, false, false]);
    let error = run(&block, noise(798), vec![true; 798], 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::DATA);
    assert!(error.to_string().ends_with("at least 400 samples are needed"), "{error}");
}

#[test]
fn a_mask_with_a_gap_is_refused() {
    let mask = (0..800).map(|at| at != 100).collect();
    let error = run(&block(&LogMelConfig::default()), noise(800), mask, 1).unwrap_err();
    assert!(error.to_string().starts_with("`mask` has a gap"), "{error}");
}

#[test]
fn the_frame_rate_follows_its_configuration() {
    let config = LogMelConfig { mel_bins: 20, frame_shift_ms: 20.0, frame_length_ms: 50.0 };
    let (_, _, shape) = run(&block(&config), noise(16000), vec![true; 16000], 1).unwrap();
    // (16000 - 800) / 320 + 1.
    assert_eq!(shape, [1, 48, 20]);
    for (config, key) in [
        (LogMelConfig { mel_bins: 0, ..config.clone() }, "`mel_bins`"),
        (LogMelConfig { frame_shift_ms: 0.0, ..config.clone() }, "`frame_shift_ms`"),
        (LogMelConfig { frame_length_ms: f32::NAN, ..config }, "`frame_length_ms`"),
    ] {
        let error = LogMel::contract(&config).unwrap_err();
        assert_eq!(error.kind, ErrorKind::CONFIG);
        assert!(error.to_string().contains(key), "{error}");
    }
}
