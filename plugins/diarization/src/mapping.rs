//! Which speaker of the system is which of the reference.

use pathfinding::prelude::{Matrix, kuhn_munkres};

/// Times as whole nanoseconds, which the assignment is exact in.
const PER_SECOND: f64 = 1e9;

/// For each row its column, so that the sum of the chosen weights (in seconds, at least 0) is as large as possible; `None`
/// for a row that has no column to itself, or shares no time with it (Kuhn 1955, Munkres 1957).
pub(crate) fn assign(weights: &[Vec<f64>]) -> Vec<Option<usize>> {
    let rows = weights.len();
    let columns = weights.first().map_or(0, Vec::len);
    if rows == 0 || columns == 0 {
        return vec![None; rows];
    }
    let weight = |row: usize, column: usize| (weights[row][column] * PER_SECOND).round() as i64;
    // The algorithm wants at least as many columns as rows.
    let mut chosen = vec![None; rows];
    if rows <= columns {
        let matrix = Matrix::from_fn(rows, columns, |(row, column)| weight(row, column));
        let (_, columns) = kuhn_munkres(&matrix);
        chosen = columns.into_iter().map(Some).collect();
    } else {
        let matrix = Matrix::from_fn(columns, rows, |(column, row)| weight(row, column));
        let (_, rows) = kuhn_munkres(&matrix);
        for (column, row) in rows.into_iter().enumerate() {
            chosen[row] = Some(column);
        }
    }
    for (row, column) in chosen.iter_mut().enumerate() {
        *column = column.filter(|column| weight(row, *column) > 0);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The best sum over all ways to give rows different columns.
    fn best(weights: &[Vec<f64>], row: usize, used: &mut Vec<bool>) -> f64 {
        if row == weights.len() {
            return 0.0;
        }
        let mut most = best(weights, row + 1, used);
        for column in 0..used.len() {
            if !used[column] {
                used[column] = true;
                most = most.max(weights[row][column] + best(weights, row + 1, used));
                used[column] = false;
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_other_assignment_shares_more_time(
            (rows, columns) in (0_usize..6, 0_usize..6),
            values in proptest::collection::vec(0_u16..50, 36),
        ) {
            let weights: Vec<Vec<f64>> = (0..rows)
                .map(|row| (0..columns).map(|column| f64::from(values[row * 6 + column])).collect())
                .collect();
            let chosen = assign(&weights);
            let mut seen = vec![false; columns];
            let mut sum = 0.0;
            for (row, column) in chosen.iter().enumerate() {
                if let Some(column) = *column {
                    prop_assert!(!std::mem::replace(&mut seen[column], true));
                    sum += weights[row][column];
                }
            }
            prop_assert_eq!(sum, best(&weights, 0, &mut vec![false; columns]));
        }
    }
}
