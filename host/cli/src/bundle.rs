//! `ablate bundle`: runs, the sweep that they belong to, and the libraries that they used, in one file
//! that `ablate --bundle FILE` opens on another machine.
//!
//! The file is a gzipped tar archive of a home folder: `bundle.json`, `sweeps/`, `runs/`, `store/`.

use crate::arguments::{BundleArguments, Format};
use crate::failure::Failure;
use crate::{lineage, printer, reference, workplace};
use ablate_catalog::{Store as Libraries, file_sha256};
use ablate_runs::{Run, Status, Store, SweepRecord};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Form of a bundle.
const VERSION: u32 = 1;
const ABOUT: &str = "bundle.json";

/// What a bundle says about itself.
#[derive(Serialize, Deserialize)]
struct About {
    version: u32,
    ablate: String,
    /// The experiment, if all of one was bundled.
    experiment: Option<String>,
    runs: Vec<String>,
    libraries: Vec<String>,
    checkpoints: bool,
}

pub(crate) fn bundle(arguments: &BundleArguments) -> Result<u8, Failure> {
    let (store, record, runs) = chosen(&arguments.what)?;
    let runs = lineage::with_origins(&store, runs)?;
    let mut libraries: BTreeMap<String, PathBuf> = BTreeMap::new();
    for run in &runs {
        for (sha256, path) in used(run, &store)? {
            libraries.insert(sha256, path);
        }
    }
    let name = record.as_ref().map_or_else(
        || runs.first().map_or(String::new(), |run| run.id().to_string()),
        |record| record.experiment.replace(['/', ':'], "-"),
    );
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.ablate")));
    let about = About {
        version: VERSION,
        ablate: env!("CARGO_PKG_VERSION").to_owned(),
        experiment: record.as_ref().map(|record| record.experiment.clone()),
        runs: runs.iter().map(|run| run.id().to_string()).collect(),
        libraries: libraries.keys().cloned().collect(),
        checkpoints: arguments.checkpoints,
    };
    write(&out, &store, &about, record.as_ref(), &runs, &libraries)?;
    let bytes = fs_err::metadata(&out)?.len();
    if arguments.format == Format::Json {
        printer::json(&json!({ "file": out, "bytes": bytes, "bundle": about }))?;
    } else {
        printer::data(&format!(
            "{}: {} runs, {} libraries, {} MiB",
            out.display(),
            runs.len(),
            libraries.len(),
            bytes.div_ceil(1 << 20)
        ));
    }
    let file = crate::table::quoted(&out.display().to_string());
    printer::note(&match &record {
        Some(record) => format!(
            "next: ablate --bundle {file} table {}",
            crate::table::quoted(&record.experiment)
        ),
        None => format!(
            "next: ablate --bundle {file} show {}",
            about.runs.first().map_or("", String::as_str)
        ),
    });
    Ok(0)
}

/// The finished runs of an experiment that was swept, or one run.
pub(crate) fn chosen(what: &str) -> Result<(Store, Option<SweepRecord>, Vec<Run>), Failure> {
    let store = workplace::store(None)?;
    let record = match store.last_sweep(what)? {
        None if Path::new(what).exists() => {
            let file = fs_err::canonicalize(what)?;
            let file = if file.is_dir() { file.join("experiment.toml") } else { file };
            let swept = store.sweeps()?.into_iter().find_map(|sweep| {
                let record = store.last_sweep(&sweep.experiment).ok().flatten()?;
                (fs_err::canonicalize(&record.file).ok()? == file).then_some(record)
            });
            Some(swept.ok_or_else(|| {
                Failure::user(format!("`{what}` has not been swept"))
                    .hint(format!("next: ablate sweep {}", crate::table::quoted(what)))
            })?)
        }
        record => record,
    };
    let Some(record) = record else {
        let meant = reference::find(what).map_err(|failure| with_swept(failure, &store))?;
        return Ok((meant.store, None, vec![meant.run]));
    };
    let latest = store.latest(record.trials.iter().map(|trial| &trial.identity))?;
    let done = latest.values().filter(|run| run.status == Status::Done);
    let runs = done.map(|summary| store.run(&summary.id)).collect::<Result<Vec<_>, _>>()?;
    if runs.is_empty() {
        let failure = Failure::user(format!("no trial of `{}` is done", record.experiment));
        return Err(failure.hint(format!(
            "only finished runs are taken; next: ablate sweep {}",
            crate::table::quoted(&record.file.display().to_string())
        )));
    }
    Ok((store, Some(record), runs))
}

/// What else could have been named.
fn with_swept(failure: Failure, store: &Store) -> Failure {
    let sweeps = store.sweeps().unwrap_or_default();
    let names: BTreeSet<String> =
        sweeps.iter().map(|sweep| format!("`{}`", sweep.experiment)).collect();
    if names.is_empty() {
        return failure;
    }
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    failure.hint(format!("experiments that were swept: {names}"))
}

