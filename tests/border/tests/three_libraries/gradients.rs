//! Gradients of every number of every part, against plain arithmetic, differences, and one Burn.

use crate::mathematics::{self, Arrays, WIDTH};
use crate::parts::{HERE, Parts, THERE, inputs, libraries, worst};
use ablate_abi::v1::Kind;
use ablate_border::{Made, alone, parameters};

#[test]
fn the_gradients_of_all_parts_are_those_of_the_mathematics() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let parts = libraries.parts(THERE);
    let all = parts.parameters().into_iter().chain(inputs(0)).collect::<Arrays>();
    let paths: Vec<&str> = all.keys().map(String::as_str).collect();
    let expected = [
        "features",
        "gain.gain",
        "model.head.bias",
        "model.head.weight",
        "model.scale",
        "pooling.attention.hidden.bias",
        "pooling.attention.hidden.weight",
        "pooling.attention.score.bias",
        "pooling.attention.score.weight",
        "target",
    ];
    assert_eq!(paths, expected);
    let (loss, found) = parts.gradients(0, &inputs(0));
    assert!((loss - mathematics::loss(&all)).abs() < 1e-6, "{loss} {}", mathematics::loss(&all));
    let wanted = mathematics::gradients(&all);
    let (off, place) = worst(&found, &wanted);
    assert!(off < 2e-6, "{place}");
    // None of them is zero all over, but that of the one that a softmax does not see.
    for (name, values) in &wanted {
        let largest = values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        assert_eq!(largest > 1e-3, name != "pooling.attention.score.bias", "{name}: {largest}");
    }
    let norm_sq: f64 = parts.all().map(|(_, part)| part.grad_norm_sq().unwrap()).iter().sum();
    let of_parameters = found.iter().filter(|(name, _)| name.contains('.'));
    let expected: f64 = of_parameters.flat_map(|(_, values)| values).map(|v| v * v).sum();
    assert!((norm_sq - expected).abs() < 1e-9, "{norm_sq} {expected}");
    eprintln!("gradients are off by at most {off:.1e}");
}

#[test]
fn finite_differences_through_three_libraries_agree() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let parts = libraries.parts(THERE);
    let (_, found) = parts.gradients(0, &inputs(0));
    let h = 1.0 / 128.0f32;
    let slope = |ends: [f64; 2]| (ends[1] - ends[0]) / (2.0 * f64::from(h));
    let mut differences = Arrays::new();
    for (place, values) in &found {
        let one = |index: usize| {
            if place.contains('.') {
                parts.add(place, index, -h);
                let below = parts.loss(&inputs(0));
                parts.add(place, index, 2.0 * h);
                let above = parts.loss(&inputs(0));
                parts.add(place, index, -h);
                return slope([below, above]);
            }
            slope([-h, h].map(|by| {
                let mut moved = inputs(0);
                moved.get_mut(place).expect("an input")[index] += f64::from(by);
                parts.loss(&moved)
            }))
        };
        differences.insert(place.clone(), (0..values.len()).map(one).collect());
    }
    let (off, place) = worst(&found, &differences);
    assert!(off < 5e-4, "{place}");
}

