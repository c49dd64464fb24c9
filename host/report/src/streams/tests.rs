//! Comparisons worked out by hand, and against a comparison that looks at every pair of points.

use super::{Agreement, Difference, Point, StreamComparison, relative_difference};
use proptest::prelude::*;

fn point(step: u64, split: &'static str, metric: &'static str, value: f64) -> Point<'static> {
    Point { step, split, metric, value }
}

fn loss(step: u64, value: f64) -> Point<'static> {
    point(step, "train", "loss", value)
}

fn place(difference: Option<&Difference>) -> (u64, &str, &str, Option<f64>, Option<f64>) {
    let Difference { step, split, metric, left, right, .. } = difference.unwrap();
    (*step, split, metric, *left, *right)
}

#[test]
fn equal_streams_are_equal_in_any_order() {
    let left = [loss(1, 0.5), loss(2, f64::NAN), point(2, "valid", "mae", -0.0)];
    let right = [left[2], left[0], left[1]];
    let comparison = StreamComparison::new(&left, &right, None);
    assert_eq!(comparison.agreement, Agreement::Equal);
    assert_eq!((comparison.points, comparison.equal), (3, 3));
    assert_eq!((comparison.first, comparison.largest), (None, None));
    assert_eq!(StreamComparison::new(&[], &[], None).agreement, Agreement::Equal);
}

#[test]
fn names_the_first_point_that_differs_and_the_largest_difference() {
    let left = [loss(1, 1.0), loss(2, 2.0), point(2, "valid", "loss", 4.0), loss(3, 8.0)];
    let right = [loss(1, 1.0), loss(3, 8.0), point(2, "valid", "loss", 4.5), loss(2, 2.0 + 1e-9)];
    let comparison = StreamComparison::new(&left, &right, None);
    assert_eq!(comparison.agreement, Agreement::Different);
    assert_eq!((comparison.equal, comparison.different), (2, 2));
    let first = comparison.first.as_ref();
    assert_eq!(place(first), (2, "train", "loss", Some(2.0), Some(2.0 + 1e-9)));
    assert_eq!(comparison.agree_until_step, Some(1));
    let largest = comparison.largest.as_ref();
    assert_eq!(place(largest), (2, "valid", "loss", Some(4.0), Some(4.5)));
    assert_eq!(largest.unwrap().relative, 0.5 / 4.5);
}

#[test]
fn a_tolerance_lets_small_differences_pass_but_no_missing_point() {
    let left = [loss(1, 1.0), loss(2, 2.0)];
    let right = [loss(1, 1.0 + 1e-9), loss(2, 2.0)];
    let near = StreamComparison::new(&left, &right, Some(1e-8));
    assert_eq!((near.agreement, near.near), (Agreement::WithinTolerance, 1));
    assert_eq!((place(near.first.as_ref()).0, near.first_beyond), (1, None));
    let far = StreamComparison::new(&left, &right, Some(1e-10));
    assert_eq!((far.agreement, far.different), (Agreement::Different, 1));
    let short = StreamComparison::new(&left, &left[..1], Some(1e9));
    assert_eq!((short.agreement, short.only_left), (Agreement::Different, 1));
    assert_eq!(place(short.first_beyond.as_ref()), (2, "train", "loss", Some(2.0), None));
    assert_eq!(short.largest, None);
}

#[test]
fn zeros_of_either_sign_have_other_bits_and_no_distance() {
    let (left, right) = ([loss(1, 0.0)], [loss(1, -0.0)]);
    assert_eq!(StreamComparison::new(&left, &right, None).agreement, Agreement::Different);
    let near = StreamComparison::new(&left, &right, Some(0.0));
    assert_eq!(near.agreement, Agreement::WithinTolerance);
}

#[test]
fn training_comes_before_evaluation_within_a_step() {
    let left = ["other", "test", "train", "valid"].map(|split| point(7, split, "loss", 1.0));
    let mut right = left.map(|left| Point { value: 2.0, ..left });
    let mut order = Vec::new();
    for _ in 0..4 {
        let first = StreamComparison::new(&left, &right, None).first.unwrap();
        let index = right.iter().position(|point| point.split == first.split).unwrap();
        right[index].value = 1.0;
        order.push(first.split);
    }
    assert_eq!(order, ["train", "valid", "test", "other"]);
}

