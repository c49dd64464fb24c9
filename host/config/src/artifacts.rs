//! Reads `[artifact.NAME]`: what a trained model leaves as files.

use crate::error::{At, Error};
use crate::key_path::KeyPath;
use crate::resolve::{Pass, is_left_out};
use crate::section::{Section, list, table, text, texts};
use crate::spec::ArtifactSpec;
use crate::tree::Node;

/// Longer names would not do for folders.
const LONGEST_NAME: usize = 128;

impl Pass<'_> {
    /// All of `[artifact]`, in file order.
    pub(crate) fn artifacts(&self, root: &Section<'_>) -> Result<Vec<ArtifactSpec>, Error> {
        let path = root.path("artifact");
        let Some(node) = root.node("artifact") else { return Ok(Vec::new()) };
        let mut artifacts = Vec::new();
        for (name, node) in table(node, &path)? {
            if is_left_out(node) {
                continue;
            }
            let path = path.child(name.as_str());
            check_name(name, node, &path)?;
            let component = self.component(node, &path, "metric", None, &["inputs", "splits"])?;
            let chosen = node.get("use").unwrap_or(node);
            self.check_publishes(chosen, &path, &component.name)?;
            let inputs = texts(node.get("inputs"), &path.child("inputs"))?;
            let splits = splits(node.get("splits"), &path.child("splits"))?;
            artifacts.push(ArtifactSpec { name: name.clone(), component, inputs, splits });
        }
        Ok(artifacts)
    }
}

/// The name is that of a folder in the run's own.
fn check_name(name: &str, node: &Node, path: &KeyPath) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    let problem = format!(
        "the name of an artifact has letters, digits, `-` and `_` only, at least one and at most \
         {LONGEST_NAME}"
    );
    Err(Error::Misplaced { at: At::new(&node.origin, path), problem })
}

fn splits(node: Option<&Node>, path: &KeyPath) -> Result<Option<Vec<String>>, Error> {
    let Some(node) = node else { return Ok(None) };
    let items = list(node, path, "a list of splits such as `[\"train\", \"test\"]`")?;
    let misplaced = |node: &Node, path: &KeyPath, problem: String| Error::Misplaced {
        at: At::new(&node.origin, path),
        problem,
    };
    if items.is_empty() {
        let problem = "an artifact of no split would be empty: leave the key out for all of them";
        return Err(misplaced(node, path, problem.to_owned()));
    }
    let mut splits: Vec<String> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = path.item(index);
        let split = text(item, &path)?;
        if splits.iter().any(|known| known == split) {
            return Err(misplaced(item, &path, format!("`{split}` is there twice")));
        }
        splits.push(split.to_owned());
    }
    Ok(Some(splits))
}
