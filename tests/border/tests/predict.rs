//! What revision v1 carries beside training: a method of a model's own with options and several
//! results per item, a loss with parameters, and a metric over a whole dataset.

use ablate_abi::v1::{
    Call, Create, ErrorKind, ForwardOutput, GroupRate, Kind, NamedTensor, OwnedMetric, PluginError,
    RSome, RVec, SharedDifferentiable, Tensor,
};
use ablate_border::{Made, alone, library, numbers, parameters, training};
use ablate_loader::{Library, Loader, NoServices};
use serde_json::Value;
use std::sync::Arc;

const ITEMS: usize = 5;
const FRAMES: usize = 3;
const SIZE: usize = 3;
const TOKENS: usize = 4;

fn fixture() -> Arc<Library> {
    Loader::new(NoServices, 1).open(&library("fixture"), None).expect("a library that opens")
}

fn made(library: &Library, kind: Kind, name: &str) -> SharedDifferentiable {
    let made = Made { library, kind, name, config: "{}", path: "model" };
    made.sized(&[("D", SIZE as u64)], &[]).expect("it can be made")
}

fn named(name: &str, values: Vec<f32>, shape: &[usize]) -> NamedTensor {
    NamedTensor::new(name, Tensor::from_vec(values, shape))
}

fn features() -> NamedTensor {
    named("features", numbers(ITEMS * FRAMES * SIZE, 7), &[ITEMS, FRAMES, SIZE])
}

/// A tagger after some steps.
fn tagger(library: &Library) -> SharedDifferentiable {
    let model = made(library, Kind::MODEL, "beam-tagger");
    for step in 0..5 {
        let tokens: Vec<i64> = (0..ITEMS * FRAMES).map(|i| (i * 7 % TOKENS) as i64).collect();
        let tokens = NamedTensor::new("tokens", Tensor::from_vec(tokens, &[ITEMS, FRAMES]));
        let inputs = RVec::from(vec![features(), tokens]);
        let output = model.forward(training(step), inputs).into_result().expect("a step works");
        let shape = output.outputs[0].tensor.shape();
        let gradient = numbers(shape.iter().product(), 40 + step);
        let gradients = output.outputs.iter().map(|named| match named.name.as_str() {
            "logits" => RSome(Tensor::from_vec(gradient.clone(), &shape)),
            _ => ablate_abi::v1::RNone,
        });
        let mut context = output.context.into_option().expect("a context was asked for");
        context.backward(gradients.collect()).into_result().expect("a gradient of that shape");
        advance(&model, 0.3);
    }
    model
}

fn advance(part: &SharedDifferentiable, rate: f64) {
    part.set_optimizer(r#"{"use":"sgd"}"#.into()).into_result().expect("a known optimizer");
    let rate = GroupRate { group: "default".into(), rate };
    part.step(1.0, RVec::from(vec![rate])).into_result().expect("a step works");
}

fn predict(model: &SharedDifferentiable, options: &str) -> Result<ForwardOutput, PluginError> {
    let call = Call { options: options.into(), ..Call::new("predict", 0) };
    model.forward(call, RVec::from(vec![features()])).into_result()
}

fn find<'a>(named: &'a [NamedTensor], name: &str) -> &'a Tensor {
    &named.iter().find(|named| named.name == name).expect("it is there").tensor
}

