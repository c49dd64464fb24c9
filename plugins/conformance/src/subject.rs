//! The component that is being checked, under one configuration: how to make it, and inputs that
//! it takes.

use crate::array::Batch;
use crate::contract::{Contract, Sizes};
use crate::drive::{EVAL, GRAPH, Made, Mode, TRAIN, forward, present};
use crate::kit::Kit;
use crate::roster::Listed;
use crate::sample::{Stream, Wish, batch};
use crate::slots::Recipe;
use crate::verdict::{Stop, fail, skip, told};
use ablate_abi::v1::{Component, ErrorKind, OwnedMetric, SharedDataset, share};
use serde_json::Value;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

/// One component under one configuration.
pub(crate) struct Subject<'k> {
    pub(crate) kit: &'k Kit,
    pub(crate) listed: &'k Listed,
    pub(crate) config: Value,
    /// Whether the configuration is more than the defaults.
    pub(crate) given: bool,
    bound: OnceCell<BTreeMap<String, usize>>,
    settled: OnceCell<Settled>,
    notes: RefCell<Vec<String>>,
}

/// What random inputs have to be like for the component to take them.
#[derive(Clone, Copy, Debug)]
struct Settled {
    below: Option<usize>,
    multiple: Option<usize>,
}

/// How large a batch is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent<'a> {
    /// Two or three rows, a few of everything else.
    Small,
    /// Anything from 1 to 9.
    Random,
    /// Tens of everything but rows.
    Long,
    /// As `Random`, with this symbol at 1.
    One(&'a str),
}

impl<'k> Subject<'k> {
    pub(crate) fn new(kit: &'k Kit, listed: &'k Listed, config: &Value, given: bool) -> Self {
        let config = if config.is_null() { Value::Null } else { listed.complete(config) };
        Self {
            kit,
            listed,
            config,
            given,
            bound: OnceCell::new(),
            settled: OnceCell::new(),
            notes: RefCell::default(),
        }
    }

    /// A stream of random numbers for one purpose.
    pub(crate) fn stream(&self, purpose: &str) -> Stream {
        Stream::new(&[self.listed.kind_name(), &self.listed.name, purpose])
    }

    /// The contract as described for the configuration.
    pub(crate) fn described(&self) -> Result<Contract, Stop> {
        let text = self.listed.describe(self.kit.root, &self.config)?;
        Contract::read(&text).or_else(|error| fail(format!("its contract is broken: {error}")))
    }

    /// The contract with the sizes of the data that instances are made with.
    pub(crate) fn contract(&self) -> Result<Contract, Stop> {
        Ok(self.described()?.bound(self.bound()?))
    }

    /// Sizes of the data that the component can be made with.
    pub(crate) fn bound(&self) -> Result<&BTreeMap<String, usize>, Stop> {
        if self.bound.get().is_none() {
            let found = self.find_bound(0)?;
            return Ok(self.bound.get_or_init(|| found));
        }
        Ok(self.bound.get_or_init(BTreeMap::new))
    }

