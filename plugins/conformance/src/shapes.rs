//! Checks that a component can be made, and that its outputs are what its contract says.

use crate::contract::{Contract, Sizes};
use crate::drive::{EVAL, Made, Mode, Pass, TRAIN, forward};
use crate::sample::{Stream, Wish, batch};
use crate::subject::{Extent, Subject};
use crate::verdict::{Answer, Stop, fail, skip, told};
use ablate_abi::v1::{Call, DType, ErrorKind};
use std::collections::BTreeSet;

/// It can be made, describes its parameters, and its instances have a contract.
pub(crate) fn create(subject: &Subject<'_>) -> Answer {
    let made = subject.create(1, "check").map_err(|stop| incomplete(subject, stop))?;
    let contract = made.top.contract().into_result()?;
    Contract::read(&contract)
        .map_err(|error| Stop::Failed(format!("the contract of an instance is broken: {error}")))?;
    if made.top.live_contexts() != 0 {
        return fail(format!("a new instance has {} live contexts", made.top.live_contexts()));
    }
    let (mut count, mut seen) = (0, BTreeSet::new());
    let parameters = made.top.parameters().into_result()?;
    for parameter in &parameters {
        if parameter.path.is_empty() || !seen.insert(parameter.path.to_string()) {
            return fail(format!("two parameters are called `{}`", parameter.path));
        }
        if parameter.group.is_empty() {
            return fail(format!("parameter `{}` is in no group", parameter.path));
        }
        count += parameter.shape.iter().product::<u64>();
    }
    let notes = subject.notes();
    let notes = if notes.is_empty() { notes } else { format!("; {notes}") };
    Ok(format!("{} parameter tensors of {count} numbers{notes}", parameters.len()))
}

/// Defaults need not be enough: that is no fault, but then nothing can be checked.
pub(crate) fn incomplete(subject: &Subject<'_>, stop: Stop) -> Stop {
    match stop {
        Stop::Refused(error)
            if !subject.given && matches!(error.kind, ErrorKind::CONFIG | ErrorKind::DATA) =>
        {
            let why = told(&error);
            Stop::Skipped(format!("not exercised: it cannot be made from its defaults: {why}"))
        }
        other => other,
    }
}

/// Outputs have the declared type and shape and are finite, over many sizes of batch.
pub(crate) fn shapes(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("shapes");
    subject.ready(&mut stream)?;
    let mut tally = Tally::default();
    for variant in 0..3 {
        let bound = subject.find_bound(variant)?;
        let contract = subject.described()?.bound(&bound);
        let made = subject.create_with(&bound, 1 + variant, "check")?;
        let symbols: Vec<String> =
            contract.input_symbols().into_iter().map(ToOwned::to_owned).collect();
        let mut extents = vec![Extent::Random, Extent::Random];
        if variant == 0 {
            extents.extend([Extent::Small, Extent::Long]);
            extents.extend(symbols.iter().map(|symbol| Extent::One(symbol)));
        }
        let look = Look { subject, contract: &contract, made: &made };
        for extent in extents {
            let sizes = subject.sizes(&contract, extent, &mut stream);
            for wish in look.wishes() {
                look.at(&sizes, &wish, &mut stream, &mut tally)?;
            }
        }
    }
    let text = format!("{} passes over {} sizes", tally.passes, tally.sizes.len());
    let refused = tally.refused.first().map_or_else(String::new, |(sizes, why)| {
        let count = tally.refused.len();
        format!("; {count} sizes were refused as data, such as {sizes}: {why}")
    });
    let text = text + &refused;
    if tally.passes == 0 {
        return skip(format!("not exercised: {text}"));
    }
    Ok(text)
}

#[derive(Default)]
struct Tally {
    passes: usize,
    sizes: BTreeSet<String>,
    refused: Vec<(String, String)>,
}

struct Look<'a, 'k> {
    subject: &'a Subject<'k>,
    contract: &'a Contract,
    made: &'a Made,
}

