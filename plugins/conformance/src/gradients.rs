//! The vector-Jacobian product against finite differences, for every input and parameter.

use crate::array::{Array, Batch};
use crate::difference::{Agreement, Value, compare};
use crate::drive::{Gradients, Made, Mode, State, forward};
use crate::sample::Stream;
use crate::subject::{Extent, Subject, still};
use crate::verdict::{Answer, Stop, fail, skip};
use std::collections::BTreeMap;

/// Inputs that are tried for a place before it is called not smooth.
const DRAWS: usize = 5;
/// Places where product and difference must disagree before it is called wrong.
const WRONG: usize = 2;
/// Parameter tensors that are looked at one by one; all are looked at together.
const TENSORS: usize = 16;
/// Random directions for each place, beside the gradient's own.
const DIRECTIONS: usize = 2;

/// What is moved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Input(String),
    /// Part and path.
    Parameter(usize, String),
    AllParameters,
}

#[derive(Default)]
struct Finding {
    agreed: bool,
    wrong: Vec<(f64, f64)>,
}

/// The product is the derivative.
pub(crate) fn gradients(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("gradients");
    let (made, batch) = subject.ready(&mut stream)?;
    let mode = still(&made, &batch)?;
    let exempt = subject.listed.surrogate_gradients();
    let mut findings: BTreeMap<Place, Finding> = BTreeMap::new();
    let mut hidden = false;
    let start = made.state()?;
    for draw in 0..DRAWS {
        let batch =
            if draw == 0 { batch.clone() } else { subject.batch(Extent::Small, &mut stream)? };
        let probe = Probe::new(&made, mode, batch, &exempt, &start, &mut stream)?;
        hidden |= probe.gradients.parameters.is_none() && made.trainable()?;
        for place in probe.places(&exempt) {
            let finding = findings.entry(place.clone()).or_default();
            if finding.agreed || finding.wrong.len() >= WRONG {
                continue;
            }
            match probe.look(&place, &mut stream)? {
                Agreement::Agrees => finding.agreed = true,
                Agreement::Differs { product, difference } => {
                    finding.wrong.push((product, difference));
                }
                Agreement::Unclear => {}
            }
        }
        if findings.values().all(|finding| finding.agreed) {
            break;
        }
    }
    conclude(&findings, &exempt, mode, hidden)
}

fn conclude(
    findings: &BTreeMap<Place, Finding>,
    exempt: &[(&str, &str)],
    mode: Mode,
    hidden: bool,
) -> Answer {
    for (place, finding) in findings {
        if !finding.agreed && finding.wrong.len() >= WRONG {
            let (product, difference) = finding.wrong[0];
            return fail(format!(
                "the gradient of {place} is no derivative: along one direction the product gives \
                 {product:.6}, finite differences {difference:.6}"
            ));
        }
    }
    let agreed = findings.values().filter(|finding| finding.agreed).count();
    let unclear: Vec<String> =
        findings.iter().filter(|(_, f)| !f.agreed).map(|(place, _)| place.to_string()).collect();
    let mut text = vec![format!("{agreed} of {} tensors agree", findings.len())];
    if mode.flags & ablate_abi::v1::Call::TRAIN == 0 {
        text.push("in evaluation, as training changes the component".to_owned());
    }
    if !unclear.is_empty() {
        text.push(format!("not smooth enough to tell: {}", unclear.join(", ")));
    }
    if hidden {
        text.push("its parameter gradients are not shown (no call `gradients`)".to_owned());
    }
    for (port, reason) in exempt {
        text.push(format!("`{port}` is left out, as it says: {reason}"));
    }
    let text = text.join("; ");
    if agreed == 0 {
        return skip(format!("not exercised: {text}"));
    }
    Ok(text)
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Input(name) => write!(f, "input `{name}`"),
            Self::Parameter(0, path) => write!(f, "parameter `{path}`"),
            Self::Parameter(_, path) => write!(f, "parameter `{path}` of a slot's block"),
            Self::AllParameters => f.write_str("all parameters together"),
        }
    }
}

