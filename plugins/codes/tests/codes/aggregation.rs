//! Every aggregation against the plainest way to compute it, ties and padding included.

use ablate_codes::{All, Attention, AttentionConfig, Codebooks, First, Mean, Medoid, Score, Vote};
use ablate_sdk::burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use ablate_sdk::rand::{Rng, RngExt};
use ablate_sdk::seed::generator;
use ablate_sdk::{Block, Error, Tensors, testing};

/// `[L, K, D]`.
const SHAPE: [usize; 3] = [2, 4, 3];

type Tuples = Vec<Vec<i64>>;

/// Codebooks of small whole numbers, so that sums are exact and ties are common.
fn books<R: Rng>(random: &mut R) -> Vec<f32> {
    (0..SHAPE.iter().product()).map(|_| random.random_range(-2..3_i8) as f32).collect()
}

/// Codes of windows with a mask; where that is false there is anything.
fn draw<R: Rng>(random: &mut R, windows: usize) -> (Tuples, Vec<bool>) {
    let mask: Vec<bool> = (0..windows).map(|_| random.random()).collect();
    let tuples = mask.iter().map(|&valid| {
        let range = if valid { 0..SHAPE[1] as i64 } else { -3..99 };
        (0..SHAPE[0]).map(|_| random.random_range(range.clone())).collect()
    });
    (tuples.collect(), mask)
}

fn inputs(items: &[(Tuples, Vec<bool>)], windows: usize, books: &[f32]) -> Tensors {
    let device = Device::flex();
    let (mut codes, mut mask) = (Vec::new(), Vec::new());
    for (tuples, valid) in items {
        codes.extend(tuples.concat());
        mask.extend(valid);
        let missing = windows - valid.len();
        codes.extend(std::iter::repeat_n(7_i64, missing * SHAPE[0]));
        mask.extend(std::iter::repeat_n(false, missing));
    }
    let codes = TensorData::new(codes, [items.len(), windows, SHAPE[0]]);
    let mask = TensorData::new(mask, [items.len(), windows]);
    let books = TensorData::new(books.to_vec(), SHAPE);
    Tensors::new()
        .with("codes", Tensor::<3, Int>::from_data(codes, &device))
        .with("mask", Tensor::<2, Bool>::from_data(mask, &device))
        .with("codebooks", Tensor::<3>::from_data(books, &device))
}

/// The codes and the mask that a block gives.
fn run<B: Block>(block: &B, inputs: Tensors) -> Result<(Vec<i64>, Vec<bool>), Error> {
    let answer = block.forward(inputs, &testing::evaluation_call())?.tensors;
    let codes = answer.int::<3>("codes")?.into_data().iter::<i64>().collect();
    Ok((codes, answer.bool::<2>("mask")?.into_data().iter::<bool>().collect()))
}

/// The answer for one item of valid windows, under codebooks of another shape.
fn of_one<B: Block>(block: &B, codes: &[i64], books: &[f32], shape: [usize; 3]) -> Vec<i64> {
    let device = Device::flex();
    let windows = codes.len() / shape[0];
    let codes = TensorData::new(codes.to_vec(), [1, windows, shape[0]]);
    let inputs = Tensors::new()
        .with("codes", Tensor::<3, Int>::from_data(codes, &device))
        .with("mask", Tensor::<2, Bool>::full([1, windows], true, &device))
        .with("codebooks", Tensor::<3>::from_data(TensorData::new(books.to_vec(), shape), &device));
    let (codes, mask) = run(block, inputs).expect("fits");
    assert_eq!(mask, [true]);
    codes
}

fn attention(score: Score, temperature: f64) -> Attention {
    let mut build = testing::build("block", 0, &[], vec![]).expect("a device");
    Attention::new(&AttentionConfig { score, temperature }, &mut build).expect("a temperature")
}

/// Σ over levels of the codebook vectors.
fn vector(books: &[f32], tuple: &[i64]) -> Vec<f64> {
    let [_, size, width] = SHAPE;
    let number = |at: usize| {
        let level = |(level, code): (usize, &i64)| {
            f64::from(books[(level * size + *code as usize) * width + at])
        };
        tuple.iter().enumerate().map(level).sum()
    };
    (0..width).map(number).collect()
}

fn squared(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Greedy residual quantization, by sorting.
fn quantized(books: &[f32], vector: &[f64]) -> Vec<i64> {
    let [levels, size, width] = SHAPE;
    let mut left = vector.to_vec();
    let level = |level: usize| {
        let row = |code: usize| -> Vec<f64> {
            let start = (level * size + code) * width;
            books[start..start + width].iter().map(|&value| f64::from(value)).collect()
        };
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| squared(&left, &row(a)).total_cmp(&squared(&left, &row(b))));
        left = left.iter().zip(row(order[0])).map(|(left, value)| left - value).collect();
        order[0] as i64
    };
    (0..levels).map(level).collect()
}

