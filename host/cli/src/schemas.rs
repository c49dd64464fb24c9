//! The catalog as the source of config schemas.

use ablate_catalog::{Catalog, Error, Kind};
use ablate_config::{ComponentSchema, Schemas, SlotSchema, Unknown};
use std::cell::{Cell, RefCell};

/// What the catalog knows about components; remembers what went wrong beside unknown names.
pub(crate) struct CatalogSchemas<'a> {
    catalog: &'a Catalog,
    unknown: Cell<bool>,
    other: RefCell<Option<Error>>,
}

impl<'a> CatalogSchemas<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, unknown: Cell::new(false), other: RefCell::new(None) }
    }

    /// Whether a name was asked for that no plugin has.
    pub(crate) fn met_unknown(&self) -> bool {
        self.unknown.get()
    }

    /// The first error that was not an unknown name, such as a name that two plugins export.
    pub(crate) fn take_error(&self) -> Option<Error> {
        self.other.borrow_mut().take()
    }
}

impl Schemas for CatalogSchemas<'_> {
    fn component(
        &self,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<ComponentSchema, Unknown> {
        let kind = kind.parse().unwrap_or(Kind::Unknown);
        match self.catalog.resolve(kind, name, role) {
            Ok(found) => Ok(ComponentSchema {
                schema: found.component.schema.clone(),
                defaults: found.component.defaults.clone(),
                slots: found
                    .component
                    .slots
                    .iter()
                    .map(|slot| SlotSchema {
                        name: slot.name.clone(),
                        role: slot.role.clone(),
                        optional: slot.optional,
                        many: slot.many,
                        default: slot.default.clone(),
                    })
                    .collect(),
            }),
            Err(Error::Unknown(unknown)) => {
                self.unknown.set(true);
                let elsewhere = unknown.elsewhere.iter().map(|place| {
                    let role =
                        place.role.as_ref().map_or(String::new(), |r| format!(" of role `{r}`"));
                    format!(
                        "`{name}` exists as a {}{role} in plugin `{}`",
                        place.kind, place.plugin
                    )
                });
                let broken = unknown.broken.iter().map(|broken| {
                    format!("`{}` (left out: {})", broken.file.display(), broken.message)
                });
                Err(Unknown {
                    near: unknown.near.clone(),
                    known: unknown.known.clone(),
                    searched: unknown
                        .searched
                        .iter()
                        .map(ToString::to_string)
                        .chain(broken)
                        .collect(),
                    elsewhere: Some(elsewhere.collect::<Vec<_>>().join("; "))
                        .filter(|text| !text.is_empty()),
                })
            }
            Err(error) => {
                self.other.borrow_mut().get_or_insert(error);
                Err(Unknown::default())
            }
        }
    }
}