/// One point with its gradients: φ = Σ over outputs of weight times output.
struct Probe<'a> {
    made: &'a Made,
    mode: Mode,
    batch: Batch,
    weights: Vec<Option<Array>>,
    start: &'a [State],
    gradients: Gradients,
}

impl<'a> Probe<'a> {
    fn new(
        made: &'a Made,
        mode: Mode,
        batch: Batch,
        exempt: &[(&str, &str)],
        start: &'a [State],
        stream: &mut Stream,
    ) -> Result<Self, Stop> {
        made.zero_grad()?;
        let mut pass = forward(&made.top, mode, 0, &batch)?;
        let mut weights = pass.random_gradients(stream);
        for (weight, (name, _)) in weights.iter_mut().zip(&pass.outputs.0) {
            if exempt.iter().any(|(port, _)| port == name) {
                *weight = None;
            }
        }
        if weights.iter().all(Option::is_none) {
            return skip("not exercised: no float output has a derivative as its gradient");
        }
        let inputs = pass.backward(&weights)?;
        let gradients = Gradients { inputs, parameters: made.gradients()? };
        Ok(Self { made, mode, batch, weights, start, gradients })
    }

    fn places(&self, exempt: &[(&str, &str)]) -> Vec<Place> {
        let inputs = self.batch.0.iter().filter(|(name, array)| {
            array.as_f32().is_some_and(|values| !values.is_empty())
                && !exempt.iter().any(|(port, _)| port == name)
        });
        let mut places: Vec<Place> = inputs.map(|(name, _)| Place::Input(name.clone())).collect();
        let mut tensors = self.tensors();
        if tensors.is_empty() {
            return places;
        }
        places.push(Place::AllParameters);
        // Always the same ones, so that every draw looks at what the last one left open.
        tensors.truncate(TENSORS);
        places.extend(tensors.into_iter().map(|(part, path)| Place::Parameter(part, path)));
        places
    }

    /// Trainable tensors of all parts, those of the component first.
    fn tensors(&self) -> Vec<(usize, String)> {
        let mut list = Vec::new();
        if self.gradients.parameters.is_none() {
            return list;
        }
        for (index, (_, part)) in self.made.parts.iter().enumerate() {
            for parameter in part.parameters().into_result().into_iter().flatten() {
                let stored =
                    self.start.get(index).is_some_and(|s| s.0.contains_key(&*parameter.path));
                if parameter.trainable && stored {
                    list.push((index, parameter.path.to_string()));
                }
            }
        }
        list
    }

    fn parameter_gradient(&self, part: usize, path: &str, count: usize) -> Vec<f32> {
        let place = &self.made.parts[part].0;
        let all = self.gradients.parameters.as_ref();
        let found = all.and_then(|all| all.get(&format!("{place}{path}")));
        found.cloned().unwrap_or_else(|| vec![0.0; count])
    }

    fn value(&self, batch: &Batch) -> Result<Value, Stop> {
        let pass = forward(&self.made.top, self.mode, 0, batch)?;
        let (mut sum, mut squares) = (0.0, 0.0);
        for (weight, (_, output)) in self.weights.iter().zip(&pass.outputs.0) {
            let (Some(weight), Some(output)) = (weight, output.as_f32()) else { continue };
            for (weight, output) in weight.numbers().iter().zip(output) {
                let term = weight * f64::from(*output);
                sum += term;
                squares += term * term;
            }
        }
        Ok(Value { sum, norm: squares.sqrt() })
    }

    /// Along several directions; the worst that was found.
    fn look(&self, place: &Place, stream: &mut Stream) -> Result<Agreement, Stop> {
        let moved = self.moved(place);
        let gradient: Vec<f64> =
            moved.iter().flat_map(|m| m.gradient.iter().map(|&g| f64::from(g))).collect();
        if gradient.iter().any(|value| !value.is_finite()) {
            return fail(format!("the gradient of {place} is not finite"));
        }
        let scales: Vec<f64> =
            moved.iter().flat_map(|m| std::iter::repeat_n(m.scale, m.values.len())).collect();
        let mut worst = Agreement::Agrees;
        for number in 0..=DIRECTIONS {
            let direction = if number == 0 {
                along(&gradient, &scales)
            } else {
                scales.iter().map(|scale| scale * stream.normal()).collect()
            };
            let found = self.along(place, &moved, &gradient, &direction)?;
            match found {
                Agreement::Agrees => {}
                Agreement::Differs { .. } => return Ok(found),
                Agreement::Unclear => worst = found,
            }
        }
        Ok(worst)
    }