/// Checks a block against `wanted`, which gets the valid tuples and the codebooks, on random items:
/// one by one, and all in one padded batch.
fn check<B: Block>(block: &B, wanted: impl Fn(&[Vec<i64>], &[f32]) -> Vec<i64>) {
    let random = &mut generator(11);
    for _ in 0..200 {
        let books = books(random);
        let items: Vec<_> = (0..random.random_range(1..5))
            .map(|_| {
                let windows = random.random_range(0..7);
                draw(random, windows)
            })
            .collect();
        let mut all = (Vec::new(), Vec::new());
        for item in &items {
            let (tuples, mask) = item;
            let valid = tuples.iter().zip(mask).filter(|(_, valid)| **valid);
            let valid: Tuples = valid.map(|(tuple, _)| tuple.clone()).collect();
            let expected = if valid.is_empty() {
                (vec![0; SHAPE[0]], vec![false])
            } else {
                (wanted(&valid, &books), vec![true])
            };
            let alone = inputs(std::slice::from_ref(item), mask.len(), &books);
            assert_eq!(run(block, alone).expect("fits"), expected, "{item:?} {books:?}");
            all.0.extend(expected.0);
            all.1.extend(expected.1);
        }
        assert_eq!(run(block, inputs(&items, 9, &books)).expect("fits"), all, "{items:?}");
    }
}

fn mean_vector(books: &[f32], tuples: &[Vec<i64>]) -> Vec<f64> {
    let vectors: Vec<Vec<f64>> = tuples.iter().map(|tuple| vector(books, tuple)).collect();
    let number = |at: usize| vectors.iter().map(|vector| vector[at]).sum::<f64>();
    (0..SHAPE[2]).map(|at| number(at) / vectors.len() as f64).collect()
}

#[test]
fn mean_quantizes_the_mean_vector() {
    check(&Mean {}, |tuples, books| quantized(books, &mean_vector(books, tuples)));
}

#[test]
fn vote_counts_every_level_and_prefers_the_smallest_code() {
    check(&Vote {}, |tuples, _| {
        let votes = |level: usize, code: i64| tuples.iter().filter(|t| t[level] == code).count();
        let best = |level: usize| {
            let most = (0..SHAPE[1] as i64).map(|code| votes(level, code)).max();
            (0..SHAPE[1] as i64).find(|&code| Some(votes(level, code)) == most).expect("a code")
        };
        (0..SHAPE[0]).map(best).collect()
    });
    // 2 and 3 have two votes each; 1 has two of level 2.
    let codes = [3, 1, 2, 0, 2, 1, 3, 2];
    assert_eq!(of_one(&Vote {}, &codes, &[0.0; 8], [2, 4, 1]), [2, 1]);
}

#[test]
fn medoid_is_the_window_nearest_to_all_others() {
    check(&Medoid {}, |tuples, books| {
        let sum = |one: &Vec<i64>| -> f64 {
            let one = vector(books, one);
            tuples.iter().map(|other| squared(&one, &vector(books, other)).sqrt()).sum()
        };
        let sums: Vec<f64> = tuples.iter().map(sum).collect();
        let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
        tuples[sums.iter().position(|&sum| sum == least).expect("the least")].clone()
    });
    // One level: 0, 1, 4, 10 on a line. The sums of distances of 1 and 4 are equal (1 + 3 + 9 =
    // 4 + 3 + 6), so that the first of them counts; with squares it would be 4 both times.
    let line = |codes: &[i64]| of_one(&Medoid {}, codes, &[0.0, 1.0, 4.0, 10.0], [1, 4, 1]);
    assert_eq!(line(&[0, 1, 2, 3]), [1]);
    assert_eq!(line(&[3, 2, 1, 0]), [2]);
    // Of two windows both are as near.
    assert_eq!(line(&[3, 0]), [3]);
}

#[test]
fn first_is_the_first_valid_window() {
    check(&First {}, |tuples, _| tuples[0].clone());
}

