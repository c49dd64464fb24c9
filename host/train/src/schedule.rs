//! Learning rate over time, as a factor on the optimizer's learning rate.

use std::f64::consts::PI;

use ablate_config::ScheduleSpec;

/// The factor for the step with this number, counted from 0, of `total` steps.
///
/// With `W` warm-up steps, step `k < W` has the factor `(k + 1) / W`, so that the first step moves parameters and the
/// last one of the warm-up has the full rate. After it, with `k' = k - W`:
///
/// - constant and linear warm-up: 1;
/// - cosine: `final + (1 - final) (1 + cos(π k' / (total - W))) / 2`, PyTorch's `CosineAnnealingLR` with
///   `T_max = total - W`: the end is reached when no step is left;
/// - step: `gamma ^ floor(k' / every)`, PyTorch's `StepLR`.
#[must_use]
pub fn factor(schedule: &ScheduleSpec, step: u64, total: u64) -> f64 {
    let warmup = match schedule {
        ScheduleSpec::Constant {} => 0,
        ScheduleSpec::LinearWarmup { warmup_steps }
        | ScheduleSpec::Cosine { warmup_steps, .. }
        | ScheduleSpec::Step { warmup_steps, .. } => *warmup_steps,
    };
    if step < warmup {
        return (step + 1) as f64 / warmup as f64;
    }
    let after = step - warmup;
    match schedule {
        ScheduleSpec::Constant {} | ScheduleSpec::LinearWarmup { .. } => 1.0,
        ScheduleSpec::Cosine { final_ratio, .. } => {
            let length = total.saturating_sub(warmup).max(1);
            let progress = (after as f64 / length as f64).min(1.0);
            final_ratio + (1.0 - final_ratio) * 0.5 * (1.0 + (PI * progress).cos())
        }
        ScheduleSpec::Step { step_every_steps, gamma, .. } => {
            let falls = after / (*step_every_steps).max(1);
            gamma.powi(i32::try_from(falls).unwrap_or(i32::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::factor;
    use ablate_config::ScheduleSpec;

    fn check(schedule: &ScheduleSpec, total: u64, expected: &[(u64, f64)]) {
        for (step, expected) in expected {
            let found = factor(schedule, *step, total);
            assert!((found - expected).abs() < 1e-12, "step {step}: {found}, expected {expected}");
        }
    }

    #[test]
    fn follows_the_formulas() {
        check(&ScheduleSpec::Constant {}, 10, &[(0, 1.0), (9, 1.0)]);
        let warmup = ScheduleSpec::LinearWarmup { warmup_steps: 4 };
        check(&warmup, 10, &[(0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0), (4, 1.0), (9, 1.0)]);
        // cos(0) = 1, cos(π/4) = √2/2, cos(π/2) = 0, cos(3π/4) = -√2/2.
        let half_root = std::f64::consts::FRAC_1_SQRT_2;
        let plain = ScheduleSpec::Cosine { warmup_steps: 0, final_ratio: 0.0 };
        let down = (1.0 - half_root) / 2.0;
        check(&plain, 4, &[(0, 1.0), (1, f64::midpoint(1.0, half_root)), (2, 0.5), (3, down)]);
        // After two steps of warm-up four are left; from 1 to 0.2 half-way is 0.6.
        let warm = ScheduleSpec::Cosine { warmup_steps: 2, final_ratio: 0.2 };
        check(&warm, 6, &[(0, 0.5), (1, 1.0), (2, 1.0), (4, 0.6), (5, 0.2 + 0.8 * down)]);
        let steps = ScheduleSpec::Step { warmup_steps: 1, step_every_steps: 2, gamma: 0.1 };
        check(&steps, 6, &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.1), (4, 0.1), (5, 0.01)]);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_is_cut_off() {
        let schedule = ScheduleSpec::Cosine { warmup_steps: 100, final_ratio: 0.0 };
        check(&schedule, 10, &[(9, 0.1)]);
    }
}