    fn along(
        &self,
        place: &Place,
        moved: &[Moved],
        gradient: &[f64],
        direction: &[f64],
    ) -> Result<Agreement, Stop> {
        let at = |h: f64| -> Vec<f32> {
            let base = moved.iter().flat_map(|m| m.values.iter());
            base.zip(direction).map(|(&x, v)| (f64::from(x) + h * v) as f32).collect()
        };
        let products = gradient.iter().zip(direction).map(|(g, v)| (g * v).powi(2));
        let size = products.sum::<f64>().sqrt();
        let change = |h: f64| {
            let both = at(h).into_iter().zip(at(-h));
            both.zip(gradient).map(|((up, down), g)| g * (f64::from(up) - f64::from(down))).sum()
        };
        let value = |h: f64| self.value_at(place, moved, &at(h));
        let found = compare(size, value, change);
        self.restore(place)?;
        found
    }

    fn value_at(&self, place: &Place, moved: &[Moved], values: &[f32]) -> Result<Value, Stop> {
        if let Place::Input(name) = place {
            let mut batch = self.batch.clone();
            if let Some(array) = batch.get_mut(name) {
                *array = Array::f32(values.to_vec(), &array.shape);
            }
            return self.value(&batch);
        }
        let mut states = self.start.to_vec();
        let mut rest = values;
        for moved in moved {
            let (own, more) = rest.split_at(moved.values.len());
            states[moved.part].set(&moved.path, own);
            rest = more;
        }
        for (part, state) in states.iter().enumerate() {
            if moved.iter().any(|moved| moved.part == part) {
                self.made.restore(part, state)?;
            }
        }
        self.value(&self.batch)
    }

    /// Puts the parameters back.
    fn restore(&self, place: &Place) -> Result<(), Stop> {
        if matches!(place, Place::Input(_)) {
            return Ok(());
        }
        for (part, state) in self.start.iter().enumerate().filter(|(_, state)| !state.0.is_empty())
        {
            self.made.restore(part, state)?;
        }
        Ok(())
    }

    fn moved(&self, place: &Place) -> Vec<Moved> {
        let parameter = |(part, path): (usize, String)| {
            let values = self.start[part].values(&path);
            let gradient = self.parameter_gradient(part, &path, values.len());
            let squares: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
            // A bias that starts at zero moves by tenths.
            let scale = (squares / values.len().max(1) as f64).sqrt();
            let scale = if scale > 1e-3 { scale } else { 0.1 };
            Moved { part, path, values, gradient, scale }
        };
        match place {
            Place::Input(name) => {
                let at = self.batch.0.iter().position(|(known, _)| known == name).unwrap_or(0);
                let values = self.batch.0[at].1.as_f32().unwrap_or(&[]).to_vec();
                let gradient = self.gradients.inputs.get(at).cloned().flatten();
                let gradient = gradient.and_then(|array| array.as_f32().map(<[f32]>::to_vec));
                let gradient = gradient.unwrap_or_else(|| vec![0.0; values.len()]);
                vec![Moved { part: 0, path: name.clone(), values, gradient, scale: 1.0 }]
            }
            Place::Parameter(part, path) => vec![parameter((*part, path.clone()))],
            Place::AllParameters => self.tensors().into_iter().map(parameter).collect(),
        }
    }
}

/// One tensor that is moved.
struct Moved {
    part: usize,
    path: String,
    values: Vec<f32>,
    gradient: Vec<f32>,
    scale: f64,
}

/// The gradient as a direction, as long as a random one.
fn along(gradient: &[f64], scales: &[f64]) -> Vec<f64> {
    let length = |list: &[f64]| list.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (own, wanted) = (length(gradient), length(scales));
    if own == 0.0 { scales.to_vec() } else { gradient.iter().map(|g| g * wanted / own).collect() }
}