#[test]
fn attention_weighs_windows_by_their_likeness_to_the_mean() {
    for (score, temperature) in
        [(Score::Cosine, 0.1), (Score::Cosine, 2.0), (Score::ScaledDot, 0.5)]
    {
        check(&attention(score, temperature), |tuples, books| {
            let mean = mean_vector(books, tuples);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let weight = |tuple: &Vec<i64>| {
                let one = vector(books, tuple);
                let lengths = (dot(&one, &one) * dot(&mean, &mean)).sqrt();
                let score = match score {
                    Score::ScaledDot => dot(&one, &mean) / (SHAPE[2] as f64).sqrt(),
                    Score::Cosine if lengths == 0.0 => 0.0,
                    Score::Cosine => dot(&one, &mean) / lengths,
                };
                score / temperature
            };
            let scores: Vec<f64> = tuples.iter().map(weight).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
            let total: f64 = weights.iter().sum();
            let number = |at: usize| {
                let pairs = tuples.iter().zip(&weights);
                pairs.map(|(tuple, weight)| weight * vector(books, tuple)[at]).sum::<f64>() / total
            };
            quantized(books, &(0..SHAPE[2]).map(number).collect::<Vec<_>>())
        });
    }
}

#[test]
fn attention_lies_between_the_mean_and_the_most_typical_window() {
    let random = &mut generator(12);
    // One level, so that a window's codes are what its vector gives.
    let shape = [1, 16, 3];
    for _ in 0..100 {
        let books: Vec<f32> = (0..48).map(|_| random.random_range(-1.0..1.0)).collect();
        let codes: Vec<i64> = (0..5).map(|_| random.random_range(0..16)).collect();
        let of =
            |temperature| of_one(&attention(Score::Cosine, temperature), &codes, &books, shape);
        assert_eq!(of(1e9), of_one(&Mean {}, &codes, &books, shape));
        let known = Codebooks::new(books.clone(), shape).expect("16 codes");
        let vectors: Vec<Vec<f64>> = codes.iter().map(|&code| known.vector(&[code])).collect();
        let sum = |at: usize| vectors.iter().map(|vector| vector[at]).sum::<f64>();
        let cosine = |vector: &Vec<f64>| {
            let product: f64 = vector.iter().enumerate().map(|(at, value)| value * sum(at)).sum();
            product / squared(vector, &[0.0; 3]).sqrt()
        };
        let cosines: Vec<f64> = vectors.iter().map(cosine).collect();
        let best = (0..5).max_by(|&a, &b| cosines[a].total_cmp(&cosines[b])).expect("five");
        assert_eq!(of(1e-9), [codes[best]]);
    }
}

#[test]
fn all_gives_every_window_and_zeros_where_there_is_none() {
    let items = [
        (vec![vec![1, 2], vec![9, -9], vec![3, 0]], vec![true, false, true]),
        (vec![vec![0, 3]], vec![true]),
    ];
    let (codes, mask) = run(&All {}, inputs(&items, 3, &[0.0; 24])).expect("fits");
    assert_eq!(codes, [1, 2, 0, 0, 3, 0, 0, 3, 0, 0, 0, 0]);
    assert_eq!(mask, [true, false, true, true, false, false]);
}

#[test]
fn says_what_does_not_fit() {
    let item = [(vec![vec![0, 1], vec![3, 4]], vec![true, true])];
    let text = |result: Result<_, Error>| result.map(drop).expect_err("must fail").to_string();
    assert_eq!(
        text(run(&Mean {}, inputs(&item, 2, &[0.0; 24]))),
        "code `4` is not in [0, 4): item 0 of the batch, window 2, level 2"
    );
    let item = [(vec![vec![0, -1]], vec![true])];
    assert_eq!(
        text(run(&First {}, inputs(&item, 2, &[0.0; 24]))),
        "code `-1` is below 0: item 0 of the batch, window 1, level 2"
    );
    let three = TensorData::new(vec![0.0_f32; 12], [3, 4, 1]);
    let three = Tensor::<3>::from_data(three, &Device::flex());
    let item = [(vec![vec![0, 1]], vec![true])];
    let plain = inputs(&item, 1, &[0.0; 24]);
    let wrong = Tensors::new()
        .with("codes", plain.int::<3>("codes").expect("codes"))
        .with("mask", plain.bool::<2>("mask").expect("a mask"))
        .with("codebooks", three);
    assert_eq!(text(run(&Mean {}, wrong)), "`codebooks` is f32[3, 4, 1], but `codes` has 2 levels");
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let config = AttentionConfig { temperature, ..AttentionConfig::default() };
        let wanted = format!("`temperature` is {temperature}, must be above 0 and finite");
        assert_eq!(
            Attention::contract(&config).map(drop).expect_err("must fail").to_string(),
            wanted
        );
    }
}

#[test]
fn quantizing_what_a_single_level_means_gives_its_code_back() {
    let books = Codebooks::new(vec![0.0, 0.0, 1.0, 0.0, 0.0, 2.0], [1, 3, 2]).expect("3 codes");
    assert_eq!((books.size(), books.width()), (3, 2));
    for code in 0..3 {
        assert_eq!(books.quantize(&books.vector(&[code])), [code]);
    }
    // As near to the first as to the second.
    assert_eq!(books.quantize(&[0.5, 0.0]), [0]);
}