/// The libraries of a run by sha256.
fn used(run: &Run, store: &Store) -> Result<Vec<(String, PathBuf)>, Failure> {
    let manifest = run.manifest()?;
    let libraries = Libraries::new(store.home());
    let mut used = Vec::new();
    for plugin in manifest["plugins"].as_array().into_iter().flatten() {
        let field = |name: &str| plugin.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, sha256) = (field("name"), field("sha256"));
        let Some(path) = libraries.stored(sha256) else {
            return Err(Failure::user(format!(
                "run `{}` used plugin `{name}` ({}), which is no longer in the store",
                run.id(),
                sha256.get(..12).unwrap_or(sha256)
            ))
            .hint("without its libraries nothing can be reproduced from a bundle"));
        };
        if file_sha256(&path)? != sha256 {
            return Err(Failure::user(format!("`{}` is damaged", path.display()))
                .hint("remove it, and copy it again from where it came"));
        }
        used.push((sha256.to_owned(), path));
    }
    Ok(used)
}

fn write(
    out: &Path,
    store: &Store,
    about: &About,
    record: Option<&SweepRecord>,
    runs: &[Run],
    libraries: &BTreeMap<String, PathBuf>,
) -> Result<(), Failure> {
    let temporary = out.with_extension(format!("new-{}", std::process::id()));
    let written = (|| -> Result<(), Failure> {
        let file = fs_err::File::create(&temporary)?;
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        append_json(&mut archive, ABOUT, &serde_json::to_value(about)?)?;
        if let Some(record) = record {
            let sweeps = store.home().join("sweeps");
            if let Some(path) = store.last_sweep_file(&record.experiment)? {
                let inside = Path::new("sweeps").join(path.strip_prefix(&sweeps).unwrap_or(&path));
                archive.append_path_with_name(&path, inside)?;
            }
        }
        for run in runs {
            let inside = Path::new("runs").join(run.id().to_string());
            append_folder(&mut archive, run.folder(), &inside, about.checkpoints)?;
        }
        for (sha256, path) in libraries {
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            archive.append_path_with_name(path, Path::new("store").join(sha256).join(name))?;
        }
        archive.into_inner()?.finish()?.sync_all()?;
        Ok(fs_err::rename(&temporary, out)?)
    })();
    if written.is_err() {
        // It may not be there.
        let _ = fs_err::remove_file(&temporary);
    }
    written
}

type Archive = tar::Builder<GzEncoder<fs_err::File>>;

fn append_json(archive: &mut Archive, name: &str, value: &Value) -> Result<(), Failure> {
    let bytes = serde_json::to_vec_pretty(value)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    Ok(archive.append_data(&mut header, name, bytes.as_slice())?)
}

/// A run's folder, sorted; without its checkpoints unless they are asked for.
fn append_folder(
    archive: &mut Archive,
    folder: &Path,
    inside: &Path,
    checkpoints: bool,
) -> Result<(), Failure> {
    let mut entries = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        entries.push(entry?.path());
    }
    entries.sort();
    for path in entries {
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        let inside = inside.join(&name);
        if path.is_dir() {
            if checkpoints || name != Path::new("checkpoints") {
                append_folder(archive, &path, &inside, checkpoints)?;
            } else {
                // A run has such a folder, if only an empty one.
                archive.append_dir(&inside, &path)?;
            }
        } else {
            archive.append_path_with_name(&path, &inside)?;
        }
    }
    Ok(())
}

/// Unpacks a bundle beside the home folder, once, and gives the home that it holds.
pub(crate) fn open(file: &Path) -> Result<PathBuf, Failure> {
    let named = |what: String| Failure::user(format!("`{}` {what}", file.display()));
    if !file.is_file() {
        return Err(named("is no file".to_owned())
            .hint("a bundle is a file that `ablate bundle` wrote, such as `pooling.ablate`"));
    }
    let sha256 = file_sha256(file)?;
    let bundles = workplace::home_folder(None).join("bundles");
    let home = bundles.join(&sha256[..16]);
    if home.join(ABOUT).is_file() {
        return Ok(home);
    }
    fs_err::create_dir_all(&bundles)?;
    let temporary = bundles.join(format!("{}.new-{}", &sha256[..16], std::process::id()));
    let unpacked = (|| -> Result<(), Failure> {
        fs_err::create_dir_all(&temporary)?;
        let mut archive = tar::Archive::new(GzDecoder::new(fs_err::File::open(file)?));
        let damaged = |error: std::io::Error| {
            named(format!("is no bundle, or a damaged one: {error}"))
                .hint("copy it again; `ablate bundle` wrote it")
        };
        for entry in archive.entries().map_err(damaged)? {
            // Names that would leave the folder are left out.
            entry.map_err(damaged)?.unpack_in(&temporary).map_err(damaged)?;
        }
        let about = fs_err::read(temporary.join(ABOUT)).map_err(damaged)?;
        let about: About = serde_json::from_slice(&about)?;
        if about.version != VERSION {
            return Err(named(format!("is a bundle of version {}", about.version)).hint(format!(
                "this ablate reads version {VERSION}; ablate {} wrote it",
                about.ablate
            )));
        }
        fs_err::create_dir_all(temporary.join("trials"))?;
        match fs_err::rename(&temporary, &home) {
            // Somebody else was quicker with the same bytes.
            Err(_) if home.join(ABOUT).is_file() => Ok(()),
            renamed => Ok(renamed?),
        }
    })();
    if temporary.exists() {
        fs_err::remove_dir_all(&temporary)?;
    }
    unpacked.map(|()| home)
}