#[test]
fn points_of_the_same_place_are_compared_one_by_one() {
    let left = [loss(1, 1.0), loss(1, 2.0), loss(1, 3.0)];
    let right = [loss(1, 1.0), loss(1, 5.0)];
    let comparison = StreamComparison::new(&left, &right, None);
    assert_eq!((comparison.points, comparison.equal, comparison.different), (3, 1, 1));
    assert_eq!((comparison.only_left, comparison.only_right), (1, 0));
    assert_eq!(place(comparison.first.as_ref()), (1, "train", "loss", Some(2.0), Some(5.0)));
}

#[test]
fn relative_differences_are_those_of_the_larger_value() {
    let check = |a: f64, b: f64, expected: f64| {
        assert_eq!(relative_difference(a, b), expected, "{a} {b}");
        assert_eq!(relative_difference(b, a), expected, "{b} {a}");
    };
    check(1.0, 1.0, 0.0);
    check(0.0, -0.0, 0.0);
    check(f64::NAN, -f64::NAN, 0.0);
    check(f64::INFINITY, f64::INFINITY, 0.0);
    check(3.0, 4.0, 0.25);
    check(-3.0, 4.0, 1.75);
    check(0.0, 5e-324, 1.0);
    check(f64::MAX, -f64::MAX, 2.0);
    check(f64::NAN, 1.0, f64::INFINITY);
    check(f64::INFINITY, f64::MAX, f64::INFINITY);
    check(f64::INFINITY, -f64::INFINITY, f64::INFINITY);
    // Neighbors are one unit in the last place apart: 2⁻⁵² at one.
    check(1.0, 1.0 + f64::EPSILON, f64::EPSILON / (1.0 + f64::EPSILON));
}

#[test]
fn json_says_what_is_missing_and_what_is_no_number() {
    let left = [loss(1, f64::NAN), loss(2, 1.0)];
    let right = [loss(1, f64::INFINITY)];
    let comparison = StreamComparison::new(&left, &right, None);
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(json["agreement"], "different");
    assert_eq!(json["first"]["left"], "NaN");
    assert_eq!(json["first"]["right"], "inf");
    assert_eq!(json["first"]["relative"], "inf");
    let missing = StreamComparison::new(&left[1..], &[], None);
    let json = serde_json::to_value(&missing).unwrap();
    assert_eq!(json["first"]["left"], 1.0);
    assert_eq!(json["first"]["right"], serde_json::Value::Null);
}

/// Few places and few values, so that all cases meet.
fn stream() -> impl Strategy<Value = Vec<Point<'static>>> {
    let values = [0.0, -0.0, 1.0, 1.0 + f64::EPSILON, -1.0, 1e300, f64::NAN, f64::INFINITY];
    let splits = ["train", "valid", "test", "a split"];
    let one = (0_u64..3, 0..splits.len(), 0_usize..2, 0..values.len());
    let one = one.prop_map(move |(step, split, metric, value)| {
        point(step, splits[split], ["loss", "mae"][metric], values[value])
    });
    proptest::collection::vec(one, 0..12)
}

/// The same points, some with other values, some left out.
fn pair() -> impl Strategy<Value = (Vec<Point<'static>>, Vec<Point<'static>>)> {
    (stream(), stream(), any::<u16>()).prop_map(|(left, mut right, kept)| {
        right.truncate(3);
        let same = left.iter().enumerate().filter(|(index, _)| kept >> index & 1 == 1);
        right.extend(same.map(|(_, point)| *point));
        (left, right)
    })
}

type Place = (u64, usize, &'static str, &'static str);

