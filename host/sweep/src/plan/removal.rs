//! Taking a slot's block or a loss out of the base spec.
//!
//! A slot is emptied by putting its null component there, which its component declares; an optional
//! slot without one is left empty. A loss is taken out whole.

use std::collections::BTreeMap;

use ablate_config::{
    ComponentSchema, ComponentSpec, Data, Experiment, KeyPath, Node, Origin, Removal, Resolver,
    Schemas, Segment, SlotSchema, SlotSpec, Spec, Tree, nearest,
};

use crate::error::Error;

/// Knows for every removal of a sweep what has to be set.
pub(super) struct Remover {
    /// The losses of the base spec.
    losses: Vec<String>,
    known: BTreeMap<KeyPath, Taken>,
}

/// What a removal comes to.
enum Taken {
    /// Keys to set.
    Set(Vec<(KeyPath, Node)>),
    /// An item of a list of blocks.
    Item { list: KeyPath, items: Vec<Node>, index: usize, instead: Option<Node>, origin: Origin },
}

impl Remover {
    pub(super) fn new(
        experiment: &Experiment,
        schemas: &dyn Schemas,
        resolver: &Resolver<'_>,
    ) -> Result<Self, Error> {
        let sweep = &experiment.sweep;
        let named = sweep.variants.iter().flat_map(|variant| &variant.remove);
        let wanted: Vec<&Removal> =
            sweep.leave_one_out.iter().chain(&sweep.add_one_in).chain(named).collect();
        let tree = experiment.tree();
        let mut remover = Self { losses: Vec::new(), known: BTreeMap::new() };
        if wanted.is_empty() {
            return Ok(remover);
        }
        // What can be removed is what is there, defaults included.
        let spec = resolver.resolve(&experiment.with(&[])?)?;
        remover.losses = spec.losses.iter().map(|loss| loss.name.clone()).collect();
        for removal in wanted {
            if !remover.known.contains_key(&removal.key) {
                let taken = Search { tree, spec: &spec, schemas, removal }.take()?;
                remover.known.insert(removal.key.clone(), taken);
            }
        }
        Ok(remover)
    }

    /// What has to be set so that all of `removals` are gone.
    pub(super) fn without(&self, removals: &[&Removal]) -> Result<Vec<(KeyPath, Node)>, Error> {
        if let Some(last) = removals.last()
            && let Some(left) = self.losses.len().checked_sub(removed_losses(removals))
            && left == 0
            && !self.losses.is_empty()
        {
            return Err(Error::CannotRemove {
                at: Box::new(last.at.clone()),
                problem: "without it no loss is left to train with".to_owned(),
                hints: vec![format!("the base spec has `loss.{}`", self.losses.join("`, `loss."))],
            });
        }
        let mut set = Vec::new();
        let mut lists: BTreeMap<&KeyPath, Shortened<'_>> = BTreeMap::new();
        for removal in removals {
            // What lies inside something that is removed goes with it.
            if removals.iter().any(|outer| lies_inside(&removal.key, &outer.key)) {
                continue;
            }
            match &self.known[&removal.key] {
                Taken::Set(entries) => set.extend(entries.iter().cloned()),
                Taken::Item { list, items, index, instead, origin } => {
                    let new = Shortened { items, origin, removed: Vec::new() };
                    let shortened = lists.entry(list).or_insert(new);
                    shortened.removed.push((*index, instead.as_ref()));
                }
            }
        }
        set.extend(lists.into_iter().map(|(list, shortened)| (list.clone(), shortened.node())));
        Ok(set)
    }
}

/// A list of blocks without some of its items.
struct Shortened<'a> {
    items: &'a [Node],
    origin: &'a Origin,
    /// Which, and what stands there instead.
    removed: Vec<(usize, Option<&'a Node>)>,
}

impl Shortened<'_> {
    fn node(&self) -> Node {
        let kept = self.items.iter().enumerate().filter_map(|(index, item)| {
            match self.removed.iter().find(|(removed, _)| *removed == index) {
                Some((_, instead)) => instead.cloned(),
                None => Some(item.clone()),
            }
        });
        Node { data: Data::List(kept.collect()), origin: self.origin.clone() }
    }
}

fn removed_losses(removals: &[&Removal]) -> usize {
    let is_loss = |removal: &&&Removal| {
        removal.key.first() == Some("loss") && removal.key.segments().len() == 2
    };
    removals.iter().filter(is_loss).count()
}

fn lies_inside(inner: &KeyPath, outer: &KeyPath) -> bool {
    inner != outer && inner.segments().starts_with(outer.segments())
}

/// The way from the root of an experiment to what is removed.
struct Search<'a> {
    tree: &'a Tree,
    spec: &'a Spec,
    schemas: &'a dyn Schemas,
    removal: &'a Removal,
}

