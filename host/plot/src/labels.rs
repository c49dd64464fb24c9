//! Labels beside a column of points, moved as little as needed so that none covers another.

/// A label of a height that wants its middle at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wish {
    pub(crate) middle: f64,
    pub(crate) height: f64,
}

/// Where the middles of the labels go, in the order of the wishes. Labels that do not fit between `top` and `bottom`
/// go beyond the bottom.
pub(crate) fn spread(wishes: &[Wish], top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by(|&a, &b| wishes[a].middle.total_cmp(&wishes[b].middle));
    // Labels that touch move together, to where their wishes are met best: the mean of what each wants of the first.
    let mut groups: Vec<Group> = Vec::new();
    for &index in &order {
        let Wish { middle, height } = wishes[index];
        groups.push(Group { members: vec![index], wanted: middle - height / 2.0, height });
        while let [.., above, below] = groups.as_slice() {
            if above.start(top, bottom) + above.height <= below.start(top, bottom) {
                break;
            }
            let (mut above, below) = (above.clone(), below.clone());
            let (a, b) = (above.members.len() as f64, below.members.len() as f64);
            above.wanted = (above.wanted * a + (below.wanted - above.height) * b) / (a + b);
            above.height += below.height;
            above.members.extend(below.members);
            groups.truncate(groups.len() - 2);
            groups.push(above);
        }
    }
    let mut middles = vec![0.0; wishes.len()];
    for group in groups {
        let mut at = group.start(top, bottom);
        for index in group.members {
            middles[index] = at + wishes[index].height / 2.0;
            at += wishes[index].height;
        }
    }
    middles
}

#[derive(Clone)]
struct Group {
    members: Vec<usize>,
    wanted: f64,
    height: f64,
}

impl Group {
    fn start(&self, top: f64, bottom: f64) -> f64 {
        self.wanted.min(bottom - self.height).max(top)
    }
}

#[cfg(test)]
mod tests {
    use super::{Wish, spread};

    fn check(wishes: &[(f64, f64)], expected: &[f64]) {
        let wishes: Vec<Wish> =
            wishes.iter().map(|&(middle, height)| Wish { middle, height }).collect();
        assert_eq!(spread(&wishes, 0.0, 100.0), expected);
    }

    #[test]
    fn labels_move_no_more_than_they_must() {
        check(&[(20.0, 10.0), (50.0, 10.0)], &[20.0, 50.0]);
        check(&[(50.0, 10.0), (50.0, 10.0)], &[45.0, 55.0]);
        // The order of the wishes is kept in the answer, not on the sheet.
        check(&[(52.0, 10.0), (48.0, 10.0)], &[55.0, 45.0]);
        check(&[(99.0, 10.0), (98.0, 10.0)], &[95.0, 85.0]);
        check(&[(-5.0, 10.0), (3.0, 20.0)], &[5.0, 20.0]);
        check(&[], &[]);
    }

    #[test]
    fn no_label_covers_another() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / f64::from(u32::MAX) * 2.0
        };
        for n in 1..12 {
            let wishes: Vec<Wish> = (0..n)
                .map(|_| Wish { middle: random() * 240.0, height: 10.0 + random() * 10.0 })
                .collect();
            let middles = spread(&wishes, 0.0, 240.0);
            let mut spans: Vec<(f64, f64)> = wishes
                .iter()
                .zip(middles)
                .map(|(wish, at)| (at - wish.height / 2.0, at + wish.height / 2.0))
                .collect();
            spans.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(spans[0].0 >= -1e-9 && spans[n - 1].1 <= 240.0 + 1e-9, "{spans:?}");
            assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 1e-9), "{spans:?}");
        }
    }
}