/// All places with the values of both sides, found by looking at every point for every place.
fn by_hand(
    left: &[Point<'static>],
    right: &[Point<'static>],
) -> Vec<(Place, Option<f64>, Option<f64>)> {
    let place = |point: &Point<'static>| -> Place {
        let rank = match point.split {
            "train" => 0,
            "valid" => 1,
            "test" => 2,
            _ => 3,
        };
        (point.step, rank, point.split, point.metric)
    };
    let mut places: Vec<Place> = left.iter().chain(right).map(place).collect();
    places.sort_unstable();
    places.dedup();
    let mut rows = Vec::new();
    for wanted in places {
        let of = |side: &[Point<'static>]| -> Vec<f64> {
            side.iter().filter(|point| place(point) == wanted).map(|point| point.value).collect()
        };
        let (left, right) = (of(left), of(right));
        for index in 0..left.len().max(right.len()) {
            rows.push((wanted, left.get(index).copied(), right.get(index).copied()));
        }
    }
    rows
}

proptest! {
    #[test]
    fn agrees_with_a_look_at_every_pair((left, right) in pair(), tolerance in prop::option::of(0..4)) {
        let tolerance = tolerance.map(|index| [0.0, 1e-15, 1.0, 2.5][index as usize]);
        let found = StreamComparison::new(&left, &right, tolerance);
        let rows = by_hand(&left, &right);
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        let unequal: Vec<_> =
            rows.iter().filter(|(_, a, b)| a.is_none() || bits(*a) != bits(*b)).collect();
        let near = |a: &Option<f64>, b: &Option<f64>| match (a, b, tolerance) {
            (Some(a), Some(b), Some(tolerance)) => relative_difference(*a, *b) <= tolerance,
            _ => false,
        };
        let beyond: Vec<_> = unequal.iter().filter(|(_, a, b)| !near(a, b)).collect();
        prop_assert_eq!(found.points, rows.len());
        prop_assert_eq!(found.equal, rows.len() - unequal.len());
        prop_assert_eq!(found.near, unequal.len() - beyond.len());
        prop_assert_eq!(found.only_left, rows.iter().filter(|(_, _, b)| b.is_none()).count());
        prop_assert_eq!(found.only_right, rows.iter().filter(|(_, a, _)| a.is_none()).count());
        let apart = beyond.iter().filter(|(_, a, b)| a.is_some() && b.is_some()).count();
        prop_assert_eq!(found.different, apart);
        let agreement = match (unequal.is_empty(), beyond.is_empty()) {
            (true, _) => Agreement::Equal,
            (false, true) => Agreement::WithinTolerance,
            (false, false) => Agreement::Different,
        };
        prop_assert_eq!(found.agreement, agreement);
        for (found, expected) in
            [(&found.first, unequal.first().copied()), (&found.first_beyond, beyond.first().map(|row| **row))]
        {
            let expected = expected.map(|((step, _, split, metric), a, b)| (*step, *split, *metric, bits(*a), bits(*b)));
            let found = found.as_ref().map(|d| (d.step, d.split.as_str(), d.metric.as_str(), bits(d.left), bits(d.right)));
            prop_assert_eq!(found, expected);
        }
        let steps = beyond.first().map(|((first, ..), _, _)| {
            rows.iter().map(|((step, ..), _, _)| *step).filter(|step| step < first).max()
        });
        prop_assert_eq!(found.agree_until_step, steps.flatten());
        let distances = unequal.iter().filter_map(|(_, a, b)| Some(relative_difference((*a)?, (*b)?)));
        prop_assert_eq!(found.largest.map(|largest| largest.relative), distances.reduce(f64::max));
    }

    #[test]
    fn the_sides_are_alike((left, right) in pair(), tolerance in prop::option::of(0.0..3.0)) {
        let one = StreamComparison::new(&left, &right, tolerance);
        let other = StreamComparison::new(&right, &left, tolerance);
        prop_assert_eq!(one.agreement, other.agreement);
        prop_assert_eq!((one.points, one.equal, one.near), (other.points, other.equal, other.near));
        prop_assert_eq!((one.only_left, one.only_right), (other.only_right, other.only_left));
        let place = |d: Option<Difference>| d.map(|d| (d.step, d.split, d.metric));
        prop_assert_eq!(place(one.first), place(other.first));
    }

    #[test]
    fn a_stream_equals_itself_and_order_within_places_is_all_that_counts(left in stream()) {
        prop_assert_eq!(StreamComparison::new(&left, &left, None).agreement, Agreement::Equal);
        let mut right = left.clone();
        // A stable sort by anything that tells places apart keeps the order within each place.
        right.sort_by_key(|point| (point.metric, std::cmp::Reverse(point.split), point.step));
        prop_assert_eq!(StreamComparison::new(&left, &right, None).agreement, Agreement::Equal);
    }

    #[test]
    fn relative_differences_follow_their_definition(a in any::<f64>(), b in any::<f64>()) {
        let found = relative_difference(a, b);
        prop_assert!(found >= 0.0);
        prop_assert_eq!(found.to_bits(), relative_difference(b, a).to_bits());
        if a.is_finite() && b.is_finite() {
            prop_assert!(found <= 2.0);
            prop_assert_eq!(found == 0.0, a == b);
        }
    }
}
