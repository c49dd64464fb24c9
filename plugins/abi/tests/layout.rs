//! The layout of every type of a published revision, compared with what was checked in.
//!
//! `ABLATE_WRITE_LAYOUT=1 cargo test -p ablate-abi --test layout` writes the file of a revision
//! that is in the making; it is named in `IN_THE_MAKING` until its golden library is checked in.

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::std_types::UTypeId;
use abi_stable::type_layout::{TLData, TLField, TypeLayout};
use ablate_abi::v1;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The revision that may still change, if there is one.
const IN_THE_MAKING: Option<&str> = None;

const ADVICE: &str = "published types never change: add a revision";

#[test]
fn revision_1_is_as_it_was_published() {
    if cfg!(not(target_pointer_width = "64")) {
        eprintln!("skipped: the stored layout is that of 64-bit machines");
        return;
    }
    let mut types = Types::default();
    types.add(<v1::Plugin_Ref as StableAbi>::LAYOUT);
    check("v1", &(types.text() + &numbers()));
}

/// The numbers and names that mean something on both sides.
fn numbers() -> String {
    use v1::{Call, DType, Device, ErrorKind, Kind, LogLevel, Tensor};
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Debug| {
        let _ = writeln!(text, "{name} = {value:?}");
    };
    line("REVISION", &v1::REVISION);
    line("SYMBOL_PREFIX", &v1::SYMBOL_PREFIX);
    line("version", &<v1::Plugin_Ref as RootModule>::VERSION_STRINGS.version);
    line("MAX_RANK", &v1::MAX_RANK);
    line("kinds", &Kind::NAMES);
    line("HINT", &v1::PluginError::HINT);
    line("Call flags", &[("TRAIN", Call::TRAIN), ("WANT_CONTEXT", Call::WANT_CONTEXT)]);
    line("Tensor flags", &[("NEEDS_GRAD", Tensor::NEEDS_GRAD), ("WRITABLE", Tensor::WRITABLE)]);
    line("Device::CPU", &Device::CPU);
    for (name, dtype) in [
        ("F32", DType::F32),
        ("F64", DType::F64),
        ("F16", DType::F16),
        ("BF16", DType::BF16),
        ("I64", DType::I64),
        ("I32", DType::I32),
        ("U8", DType::U8),
        ("BOOL", DType::BOOL),
    ] {
        line(&format!("DType::{name}"), &(dtype.code, dtype.bits, dtype.lanes));
    }
    for (name, level) in [
        ("ERROR", LogLevel::ERROR),
        ("WARN", LogLevel::WARN),
        ("INFO", LogLevel::INFO),
        ("DEBUG", LogLevel::DEBUG),
    ] {
        line(&format!("LogLevel::{name}"), &level.0);
    }
    for (name, kind) in [
        ("PANIC", ErrorKind::PANIC),
        ("CONFIG", ErrorKind::CONFIG),
        ("DATA", ErrorKind::DATA),
        ("CONTRACT", ErrorKind::CONTRACT),
        ("NOT_FINITE", ErrorKind::NOT_FINITE),
        ("CANCELLED", ErrorKind::CANCELLED),
        ("UNSUPPORTED", ErrorKind::UNSUPPORTED),
        ("STATE", ErrorKind::STATE),
        ("OTHER", ErrorKind::OTHER),
    ] {
        line(&format!("ErrorKind::{name}"), &kind.0);
    }
    text
}

/// Compares with `tests/layout/NAME.txt`.
fn check(revision: &str, found: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/layout/{revision}.txt"));
    if std::env::var_os("ABLATE_WRITE_LAYOUT").is_some() && IN_THE_MAKING == Some(revision) {
        std::fs::create_dir_all(file.parent().expect("a file lies in a folder")).expect("writable");
        std::fs::write(&file, found).expect("writable");
        return;
    }
    let expected = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (mut gone, mut new) = (String::new(), String::new());
    for line in expected.lines().filter(|line| !found.lines().any(|other| other == *line)) {
        let _ = writeln!(gone, "- {line}");
    }
    for line in found.lines().filter(|line| !expected.lines().any(|other| other == *line)) {
        let _ = writeln!(new, "+ {line}");
    }
    assert!(
        expected == found,
        "{revision} is not as in {}: {ADVICE}\n{gone}{new}(lines may also stand elsewhere)",
        file.display()
    );
}

/// Types by name, each with its lines.
#[derive(Default)]
struct Types {
    texts: BTreeMap<String, String>,
    seen: Vec<UTypeId>,
}

