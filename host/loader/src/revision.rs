//! The revisions of the border that this host speaks, newest first.
//!
//! A new revision is a module beside `ablate_abi::v1`, a variant of [`Root`], and a line in
//! [`REVISIONS`]; what is asked of a [`crate::Library`] gets an arm for it. Old ones stay.

use crate::error::Wrong;
use abi_stable::library::LibHeader;
use ablate_abi::v1;

/// The root table of a plugin, by the revision that it speaks.
#[derive(Clone, Copy)]
pub(crate) enum Root {
    V1(v1::Plugin_Ref),
}

/// One revision: its number, and how a library that speaks it is entered.
struct Revision {
    number: u32,
    enter: fn(&'static LibHeader) -> Result<Root, Wrong>,
}

const REVISIONS: &[Revision] = &[Revision {
    number: v1::REVISION,
    enter: |header| {
        let root = header.init_root_module::<v1::Plugin_Ref>();
        root.map(Root::V1).map_err(|error| Wrong::of(&error))
    },
}];

/// Checks the layout of everything that crosses and enters the library; the error is one line.
///
/// The header says which revision the library speaks, so one layout is compared and not all.
pub(crate) fn enter(header: &'static LibHeader) -> Result<Root, Wrong> {
    let reported = reported(header.version_strings().version.as_str());
    let known = REVISIONS.iter().find(|revision| Some(revision.number) == reported);
    match (known, reported) {
        (Some(revision), _) => (revision.enter)(header),
        (None, Some(number)) => Err(Wrong::Layout(unknown(number))),
        (None, None) => {
            let version = header.version_strings().version.as_str();
            let shown: String = version.chars().take(40).collect();
            Err(Wrong::Layout(format!("it speaks revision `{shown}`")))
        }
    }
}

/// The revision of a version: its first number.
fn reported(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

fn unknown(number: u32) -> String {
    let way_out = if number > REVISIONS[0].number {
        "it needs a newer version of ablate"
    } else {
        "no version of ablate speaks that any more"
    };
    format!("it speaks revision v{number}; {way_out}")
}

/// The revisions as users read them, such as `v2, v1`.
pub(crate) fn spoken() -> String {
    let names: Vec<String> =
        REVISIONS.iter().map(|revision| format!("v{}", revision.number)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{REVISIONS, reported, spoken, unknown};

    #[test]
    fn revisions_are_listed_newest_first_and_once() {
        assert!(REVISIONS.windows(2).all(|pair| pair[0].number > pair[1].number));
        assert_eq!(REVISIONS.last().map(|oldest| oldest.number), Some(1));
        assert!(spoken().ends_with("v1"));
    }

    #[test]
    fn the_revision_is_the_first_number_of_the_version() {
        assert_eq!(reported("1.0.0"), Some(1));
        assert_eq!(reported("27.1.4"), Some(27));
        assert_eq!(reported(""), None);
        assert_eq!(reported("x.1"), None);
    }

    #[test]
    fn an_unknown_revision_is_said_in_one_line_with_what_to_do() {
        let text = unknown(REVISIONS[0].number + 1);
        assert!(text.ends_with("it needs a newer version of ablate"), "{text}");
        assert_eq!(unknown(0), "it speaks revision v0; no version of ablate speaks that any more");
    }
}