/// Every sequence of an item with the logarithm of its probability, best first.
fn all_sequences(model: &SharedDifferentiable, item: usize) -> Vec<(Vec<i64>, f64)> {
    let values = model.call("parameters".into(), "null".into(), RVec::new()).into_result();
    let values = values.expect("parameters can be read").tensors;
    let read = |name: &str| find(&values, name).to_vec::<f32>().expect("floats");
    let (weight, bias) = (read("emission.weight"), read("emission.bias"));
    let transition = read("transition");
    let features = numbers(ITEMS * FRAMES * SIZE, 7);
    let mut all = Vec::new();
    for code in 0..TOKENS.pow(FRAMES as u32) {
        let tokens: Vec<usize> =
            (0..FRAMES).map(|frame| code / TOKENS.pow(frame as u32) % TOKENS).collect();
        let (mut score, mut last) = (0.0, TOKENS);
        for (frame, token) in tokens.iter().enumerate() {
            let at = (item * FRAMES + frame) * SIZE;
            let logit = |token: usize| {
                let products = (0..SIZE).map(|d| features[at + d] * weight[d * TOKENS + token]);
                f64::from(products.sum::<f32>() + bias[token])
                    + f64::from(transition[last * TOKENS + token])
            };
            let sum = (0..TOKENS).map(|token| logit(token).exp()).sum::<f64>().ln();
            score += logit(*token) - sum;
            last = *token;
        }
        all.push((tokens.into_iter().map(|token| token as i64).collect(), score));
    }
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

#[test]
fn a_search_gives_the_best_sequences_with_their_scores() {
    let _turn = alone();
    let fixture = fixture();
    let model = tagger(&fixture);
    // Wide enough to lose nothing.
    let output = predict(&model, r#"{"beam":64}"#).expect("the model predicts");
    assert!(output.context.is_none());
    let (tokens, scores) = (find(&output.outputs, "tokens"), find(&output.outputs, "scores"));
    assert_eq!(tokens.shape(), [ITEMS, 64, FRAMES]);
    assert_eq!(scores.shape(), [ITEMS, 64]);
    let (tokens, scores) =
        (tokens.to_integers().expect("tokens"), scores.to_vec::<f32>().expect("scores"));
    assert_eq!(output.records.len(), ITEMS);
    for item in 0..ITEMS {
        let record: Value = serde_json::from_str(&output.records[item]).expect("JSON");
        let hypotheses = record["hypotheses"].as_array().expect("a list");
        assert_eq!(hypotheses.len(), 64);
        for (rank, (expected, score)) in all_sequences(&model, item).iter().enumerate() {
            let at = item * 64 + rank;
            assert_eq!(tokens[at * FRAMES..(at + 1) * FRAMES], expected[..], "{item} {rank}");
            assert!((f64::from(scores[at]) - score).abs() < 1e-5, "{item} {rank}");
            assert_eq!(hypotheses[rank]["tokens"], serde_json::json!(expected));
        }
    }
    // Two of each by default, best first, with the scores that these sequences have.
    let output = predict(&model, "").expect("the model predicts");
    assert_eq!(find(&output.outputs, "tokens").shape(), [ITEMS, 2, FRAMES]);
    for (item, record) in output.records.iter().enumerate() {
        let record: Value = serde_json::from_str(record).expect("JSON");
        let [first, second] = [0, 1].map(|rank| &record["hypotheses"][rank]);
        assert!(first["score"].as_f64() >= second["score"].as_f64());
        let all = all_sequences(&model, item);
        for found in [first, second] {
            let tokens: Vec<i64> =
                serde_json::from_value(found["tokens"].clone()).expect("a list of tokens");
            let known = all.iter().find(|(known, _)| *known == tokens).expect("a sequence");
            assert!((found["score"].as_f64().expect("a number") - known.1).abs() < 1e-5);
        }
    }
}

#[test]
fn methods_and_options_that_a_component_does_not_know_are_refused() {
    let _turn = alone();
    let fixture = fixture();
    let model = made(&fixture, Kind::MODEL, "beam-tagger");
    let error = predict(&model, r#"{"bean":3}"#).err().expect("no such option");
    assert_eq!(error.kind, ErrorKind::CONFIG);
    assert!(error.message.contains("unknown field `bean`, expected `beam`"), "{error}");
    let call = Call::new("sample", 0);
    let error = model.forward(call, RVec::from(vec![features()])).into_result();
    let error = error.err().expect("no such method");
    assert_eq!(error.kind, ErrorKind::UNSUPPORTED);
    let expected = "`model` has no method `sample`; there is `train`, `eval`, `predict`";
    assert_eq!(error.message, expected);
    let tokens = Tensor::from_vec(vec![0i64; ITEMS * FRAMES], &[ITEMS, FRAMES]);
    let inputs = RVec::from(vec![features(), NamedTensor::new("tokens", tokens)]);
    let call = Call { options: r#"{"beam":3}"#.into(), ..Call::new("eval", 0) };
    let error = model.forward(call, inputs).into_result().err().expect("no options");
    assert_eq!(error.kind, ErrorKind::CONFIG);
    assert_eq!(error.message, r#"`eval` takes no options, it was given `{"beam":3}`"#);
}

/// Inputs of the loss, by the errors that they have.
fn pairs() -> RVec<NamedTensor> {
    let inputs = [("prediction", 1), ("target", 2), ("second_prediction", 3), ("second", 4)];
    let tensors = inputs.map(|(name, seed)| named(name, numbers(6, seed), &[6, 1]));
    tensors.into_iter().collect()
}

fn read(part: &SharedDifferentiable, what: &str) -> Vec<f32> {
    let values = part.call(what.into(), "null".into(), RVec::new()).into_result();
    values.expect("it can be read").tensors[0].tensor.to_vec().expect("floats")
}

fn loss_step(loss: &SharedDifferentiable, step: u64) -> (f32, Vec<f32>) {
    let output = loss.forward(training(step), pairs()).into_result().expect("the loss works");
    let value = find(&output.outputs, "loss").to_vec::<f32>().expect("a float")[0];
    assert_eq!(output.averaged_over, 6);
    let mut context = output.context.into_option().expect("a context was asked for");
    let seed = RSome(Tensor::from_vec(vec![1.0f32], &[1]));
    context.backward(RVec::from(vec![seed])).into_result().expect("a gradient");
    let gradients = read(loss, "gradients");
    advance(loss, 0.5);
    (value, gradients)
}

#[test]
fn the_parameters_of_a_loss_are_learned_saved_and_read() {
    let _turn = alone();
    let fixture = fixture();
    let loss = made(&fixture, Kind::LOSS, "uncertainty");
    let listed = loss.parameters().into_result().expect("parameters can be listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].path.as_str(), listed[0].group.as_str()),
        ("log_variance", "uncertainty")
    );
    assert!(listed[0].trainable && !listed[0].statistic);
    let error = |one: u64, other: u64| {
        let (one, other) = (numbers(6, one), numbers(6, other));
        let squares = one.iter().zip(&other).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>() / 6.0
    };
    let errors = [error(1, 2), error(3, 4)];
    let mut log_variance = [0.0f64; 2];
    for step in 0..4 {
        let (value, gradients) = loss_step(&loss, step);
        let terms = [0, 1].map(|k| 0.5 * ((-log_variance[k]).exp() * errors[k] + log_variance[k]));
        assert!((f64::from(value) - terms.iter().sum::<f64>()).abs() < 1e-5, "value in {step}");
        for k in 0..2 {
            let slope = 0.5 - 0.5 * (-log_variance[k]).exp() * errors[k];
            assert!((f64::from(gradients[k]) - slope).abs() < 1e-5, "slope {k} in {step}");
            log_variance[k] -= 0.5 * slope;
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_str().expect("UTF-8");
    loss.save(path.into(), "resume".into()).into_result().expect("it can be written");
    let other = made(&fixture, Kind::LOSS, "uncertainty");
    assert_ne!(parameters(&[&loss]).expect("read"), parameters(&[&other]).expect("read"));
    other.load(path.into(), "resume".into()).into_result().expect("it can be read");
    assert_eq!(parameters(&[&loss]).expect("read"), parameters(&[&other]).expect("read"));
    assert_eq!(loss_step(&loss, 9), loss_step(&other, 9));
}

fn metric(library: &Library) -> OwnedMetric {
    let made = library.create(Create {
        kind: Kind::METRIC,
        name: "rank-correlation".into(),
        config: "{}".into(),
        path: "metric.ranks".into(),
        seed: 0,
        device: "flex".into(),
        dimensions: RVec::new(),
        slots: RVec::new(),
        artifacts: RVec::new(),
        properties: RVec::new(),
    });
    made.expect("it can be made").metric.into_option().expect("a metric")
}

/// Values with ties, in any order.
fn ranked(seed: u64) -> Vec<f32> {
    numbers(30, seed).into_iter().map(|value| (value * 6.0).round()).collect()
}

fn update(metric: &mut OwnedMetric, items: &[usize]) {
    let pick = |values: Vec<f32>| items.iter().map(|item| values[*item]).collect::<Vec<_>>();
    let inputs = [("prediction", 1), ("target", 5)];
    let tensors = inputs.map(|(name, seed)| named(name, pick(ranked(seed)), &[items.len(), 1]));
    metric.update(tensors.into_iter().collect(), RVec::new()).into_result().expect("a batch");
}

fn value(metric: &OwnedMetric) -> f64 {
    metric.compute().into_result().expect("values")[0].value
}

#[test]
fn a_metric_over_a_whole_dataset_is_one_number_however_it_is_divided() {
    let _turn = alone();
    let fixture = fixture();
    let order: Vec<usize> = (0..30).map(|item| item * 7 % 30).collect();
    let mut whole = metric(&fixture);
    update(&mut whole, &order);
    // Ranks by counting, and Pearson's correlation of them.
    let ranks = [1, 5].map(|seed| {
        let values = ranked(seed);
        let rank = |value: &f32| {
            let below = values.iter().filter(|other| *other < value).count() as f64;
            let equal = values.iter().filter(|other| *other == value).count() as f64;
            below + 0.5 * (equal + 1.0)
        };
        values.iter().map(rank).collect::<Vec<f64>>()
    });
    let centered = ranks.map(|ranks| ranks.into_iter().map(|rank| rank - 15.5).collect::<Vec<_>>());
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let [one, other] = &centered;
    let expected = product(one, other) / (product(one, one) * product(other, other)).sqrt();
    assert!((value(&whole) - expected).abs() < 1e-12, "{} {expected}", value(&whole));
    for size in [1, 4, 13] {
        let mut batched = metric(&fixture);
        order.chunks(size).for_each(|items| update(&mut batched, items));
        assert_eq!(value(&batched).to_bits(), value(&whole).to_bits(), "batches of {size}");
        let mut merged = metric(&fixture);
        for items in order.chunks(size).rev() {
            let mut part = metric(&fixture);
            update(&mut part, items);
            let state = part.state().into_result().expect("a state");
            merged.merge(state).into_result().expect("a state of this metric");
        }
        assert_eq!(value(&merged).to_bits(), value(&whole).to_bits(), "merged from {size}");
    }
    whole.reset().into_result().expect("it can start over");
    assert!(whole.compute().into_result().is_err(), "nothing was measured");
}