impl Look<'_, '_> {
    /// All inputs; only what is required; other integers; a row of nothing but padding.
    fn wishes(&self) -> Vec<Wish> {
        let plain = self.subject.wish();
        let mut wishes = vec![plain.clone()];
        let inputs = &self.contract.inputs;
        if inputs.iter().any(|port| port.optional) {
            wishes.push(Wish { optional: false, ..plain.clone() });
        }
        if inputs.iter().any(|port| port.dtype == "int") {
            wishes.push(Wish { integer: DType::I32, ..plain.clone() });
        }
        if inputs.iter().any(crate::contract::Port::is_mask) {
            wishes.push(Wish { empty_row: true, ..plain });
        }
        wishes
    }

    fn at(
        &self,
        sizes: &Sizes,
        wish: &Wish,
        stream: &mut Stream,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let batch = batch(self.contract, sizes, wish, stream);
        let shown = shown(sizes, wish);
        for mode in [EVAL, TRAIN] {
            let mut pass = match forward(&self.made.top, mode, 0, &batch) {
                Err(error) if error.kind == ErrorKind::DATA => {
                    tally.refused.push((shown.clone(), error.to_string()));
                    continue;
                }
                pass => pass.map_err(|error| Stop::from(error).at(&shown))?,
            };
            check_outputs(self.contract, sizes, &pass, mode).map_err(|stop| stop.at(&shown))?;
            if mode == TRAIN {
                let gradients = pass.random_gradients(stream);
                let answer = pass.backward(&gradients);
                let answer = answer.map_err(|error| Stop::from(error).at(&shown))?;
                for ((name, _), gradient) in batch.0.iter().zip(&answer) {
                    if let Some(gradient) = gradient
                        && !gradient.numbers().iter().all(|value| value.is_finite())
                    {
                        return fail(format!("{shown}: the gradient of `{name}` is not finite"));
                    }
                }
            }
            tally.passes += 1;
            tally.sizes.insert(shown.clone());
        }
        if let Some(gradients) = self.made.gradients()? {
            let wrong = |(_, values): &(&String, &Vec<f32>)| values.iter().any(|v| !v.is_finite());
            if let Some((name, _)) = gradients.iter().find(wrong) {
                return fail(format!("{shown}: the gradient of parameter `{name}` is not finite"));
            }
        }
        Ok(self.made.zero_grad()?)
    }
}

/// `B = 2, T = 1, the last row all padding`.
fn shown(sizes: &Sizes, wish: &Wish) -> String {
    let mut parts: Vec<String> =
        sizes.symbols.iter().map(|(symbol, size)| format!("{symbol} = {size}")).collect();
    if parts.is_empty() {
        parts.push(format!("... = {:?}", sizes.any));
    }
    if !wish.optional {
        parts.push("only required inputs".to_owned());
    }
    if wish.integer == DType::I32 {
        parts.push("32-bit integers".to_owned());
    }
    if wish.empty_row {
        parts.push("the last row all padding".to_owned());
    }
    parts.join(", ")
}

fn check_outputs(contract: &Contract, sizes: &Sizes, pass: &Pass, mode: Mode) -> Result<(), Stop> {
    let wanted = mode.flags & Call::WANT_CONTEXT != 0;
    if pass.context.is_some() != wanted {
        let text = if wanted { "no graph was kept" } else { "a graph was kept that nobody wanted" };
        return fail(text);
    }
    let mut sizes = sizes.clone();
    for port in &contract.outputs {
        let Some(array) = pass.outputs.get(&port.name) else {
            if port.optional {
                continue;
            }
            return fail(format!("output `{}` is missing", port.name));
        };
        let name = &port.name;
        if !port.admits(array.dtype()) {
            return fail(format!("output `{name}` is {}, which is not `{port}`", array.dtype()));
        }
        port.fits(&array.shape, &mut sizes)
            .map_err(|text| Stop::Failed(format!("output `{name}` {text}")))?;
        if array.is_float() && !array.numbers().iter().all(|value| value.is_finite()) {
            return fail(format!("output `{name}` holds NaN or infinity"));
        }
    }
    let mut names = BTreeSet::new();
    match pass.outputs.0.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => fail(format!("two outputs are called `{name}`")),
        None => Ok(()),
    }
}
