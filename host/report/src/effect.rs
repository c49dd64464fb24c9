//! Effect sizes of paired differences.

use statrs::function::gamma::ln_gamma;

use crate::statistics::{mean, standard_deviation};

/// Above this the spread of the differences is rounding.
const LARGEST: f64 = 1e9;

/// The mean of the differences in units of their standard deviation: Cohen's d_z (Cohen 1988, section 2.3.5).
///
/// `None` for fewer than two differences and for differences without a spread.
pub(crate) fn cohen_d(differences: &[f64]) -> Option<f64> {
    let sd = standard_deviation(differences)?;
    let d = mean(differences)? / sd;
    (sd > 0.0 && d.abs() < LARGEST).then_some(d)
}

/// [`cohen_d`] without the bias of small samples, for `pairs` differences (Hedges 1981, equation 6e).
///
/// `None` below three differences, where the correction leaves nothing.
pub(crate) fn hedges_g(d: f64, pairs: usize) -> Option<f64> {
    if pairs < 3 {
        return None;
    }
    let freedom = (pairs - 1) as f64;
    let ln_ratio = ln_gamma(freedom / 2.0) - ln_gamma((freedom - 1.0) / 2.0);
    Some(d * ln_ratio.exp() / (freedom / 2.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::{cohen_d, hedges_g};

    #[test]
    fn small_cases_by_hand() {
        // Mean 2, standard deviation 1.
        assert_eq!(cohen_d(&[1.0, 2.0, 3.0]), Some(2.0));
        // Γ(1) / (√1 · Γ(1/2)) = 1 / √π for two degrees of freedom.
        let g = hedges_g(2.0, 3).unwrap();
        assert!((g - 2.0 / std::f64::consts::PI.sqrt()).abs() < 1e-12, "{g}");
    }

    #[test]
    fn what_has_no_spread_has_no_size() {
        assert_eq!(cohen_d(&[0.5]), None);
        assert_eq!(cohen_d(&[0.5, 0.5, 0.5]), None);
        // Tenths are inexact: the spread is rounding.
        assert_eq!(cohen_d(&[0.3 - 0.2, 0.1, 0.7 - 0.6]), None);
        assert_eq!(hedges_g(1.5, 2), None);
    }
}
