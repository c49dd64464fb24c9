//! What a picture shows: a metric on a split, its unit and its direction.

/// A metric on a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The metric's name.
    pub name: String,
    /// The split that its values come from.
    pub split: String,
    /// The unit, such as `dB`.
    pub unit: Option<String>,
    /// Which way is better; `None` where neither is.
    pub higher_is_better: Option<bool>,
}

impl Measure {
    /// The name with its unit, and with a factor that the numbers of the axis leave out.
    pub(crate) fn title(&self, factor: Option<&str>) -> String {
        let unit = self.unit.as_deref().filter(|unit| !unit.is_empty());
        match (factor, unit) {
            (None, None) => self.name.clone(),
            (Some(factor), None) => format!("{} (×{factor})", self.name),
            (None, Some(unit)) => format!("{} ({unit})", self.name),
            (Some(factor), Some(unit)) => format!("{} (×{factor} {unit})", self.name),
        }
    }

    /// The split and the direction.
    pub(crate) fn subtitle(&self) -> String {
        match self.higher_is_better {
            Some(true) => format!("{}, ↑ higher is better", self.split),
            Some(false) => format!("{}, ↓ lower is better", self.split),
            None => self.split.clone(),
        }
    }

    /// Whether values that span orders of magnitude are to be drawn by their logarithms: what falls towards zero, as
    /// losses do. Decibels are logarithms already, and of what is to rise the small values matter least.
    pub(crate) fn may_be_logarithmic(&self) -> bool {
        let decibel = self.unit.as_deref().is_some_and(|unit| unit.starts_with("dB"));
        self.higher_is_better != Some(true) && !decibel
    }

    /// The sign of a change for the better; `None` where neither way is.
    pub(crate) fn better(&self) -> Option<f64> {
        self.higher_is_better.map(|higher| if higher { 1.0 } else { -1.0 })
    }
}