impl Types {
    /// Adds a type and all types that it is made of.
    fn add(&mut self, layout: &'static TypeLayout) {
        let id = layout.get_utypeid();
        if self.seen.contains(&id) {
            return;
        }
        self.seen.push(id);
        let name = format!("{}: {}", layout.package(), name(layout));
        let (size, alignment) = (layout.size(), layout.alignment());
        let mut text =
            format!("{name}\n  size {size}, alignment {alignment}, {:?}\n", layout.repr_attr());
        let mut fields: Vec<TLField> = Vec::new();
        match layout.data() {
            TLData::Primitive(primitive) => {
                let _ = writeln!(text, "  primitive {primitive:?}");
            }
            TLData::Opaque => text.push_str("  opaque\n"),
            TLData::Union { fields: of } => {
                text.push_str("  union\n");
                fields = of.iter().collect();
                list(&mut text, &fields, |_| Some(0));
            }
            TLData::Struct { fields: of } => {
                fields = of.iter().collect();
                let end = structure(&mut text, &fields);
                if !format!("{:?}", layout.repr_attr()).contains("Transparent") {
                    assert_eq!(end.next_multiple_of(alignment), size, "{text}");
                }
            }
            TLData::Enum(of) => {
                let _ = writeln!(text, "  enum {:?}", of.discriminants.discriminant_repr());
                for variant in of.variant_names_iter() {
                    let _ = writeln!(text, "    variant {variant}");
                }
                fields = of.fields.iter().collect();
                list(&mut text, &fields, |_| None);
            }
            TLData::PrefixType(of) => {
                let _ = writeln!(text, "  prefix of {} fields", of.first_suffix_field);
                fields = of.fields.iter().collect();
                structure(&mut text, &fields);
            }
        }
        for field in &fields {
            self.follow(field);
        }
        for field in layout.phantom_fields() {
            let _ = writeln!(text, "  phantom {}: {}", field.name(), shown(&field));
            self.follow(&field);
        }
        let numbered = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name} ({n})") });
        let free = |name: &String| self.texts.get(name).is_none_or(|other| *other == text);
        let place = numbered.into_iter().find(free).expect("numbers do not end");
        self.texts.insert(place, text);
    }

    fn follow(&mut self, field: &TLField) {
        self.add(field.layout());
        for function in field.function_range() {
            for parameter in function.param_type_layouts.iter() {
                self.add(parameter());
            }
            if let Some(result) = function.return_type_layout() {
                self.add(result());
            }
        }
    }

    fn text(&self) -> String {
        self.texts.values().fold(String::new(), |all, text| all + text + "\n")
    }
}

/// The name of a type with those of its parameters.
fn name(layout: &'static TypeLayout) -> String {
    let full = layout.full_type().to_string();
    let name = full.split_once('<').map_or(full.as_str(), |(name, _)| name).trim();
    if layout.package() == "ablate-abi" {
        // Each trait has its `VTable`, in a module that is named after the trait.
        let path = layout.mod_path().to_string();
        let owner = path.rsplit("::").find_map(|part| part.strip_suffix("_trait"));
        return match (name, owner) {
            ("VTable", Some(owner)) => format!("{owner} {name}"),
            _ => name.to_owned(),
        };
    }
    if layout.package() == "std" && !matches!(name, "PhantomData" | "Option") {
        return full.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let mut inner: Vec<String> = layout.phantom_fields().iter().map(|field| of(&field)).collect();
    match layout.data() {
        TLData::Enum(variants) => inner.extend(variants.fields.iter().map(|field| of(&field))),
        TLData::Struct { fields } => {
            for field in fields.iter() {
                match field.name() {
                    "_marker" => {
                        let marked = field.layout().phantom_fields();
                        inner.extend(marked.iter().map(|field| of(&field)));
                    }
                    "vtable" if name == "RObject" => inner.push(of(&field)),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    if inner.is_empty() { name.to_owned() } else { format!("{name}<{}>", inner.join(", ")) }
}

fn of(field: &TLField) -> String {
    name(field.layout())
}

/// Fields with their offsets, by the rule of `repr(C)`; gives the end of the last.
fn structure(text: &mut String, fields: &[TLField]) -> usize {
    let mut end = 0usize;
    list(text, fields, |field| {
        let offset = end.next_multiple_of(field.layout().alignment());
        end = offset + field.layout().size();
        Some(offset)
    });
    end
}

fn list(text: &mut String, fields: &[TLField], mut offset: impl FnMut(&TLField) -> Option<usize>) {
    for field in fields {
        let at = offset(field).map_or(String::new(), |offset| format!("{offset:4} "));
        let _ = writeln!(text, "  {at}{}: {}", field.name(), shown(field));
    }
}

/// The type of a field; of a function its signature.
fn shown(field: &TLField) -> String {
    let mut text = match of(field) {
        name if name == "AFunctionPointer" => String::new(),
        name => name + " ",
    };
    for function in field.function_range() {
        let parameter = |layout: extern "C" fn() -> &'static TypeLayout| name(layout());
        let parameters: Vec<String> = function.param_type_layouts.iter().map(parameter).collect();
        let _ = write!(text, "fn({})", parameters.join(", "));
        if let Some(result) = function.return_type_layout() {
            let _ = write!(text, " -> {}", parameter(result));
        }
        if function.fn_qualifs.is_unsafe() {
            text.push_str(" unsafe");
        }
        let lifetimes = function.paramret_lifetime_indices.to_vec();
        if !lifetimes.is_empty() {
            let _ = write!(text, " lifetimes {lifetimes:?}");
        }
    }
    text.trim_end().to_owned()
}