    /// Tries sizes until the component can be made; another `variant` tries other sizes.
    pub(crate) fn find_bound(&self, variant: u64) -> Result<BTreeMap<String, usize>, Stop> {
        let contract = self.described()?;
        let data = contract.data_symbols();
        let inputs = contract.input_symbols();
        let answers = contract.outputs.iter().filter(|port| port.is_float());
        let answers = answers.filter_map(|port| port.shape.last().and_then(|dim| dim.symbol()));
        let answers: Vec<&str> = answers.filter(|symbol| !inputs.contains(symbol)).collect();
        let wide = [data.clone(), answers].concat();
        let all = inputs.get(1..).unwrap_or(&[]).to_vec();
        let mut stream = self.stream(&format!("sizes of the data {variant}"));
        let mut first = None;
        for symbols in [data, wide, all] {
            for fixed in [None, Some(8), Some(64)] {
                let size = |_| fixed.unwrap_or_else(|| stream.between(3, 9));
                let sizes: Vec<usize> = symbols.iter().map(size).collect();
                let named = symbols.iter().map(ToString::to_string);
                let bound: BTreeMap<String, usize> = named.zip(sizes).collect();
                match self.make(&bound, 1, "check") {
                    Ok(_) => return Ok(bound),
                    Err(stop) => {
                        first.get_or_insert(stop);
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| Stop::Failed("it cannot be made".to_owned())))
    }

    fn make(
        &self,
        bound: &BTreeMap<String, usize>,
        seed: u64,
        path: &str,
    ) -> Result<(Component, Vec<(String, ablate_abi::v1::SharedDifferentiable)>), Stop> {
        let recipe = Recipe {
            kit: self.kit,
            root: self.kit.root,
            roster: &self.kit.roster,
            listed: self.listed,
            config: &self.config,
            bound,
            path,
            seed,
            depth: 0,
        };
        let (mut parts, mut notes) = (Vec::new(), Vec::new());
        let component = recipe.make(&mut parts, &mut notes)?;
        *self.notes.borrow_mut() = notes;
        Ok((component, parts))
    }

    /// What is in the slots of the instances.
    pub(crate) fn notes(&self) -> String {
        self.notes.borrow().join(", ")
    }

    /// A new instance of a model, block or loss.
    pub(crate) fn create(&self, seed: u64, path: &str) -> Result<Made, Stop> {
        self.create_with(self.bound()?, seed, path)
    }

    pub(crate) fn create_with(
        &self,
        bound: &BTreeMap<String, usize>,
        seed: u64,
        path: &str,
    ) -> Result<Made, Stop> {
        let (component, inner) = self.make(bound, seed, path)?;
        let top = present(component.differentiable, self.listed.kind_name())?;
        let mut parts = vec![(String::new(), share(&top))];
        parts.extend(inner);
        Ok(Made { top, parts })
    }

    /// A new dataset.
    pub(crate) fn dataset(&self) -> Result<SharedDataset, Stop> {
        present(self.make(self.bound()?, 1, "dataset")?.0.dataset, "dataset")
    }

    /// A new metric.
    pub(crate) fn metric(&self) -> Result<OwnedMetric, Stop> {
        present(self.make(self.bound()?, 1, "metric")?.0.metric, "metric")
    }

    /// Sizes for every symbol of `contract`.
    pub(crate) fn sizes(
        &self,
        contract: &Contract,
        extent: Extent<'_>,
        stream: &mut Stream,
    ) -> Sizes {
        sizes_of(contract, extent, self.multiple(), stream)
    }

    /// The number that sizes of a batch have to be a multiple of, if random ones will not do.
    pub(crate) fn multiple(&self) -> Option<usize> {
        self.settled.get().and_then(|settled| settled.multiple)
    }

    /// The wish for inputs that the component takes.
    pub(crate) fn wish(&self) -> Wish {
        Wish { below: self.settled.get().and_then(|settled| settled.below), ..Wish::default() }
    }

    /// Random inputs.
    pub(crate) fn batch(&self, extent: Extent<'_>, stream: &mut Stream) -> Result<Batch, Stop> {
        let contract = self.contract()?;
        let sizes = self.sizes(&contract, extent, stream);
        Ok(batch(&contract, &sizes, &self.wish(), stream))
    }

    /// Finds out what random inputs have to be like, by asking with `takes`.
    ///
    /// Errors of kind `data` are no fault of the component: random numbers are not always data.
    pub(crate) fn settle(
        &self,
        mut takes: impl FnMut(&Batch) -> Result<(), ablate_abi::v1::PluginError>,
    ) -> Result<(), Stop> {
        if self.settled.get().is_some() {
            return Ok(());
        }
        let contract = self.contract()?;
        let mut refusal = None;
        for multiple in [None, Some(8), Some(16), Some(32), Some(64)] {
            for below in [None, Some(2), Some(1)] {
                let mut stream = self.stream("settling");
                let sizes = sizes_of(&contract, Extent::Small, multiple, &mut stream);
                let wish = Wish { below, ..Wish::default() };
                let batch = batch(&contract, &sizes, &wish, &mut stream);
                match takes(&batch) {
                    Ok(()) => {
                        let _ = self.settled.set(Settled { below, multiple });
                        return Ok(());
                    }
                    Err(error) if error.kind == ErrorKind::DATA => {
                        refusal.get_or_insert(error);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let text = refusal.map_or_else(String::new, |error| told(&error));
        skip(format!("not exercised: it takes no random inputs: {text}"))
    }

    /// An instance with inputs that it takes.
    pub(crate) fn ready(&self, stream: &mut Stream) -> Result<(Made, Batch), Stop> {
        let made = self.create(1, "check")?;
        self.settle(|batch| forward(&made.top, EVAL, 0, batch).map(drop))?;
        let batch = self.batch(Extent::Small, stream)?;
        Ok((made, batch))
    }
}

/// A way to ask for a graph in which equal calls give equal outputs: as in training if that
/// changes nothing, else as in evaluation.
pub(crate) fn still(made: &Made, batch: &Batch) -> Result<Mode, Stop> {
    for mode in [TRAIN, GRAPH] {
        let first = forward(&made.top, mode, 0, batch)?.outputs;
        let second = forward(&made.top, mode, 0, batch)?.outputs;
        let third = forward(&made.top, mode, 0, batch)?.outputs;
        if first.difference(&second).is_none() && second.difference(&third).is_none() {
            return Ok(mode);
        }
    }
    skip("not exercised: equal calls with a graph never give equal outputs")
}

fn sizes_of(
    contract: &Contract,
    extent: Extent<'_>,
    multiple: Option<usize>,
    stream: &mut Stream,
) -> Sizes {
    let mut sizes = Sizes::default();
    for (at, symbol) in contract.input_symbols().into_iter().enumerate() {
        // The first symbol is the number of rows.
        let size = match (at, extent) {
            (_, Extent::One(one)) if one == symbol => 1,
            (0, Extent::Small | Extent::Long) => stream.between(2, 3),
            (0, _) => stream.between(1, 5),
            (_, extent) => match (multiple, extent) {
                (Some(multiple), _) => multiple * stream.between(1, 2),
                (None, Extent::Small) => stream.between(3, 5),
                (None, Extent::Long) => stream.between(20, 40),
                (None, _) => stream.between(1, 9),
            },
        };
        sizes.symbols.insert(symbol.to_owned(), size);
    }
    sizes.any = (0..stream.between(1, 3)).map(|_| stream.between(2, 4)).collect();
    sizes
}
