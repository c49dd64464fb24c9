//! Where everything lies that is not the project's own: runs, store, caches.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::workspace::Workspace;

/// The home folder, as an absolute path; it need not exist.
///
/// The order is: `explicit` (a command-line option), the environment variable `ABLATE_HOME`,
/// `.ablate/` in the root of the workspace, the platform's data folder.
#[must_use]
pub fn home(explicit: Option<PathBuf>, workspace: Option<&Workspace>) -> PathBuf {
    choose(explicit, std::env::var_os("ABLATE_HOME"), workspace)
}

fn choose(
    explicit: Option<PathBuf>,
    variable: Option<OsString>,
    workspace: Option<&Workspace>,
) -> PathBuf {
    let home = explicit
        .or_else(|| variable.filter(|value| !value.is_empty()).map(PathBuf::from))
        .or_else(|| workspace.map(|workspace| workspace.root().join(".ablate")))
        .or_else(|| {
            let folders = directories::ProjectDirs::from("", "", "ablate");
            folders.map(|folders| folders.data_dir().to_owned())
        })
        // A machine account without a home folder still gets one place, and it can see which.
        .unwrap_or_else(|| PathBuf::from(".ablate"));
    std::path::absolute(&home).unwrap_or(home)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn explicit_then_variable_then_workspace_then_platform() {
        let workspace = Workspace::at("/w", "/w/target/release");
        let check = |explicit: Option<&str>, variable: Option<&str>, expected: &str| {
            let found =
                choose(explicit.map(Into::into), variable.map(Into::into), Some(&workspace));
            assert_eq!(found, std::path::absolute(expected).unwrap());
        };
        check(Some("/x"), Some("/v"), "/x");
        check(None, Some("/v"), "/v");
        check(None, Some("relative"), "relative");
        check(None, Some(""), "/w/.ablate");
        check(None, None, "/w/.ablate");
        assert!(choose(None, None, None).is_absolute());
        assert!(!choose(None, None, None).starts_with(Path::new("/w")));
    }
}