#[test]
fn the_version_of_burn_makes_no_difference() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("pooling.safetensors");
    let file = file.to_str().expect("UTF-8");
    for (optimizer, rate) in [
        (r#"{"use":"adamw"}"#, 0.01),
        (r#"{"use":"adam","betas":[0.8,0.99],"epsilon":1e-6,"weight_decay":0.1}"#, 0.01),
        (r#"{"use":"sgd"}"#, 0.05),
        (r#"{"use":"sgd","momentum":0.9,"nesterov":true,"weight_decay":0.01}"#, 0.02),
    ] {
        let (here, there) = (libraries.parts(HERE), libraries.parts(THERE));
        let (off, _) = worst(&here.parameters(), &there.parameters());
        assert!(off > 1e-3, "they draw from streams of their own");
        // Weights go from one Burn to the other by name.
        here.pooling.save(file.into(), "safetensors".into()).into_result().expect("written");
        there.pooling.load(file.into(), "safetensors".into()).into_result().expect("read");
        assert_eq!(here.parameters(), there.parameters());
        let ((_, one), (_, other)) =
            (here.gradients(0, &inputs(0)), there.gradients(0, &inputs(0)));
        let (off, place) = worst(&one, &other);
        assert!(off < 1e-6, "{place}");
        for parts in [&here, &there] {
            parts.set_optimizer(optimizer);
            for (_, part) in parts.all() {
                part.zero_grad().into_result().expect("it works");
            }
        }
        let losses = [&here, &there].map(|parts| parts.train(0..50, rate));
        let [one, other] = [&here, &there].map(|parts| {
            let mut all = parts.parameters();
            // A softmax does not see it: its gradient is rounding, which Adam makes large.
            all.remove("pooling.attention.score.bias").expect("a parameter");
            all
        });
        let (off, place) = worst(&one, &other);
        assert!(off < 1e-4, "{optimizer}: {place}");
        for losses in losses {
            let [first, last] = [&losses[..5], &losses[45..]].map(|five| five.iter().sum::<f64>());
            assert!(last < 0.8 * first, "{optimizer}: from {first} to {last}");
        }
        // And back.
        there.pooling.save(file.into(), "safetensors".into()).into_result().expect("written");
        here.pooling.load(file.into(), "safetensors".into()).into_result().expect("read");
        let [one, other] = [&here, &there].map(|parts| parameters(&[&parts.pooling]).unwrap());
        assert_eq!(one, other);
    }
}

#[test]
fn a_pooling_of_windows_calls_a_block_on_another_burn() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("inner.safetensors");
    let file = file.to_str().expect("UTF-8");
    let traces = [HERE, THERE].map(|name| {
        let inner = libraries.pooling(name, "model.pooling.inner");
        if name == HERE {
            inner.save(file.into(), "safetensors".into()).into_result().expect("written");
        } else {
            inner.load(file.into(), "safetensors".into()).into_result().expect("read");
        }
        let (library, config) = (&*libraries.side.pooling, r#"{"window":6,"stride":3}"#);
        let (kind, name, path) = (Kind::BLOCK, "sliding-window", "model.pooling");
        let made = Made { library, kind, name, config, path };
        let outer = made.sized(&[("D", WIDTH as u64)], &[("inner", &inner, false)]);
        let outer = outer.expect("the block can be made");
        let batch = ablate_border::Batch { items: 3, frames: 20, size: WIDTH };
        let trace = ablate_border::step(&outer, &[&inner], &batch, 0).expect("a step works");
        assert_eq!([outer.live_contexts(), inner.live_contexts()], [0, 0]);
        let floats = |bytes: &[u8]| -> Vec<f64> {
            let (numbers, _) = bytes.as_chunks::<4>();
            numbers.iter().map(|number| f64::from(f32::from_le_bytes(*number))).collect()
        };
        let gradients = trace.gradients.iter().map(|(name, bytes)| (name.clone(), floats(bytes)));
        let own = [
            ("pooled".to_owned(), floats(&trace.outputs[0].2)),
            ("features".to_owned(), floats(&trace.input_gradient.expect("a gradient"))),
        ];
        gradients.chain(own).collect::<Arrays>()
    });
    assert_eq!(traces[0].len(), 6);
    let (off, place) = worst(&traces[0], &traces[1]);
    assert!(off < 2e-6, "{place}");
}

#[test]
fn frozen_parameters_on_another_burn_stay_and_gradients_still_pass_through() {
    let _turn = alone();
    let Some(libraries) = libraries() else { return };
    let parts = libraries.parts(THERE);
    let before = parts.parameters();
    parts.pooling.set_trainable("default".into(), false).into_result().expect("a known group");
    let (_, found) = parts.gradients(0, &inputs(0));
    assert!(!found.keys().any(|name| name.starts_with("pooling.")), "{found:?}");
    let all = before.clone().into_iter().chain(inputs(0)).collect::<Arrays>();
    let mut wanted = mathematics::gradients(&all);
    wanted.retain(|name, _| !name.starts_with("pooling."));
    let (off, place) = worst(&found, &wanted);
    assert!(off < 2e-6, "{place}");
    parts.step(0.1);
    let moved = |parts: &Parts| -> Vec<String> {
        let after = parts.parameters();
        before.keys().filter(|name| before[*name] != after[*name]).cloned().collect()
    };
    assert_eq!(moved(&parts), ["gain.gain", "model.head.bias", "model.head.weight", "model.scale"]);
    parts.pooling.set_trainable("".into(), true).into_result().expect("all groups");
    parts.train(1..2, 0.1);
    assert!(moved(&parts).contains(&"pooling.attention.hidden.weight".to_owned()));
    let error = parts.pooling.set_trainable("head".into(), false).into_result();
    let expected = "no parameter group `head`; there is `default`";
    assert_eq!(error.expect_err("unknown").message, expected);
}
