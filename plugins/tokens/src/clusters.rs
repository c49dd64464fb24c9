//! k-means: nearest centers, rounds over all points, and steps over batches.

use crate::points::Points;
use ablate_sdk::burn::tensor::{Device, Tensor};
use ablate_sdk::rand::{Rng, RngExt};

/// Rows of the table of distances that is made at a time.
const CHUNK: usize = 4096;

/// Centers with the number of points that each is the mean of.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// One row per cluster.
    pub centers: Points,
    /// Points seen by each.
    pub counts: Vec<f32>,
}

impl Clusters {
    /// Centers that have seen no point: the first points that one gets replace it.
    pub fn new(centers: Points) -> Self {
        let counts = vec![0.0; centers.len()];
        Self { centers, counts }
    }

    /// k-means over all `points` (Lloyd, "Least squares quantization in PCM", 1982): `rounds` of
    /// them at most, fewer when no point changes its cluster. A cluster that loses all its points
    /// keeps its center, with a count of zero.
    #[must_use]
    pub fn settled(self, points: &Points, rounds: usize, device: &Device) -> Self {
        let tensor = points.tensor(device);
        let mut clusters = self;
        let mut before: Option<Vec<usize>> = None;
        for _ in 0..rounds {
            let labels = nearest(tensor.clone(), &clusters.centers.tensor(device));
            if before.as_ref() == Some(&labels) {
                break;
            }
            clusters.counts.fill(0.0);
            clusters.follow(points, &labels);
            before = Some(labels);
        }
        clusters
    }

    /// Moves every center to the mean of all points that it has ever seen, those of the batch with
    /// it as their label included: a learning rate of one over its count for each point (Sculley,
    /// "Web-scale k-means clustering", 2010). A center without a point in the batch stays.
    pub fn follow(&mut self, points: &Points, labels: &[usize]) {
        let width = points.width();
        let mut sums = vec![0.0_f64; self.counts.len() * width];
        let mut seen = vec![0.0_f64; self.counts.len()];
        for (point, &label) in points.rows().zip(labels) {
            seen[label] += 1.0;
            let sum = &mut sums[label * width..(label + 1) * width];
            sum.iter_mut().zip(point).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        for (cluster, sum) in sums.chunks_exact(width).enumerate() {
            if seen[cluster] == 0.0 {
                continue;
            }
            let before = f64::from(self.counts[cluster]);
            let count = before + seen[cluster];
            let center = self.centers.row(cluster).iter().zip(sum);
            let moved: Vec<f32> =
                center.map(|(&c, sum)| ((f64::from(c) * before + sum) / count) as f32).collect();
            self.centers.replace(cluster, &moved);
            self.counts[cluster] = count as f32;
        }
    }

    /// Lets centers with a count below `ratio` of the largest start again from different points of
    /// the batch, at most half as many as it has points, those with the smallest counts. They get
    /// the smallest count of the others, so that they are not replaced again at once.
    pub fn reassign(&mut self, points: &Points, ratio: f64, generator: &mut impl Rng) {
        let largest = self.counts.iter().copied().fold(0.0_f32, f32::max);
        let limit = ratio * f64::from(largest);
        let mut rare: Vec<usize> =
            (0..self.counts.len()).filter(|&k| f64::from(self.counts[k]) < limit).collect();
        rare.sort_by(|&a, &b| self.counts[a].total_cmp(&self.counts[b]));
        rare.truncate(points.len() / 2);
        let others = (0..self.counts.len()).filter(|cluster| !rare.contains(cluster));
        let count = others.map(|cluster| self.counts[cluster]).fold(f32::INFINITY, f32::min);
        let mut left: Vec<usize> = (0..points.len()).collect();
        for cluster in rare {
            let drawn = left.swap_remove(generator.random_range(0..left.len()));
            self.centers.replace(cluster, points.row(drawn));
            self.counts[cluster] = count;
        }
    }
}

/// The center nearest to each of the points `[N, F]`; of equally near ones the first.
pub fn nearest(points: Tensor<2>, centers: &Tensor<2>) -> Vec<usize> {
    // argmin of ‖c‖² − 2 x·c, with the origin among the centers: far from it the two terms are
    // large and their difference is lost in rounding.
    let origin = centers.clone().mean_dim(0);
    let centers = centers.clone() - origin.clone();
    let [count, _] = centers.dims();
    let norms = (centers.clone() * centers.clone()).sum_dim(1).transpose();
    let centers = centers.mul_scalar(-2.0).transpose();
    let mut labels = Vec::with_capacity(points.dims()[0]);
    for part in points.split(CHUNK, 0) {
        let scores = (part - origin.clone()).matmul(centers.clone()) + norms.clone();
        let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
        labels.extend(scores.chunks_exact(count).map(first_smallest));
    }
    labels
}

fn first_smallest(scores: &[f32]) -> usize {
    let smaller = |best: usize, at: usize| if scores[at] < scores[best] { at } else { best };
    (1..scores.len()).fold(0, smaller)
}

#[cfg(test)]
mod tests;