impl Search<'_> {
    fn take(&self) -> Result<Taken, Error> {
        let root = KeyPath::root();
        let segments = self.removal.key.segments();
        let (first, rest) = segments.split_first().expect("a parsed key is not empty");
        let name = match rest.first() {
            Some(Segment::Key(name)) => Some(name.as_str()),
            _ => None,
        };
        let first = match first {
            Segment::Key(first) => first.as_str(),
            Segment::Index(_) => "",
        };
        match (first, name) {
            ("model", Some(_)) => {
                self.inside(&self.spec.model, ("model", None), root.child("model"), rest)
            }
            ("dataset", Some(_)) => {
                self.inside(&self.spec.dataset, ("dataset", None), root.child("dataset"), rest)
            }
            ("loss", Some(name)) => {
                let Some(loss) = self.spec.losses.iter().find(|loss| loss.name == name) else {
                    let names = self.spec.losses.iter().map(|loss| loss.name.as_str());
                    return Err(self.no_such("loss", name, names.collect()));
                };
                let path = root.child("loss").child(name);
                if rest.len() == 1 {
                    let data = Data::Bool(false);
                    return Ok(Taken::Set(vec![(path, self.node(data))]));
                }
                self.inside(&loss.component, ("loss", None), path, &rest[1..])
            }
            ("blocks", Some(name)) if rest.len() > 1 => {
                let Some(block) = self.spec.blocks.get(name) else {
                    let names = self.spec.blocks.keys().map(String::as_str).collect();
                    return Err(self.no_such("shared block", name, names));
                };
                self.inside(block, ("block", None), root.child("blocks").child(name), &rest[1..])
            }
            ("blocks", _) => Err(self.refuse(
                "a shared block has no place of its own".to_owned(),
                vec!["remove it from the slots that hold it, such as `model.pooling`".to_owned()],
            )),
            _ => Err(self.refuse(
                format!("an experiment needs its {first}"),
                vec![format!("name one of its slots: `{first}.SLOT`")],
            )),
        }
    }

    /// What `rest` names in the component at `path`.
    fn inside(
        &self,
        component: &ComponentSpec,
        (kind, role): (&str, Option<&str>),
        path: KeyPath,
        rest: &[Segment],
    ) -> Result<Taken, Error> {
        let known = self
            .schemas
            .component(kind, &component.name, role)
            .map_err(|_| self.refuse(format!("`{}` is not known", component.name), Vec::new()))?;
        let (Some(Segment::Key(name)), after) = (rest.first(), &rest[1..]) else {
            return Err(self.refuse(format!("`{path}` is no list"), Vec::new()));
        };
        let Some(slot) = known.slots.iter().find(|slot| slot.name == *name) else {
            return Err(self.no_slot(component, &known, name));
        };
        let path = path.child(name.as_str());
        let Some(filling) = component.slots.get(name) else {
            return Err(self.refuse(format!("`{path}` is empty already"), Vec::new()));
        };
        let place = Place { component: &component.name, slot, path };
        match after {
            [] => self.empty(&place).map(Taken::Set),
            [Segment::Index(index)] => self.item(&place, filling, *index),
            [Segment::Index(index), after @ ..] => match filling {
                SlotSpec::Many(items) if *index < items.len() => Err(self.refuse(
                    format!(
                        "what lies inside an item of the list `{}` cannot be removed alone",
                        place.path
                    ),
                    vec![format!(
                        "give the block a place of its own: `[blocks.NAME]`, and `{{ ref = \
                             \"blocks.NAME\" }}` in the list; then remove `blocks.NAME.{}`",
                        after.first().map_or(String::new(), show)
                    )],
                )),
                _ => self.item(&place, filling, *index),
            },
            _ => match filling {
                SlotSpec::One(inner) => {
                    let role = Some(slot.role.as_str());
                    let taken = self.inside(inner, ("block", role), place.path.clone(), after)?;
                    Ok(self.on_default(&place, taken))
                }
                SlotSpec::Ref(name) => Err(self.refuse(
                    format!("`{}` holds the shared block `blocks.{name}`", place.path),
                    vec![format!("write `blocks.{name}` in the place of `{}`", place.path)],
                )),
                SlotSpec::Many(_) => Err(self.refuse(
                    format!("`{}` holds a list", place.path),
                    vec![format!("name an item: `{}[0]`", place.path)],
                )),
            },
        }
    }

    /// What empties a slot.
    fn empty(&self, place: &Place<'_>) -> Result<Vec<(KeyPath, Node)>, Error> {
        let Place { slot, path, .. } = place;
        let node = match &slot.null {
            Some(null) => {
                let null = Node::from_json(null, &self.removal.at.origin);
                if slot.many { self.node(Data::List(vec![null])) } else { null }
            }
            None if slot.optional && slot.many => self.node(Data::List(Vec::new())),
            None if slot.optional => self.node(Data::Bool(false)),
            None => return Err(self.no_null(place)),
        };
        Ok(vec![(path.clone(), node)])
    }

    /// What takes an item out of a list of blocks.
    fn item(&self, place: &Place<'_>, filling: &SlotSpec, index: usize) -> Result<Taken, Error> {
        let Place { slot, path, .. } = place;
        let SlotSpec::Many(known) = filling else {
            let hints = vec![format!("write `{path}`")];
            return Err(self.refuse(format!("`{path}` holds one block, not a list"), hints));
        };
        let default = || slot.default.as_ref().map(|json| Node::from_json(json, &Origin::Spec));
        let node = self.tree.get(path).cloned().or_else(default);
        let Some(Node { data: Data::List(items), .. }) = node else {
            return Err(self.refuse(format!("`{path}` is no list"), Vec::new()));
        };
        if index >= items.len() {
            let problem = format!("`{path}` has {} items, counted from 0", known.len());
            return Err(self.refuse(problem, Vec::new()));
        }
        let origin = self.removal.at.origin.clone();
        let instead = slot.null.as_ref().map(|null| Node::from_json(null, &origin));
        if instead.is_none() && !slot.optional && items.len() == 1 {
            return Err(self.no_null(place));
        }
        Ok(Taken::Item { list: path.clone(), items, index, instead, origin })
    }

    /// What is removed inside a block that nobody wrote down needs that block to be written down.
    fn on_default(&self, place: &Place<'_>, taken: Taken) -> Taken {
        let (Taken::Set(inner), Some(default), None) =
            (&taken, &place.slot.default, self.tree.get(&place.path))
        else {
            return taken;
        };
        let default = Node::from_json(default, &self.removal.at.origin);
        let outer = (place.path.clone(), default);
        Taken::Set(std::iter::once(outer).chain(inner.iter().cloned()).collect())
    }

    fn node(&self, data: Data) -> Node {
        Node { data, origin: self.removal.at.origin.clone() }
    }

    fn refuse(&self, problem: String, hints: Vec<String>) -> Error {
        let problem = format!("`{}` cannot be removed: {problem}", self.removal.key);
        Error::CannotRemove { at: Box::new(self.removal.at.clone()), problem, hints }
    }

    fn no_null(&self, place: &Place<'_>) -> Error {
        let Place { component, slot, path } = place;
        let (name, role) = (&slot.name, &slot.role);
        self.refuse(
            format!(
                "slot `{name}` of `{component}` must hold a block of role `{role}`, and declares \
                 no null component"
            ),
            vec![
                format!("to try other blocks there, write `one_at_a_time = {{ \"{path}\" = [{{ use = \"…\" }}] }}`"),
                format!(
                    "whoever writes `{component}` can declare one: `SlotSpec::new(\"{name}\", …)\
                     .null_block(\"…\")`, or `.optional()`"
                ),
            ],
        )
    }

    fn no_slot(&self, component: &ComponentSpec, known: &ComponentSchema, name: &str) -> Error {
        let slots = || known.slots.iter().map(|slot| slot.name.as_str());
        let mut hints: Vec<String> = nearest(name, slots())
            .into_iter()
            .map(|near| format!("did you mean `{near}`?"))
            .collect();
        let used = &component.name;
        hints.push(match slots().collect::<Vec<_>>().join("`, `") {
            slots if slots.is_empty() => format!("`{used}` has no slots"),
            slots => format!("slots of `{used}`: `{slots}`"),
        });
        if component.config.get(name).is_some() {
            let key = &self.removal.key;
            hints.push(format!(
                "to try other values of it, write `one_at_a_time = {{ \"{key}\" = […] }}`"
            ));
        }
        self.refuse(format!("`{used}` has no slot `{name}`"), hints)
    }

    fn no_such(&self, what: &str, name: &str, known: Vec<&str>) -> Error {
        let near = nearest(name, known.iter().copied());
        let mut hints: Vec<String> =
            near.into_iter().map(|near| format!("did you mean `{near}`?")).collect();
        if !known.is_empty() {
            hints.push(format!("there are `{}`", known.join("`, `")));
        }
        self.refuse(format!("there is no {what} `{name}`"), hints)
    }
}

/// A slot of a component.
struct Place<'a> {
    component: &'a str,
    slot: &'a SlotSchema,
    path: KeyPath,
}

fn show(segment: &Segment) -> String {
    match segment {
        Segment::Key(key) => key.clone(),
        Segment::Index(index) => index.to_string(),
    }
}
