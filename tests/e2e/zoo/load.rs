//! Libraries that cannot be opened, and what a broken file does to those who do not need it: nothing.

use super::{TEXT_MAX, built, compile, lying, replaced};
use crate::harness::{Answer, Place, library, slow};
use crate::plain_library::place;
use fs_err as fs;
use std::path::PathBuf;

const FILE: &str = "plugins/libablate_broken.so";

/// A place with a good plugin and the bytes of a bad one.
fn with_bytes(bytes: impl AsRef<[u8]>) -> Place {
    let place = place(&[]);
    place.write(FILE, bytes);
    place
}

/// A place with a good plugin and one that is compiled from C.
fn with_source(source: &str, options: &[&str]) -> Place {
    let place = place(&[]);
    let options = [&["-shared", "-fPIC"], options].concat();
    compile(source, &place.path(FILE), &options);
    place
}

/// Runs a command that gives up on libraries that hang after two seconds.
fn ablate(place: &Place, arguments: &[&str]) -> Answer {
    let mut command = place.command(arguments);
    command.env("ABLATE_PROBE_TIMEOUT", "2");
    place.answer(command)
}

/// The bad file is told by kind and name wherever somebody looks at it or needs it, and stops nobody
/// else.
#[track_caller]
fn check(place: &Place, kind: &str, message: &str) {
    let list = ["plugins", "list", "--folder", "plugins"];
    let json = ablate(place, &[&list[..], &["--format", "json"]].concat()).expect(0).json();
    let broken = &json["broken"][0];
    let found = place.filter(broken["message"].as_str().unwrap());
    assert!(found.contains(message), "expected:\n{message}\nfound:\n{found}");
    assert_eq!(broken["kind"], kind, "{found}");
    assert_eq!(broken["library"], place.path(FILE).to_str().unwrap());
    assert_eq!(json["broken"].as_array().unwrap().len(), 1);
    assert_eq!(json["plugins"][0]["name"], "plain");
    let listed = ablate(place, &list).expect(0);
    let warning = format!("warning: `[PLACE]/{FILE}` is left out: {found}\n");
    assert!(listed.stderr.contains(&warning), "no {warning}in\n{}", listed.stderr);
    assert!(listed.stderr.len() < TEXT_MAX, "{}", listed.stderr);
    // Who does not need it.
    let sweep = ["sweep", "plain", "sweep.seeds=[0]", "train.total_epochs=1"];
    let swept = ablate(place, &sweep).expect(0);
    assert!(!swept.stderr.contains("broken"), "{}", swept.stderr);
    assert!(place.runs().len() == 2 && place.runs().iter().all(|run| run.status() == "done"));
    // Who may.
    let needed = ablate(place, &[&sweep[..], &["model.front.use=broken"]].concat()).expect(1);
    assert!(needed.stderr.starts_with("error: "), "{}", needed.stderr);
    let left_out = format!("`[PLACE]/{FILE}` (left out: {found})");
    assert!(needed.stderr.contains(&left_out), "no {left_out} in\n{}", needed.stderr);
    assert!(needed.stderr.len() < TEXT_MAX, "{}", needed.stderr);
    assert_eq!(place.runs().len(), 2);
    // Who wants to know more: an error, or a report with a failed check.
    let checked = ablate(place, &["plugins", "check", FILE, "--timeout", "2"]).expect(1);
    let named =
        checked.stderr.starts_with("error: ") && checked.stderr.contains("libablate_broken");
    assert!(named || checked.stdout.contains("FAILED"), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stderr.len() < TEXT_MAX, "{}", checked.stderr);
}

#[test]
fn a_text_file() {
    check(&with_bytes("this is no library\n"), "not-a-library", "it is not a plugin: ");
}

#[test]
fn an_empty_file() {
    check(&with_bytes(""), "not-a-library", "it is not a plugin: the file is empty");
}

#[test]
fn a_folder() {
    let place = place(&[]);
    fs::create_dir(place.path(FILE)).unwrap();
    check(&place, "not-a-library", "it is a folder, not a file");
}

#[test]
fn a_link_to_nothing() {
    let place = place(&[]);
    std::os::unix::fs::symlink("gone.so", place.path(FILE)).unwrap();
    check(&place, "unreadable", "No such file or directory");
}

#[test]
fn a_library_that_was_cut_anywhere() {
    let whole = fs::read(library("liar")).unwrap();
    let behind_segments = end_of_segments(&whole);
    assert!(behind_segments + 1000 < whole.len());
    let lengths = [40, 1000, whole.len() / 3, behind_segments + 500, whole.len() - 1];
    for length in lengths {
        let message = format!("it is truncated: {length} bytes, its headers speak of ");
        let place = with_bytes(&whole[..length]);
        check(&place, "truncated", &message);
    }
}

/// The end of what the system's linker maps, from the program headers of a 64-bit ELF file.
fn end_of_segments(bytes: &[u8]) -> usize {
    let number = |start: usize, length: usize| {
        let mut number = [0; 8];
        number[..length].copy_from_slice(&bytes[start..start + length]);
        usize::try_from(u64::from_le_bytes(number)).unwrap()
    };
    let (table, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    let headers = (0..count).map(|index| table + index * size);
    let loaded = headers.filter(|header| number(*header, 4) == 1);
    loaded.map(|header| number(header + 8, 8) + number(header + 32, 8)).max().unwrap()
}

#[test]
fn a_library_for_another_machine() {
    let mut bytes = fs::read(library("liar")).unwrap();
    // `e_machine`: 183 is AArch64, 62 is x86-64.
    let other = if bytes[0x12] == 183 { 62 } else { 183 };
    bytes[0x12] = other;
    let name = if other == 183 { "Aarch64" } else { "X86_64" };
    check(
        &with_bytes(bytes),
        "wrong-machine",
        &format!("it is built for {name}, this host runs on"),
    );
}

#[test]
fn a_library_of_32_bits() {
    // Nothing but a header: class 1, little endian, version 1; a shared object for machine 3 (80386).
    let mut header = b"\x7fELF\x01\x01\x01".to_vec();
    header.resize(16, 0);
    for half in [3u16, 3, 1, 0] {
        header.extend(half.to_le_bytes());
    }
    header.resize(40, 0);
    for half in [52u16, 32, 0, 40, 0, 0] {
        header.extend(half.to_le_bytes());
    }
    check(&with_bytes(header), "wrong-machine", "it is built for I386, this host runs on");
}

#[test]
fn an_executable() {
    let place = place(&[]);
    compile("int main(void) { return 0; }", &place.path(FILE), &["-pie", "-fPIE"]);
    check(&place, "not-a-library", "it is not a plugin: it is an executable");
}

#[test]
fn a_library_without_a_root() {
    let place = with_source("int answer(void) { return 42; }", &[]);
    check(
        &place,
        "no-root",
        "it is a library but no plugin: it exports no symbol `ablate_plugin_…`",
    );
}

#[test]
fn a_root_of_garbage() {
    let source = "char ablate_plugin_broken[4096] = { 1, 2, 3, 4, 5 };";
    let message = "it is no plugin: its symbol `ablate_plugin_…` is not the root of one";
    check(&with_source(source, &[]), "no-root", message);
}

#[test]
fn a_root_with_the_right_magic_and_garbage_behind() {
    // The header that a real library begins its root with: 32 bytes of text and two numbers.
    let bytes = fs::read(library("liar")).unwrap();
    let magic = b"abi stable library for Rust";
    let start = bytes.windows(magic.len()).position(|window| window == magic).unwrap();
    let header: Vec<String> = bytes[start..start + 40].iter().map(ToString::to_string).collect();
    let garbage = "0x41, ".repeat(1000);
    let source = format!("char ablate_plugin_broken[] = {{ {}, {garbage} }};", header.join(", "));
    let message = "it ended the process that opened it: signal 11 (SIGSEGV)";
    check(&with_source(&source, &[]), "crash", message);
}

#[test]
fn another_revision_of_the_border() {
    let bytes = replaced(lying("nothing"), "1.0.0", "9.0.0");
    check(
        &with_bytes(bytes),
        "layout",
        "it speaks revision v9; it needs a newer version of ablate",
    );
}

#[test]
fn a_changed_struct() {
    // The names of fields are part of what is compared.
    let bytes = replaced(lying("nothing"), "byte_offset", "byte_0ffset");
    check(&with_bytes(bytes), "layout", "unexpected field");
    if slow() {
        let folder = tempfile::tempdir().unwrap();
        let change = (
            "abi/src/v1/host.rs",
            "    pub threads: u32,",
            "    pub threads: u32,\n    /// New.\n    pub new: u64,",
        );
        check(
            &with_bytes(built(folder.path(), Some(change), &[])),
            "layout",
            "does not fit this host",
        );
    }
}

#[test]
fn another_number_of_revision_in_the_root() {
    let message = "it is refused: it speaks border revision 4242, this host 1";
    check(&with_bytes(lying("revision")), "refused", message);
}

#[test]
fn a_build_that_aborts_on_panics() {
    let message = "it is refused: a panic in it would end the process (`panic = \"abort\"`)";
    check(&with_bytes(lying("panic-aborts")), "refused", message);
    if slow() {
        let folder = tempfile::tempdir().unwrap();
        let abort = ["--config", "profile.release.panic=\"abort\""];
        check(&with_bytes(built(folder.path(), None, &abort)), "refused", message);
    }
}

#[test]
fn a_library_that_needs_one_that_is_gone() {
    let place = place(&[]);
    let gone = place.path("libgone.so");
    compile("int answer(void) { return 42; }", &gone, &["-shared", "-fPIC"]);
    let source = "extern int answer(void);
        int ask(void) { return answer(); }
        char ablate_plugin_broken[64];";
    let options = ["-shared", "-fPIC", gone.to_str().unwrap(), "-Wl,-soname,libbroken.so"];
    compile(source, &place.path(FILE), &options);
    fs::remove_file(gone).unwrap();
    let message = "libgone.so: cannot open shared object file: No such file or directory";
    check(&place, "open", message);
    let listed = ablate(&place, &["plugins", "list", "--folder", "plugins"]);
    listed.says_line(
        "hint: install the library that it needs, or name its folder in `LD_LIBRARY_PATH`",
    );
}

#[test]
fn a_library_that_needs_a_symbol_that_nobody_has() {
    let source = "extern int nobody_has_this(void);
        int ask(void) { return nobody_has_this(); }
        char ablate_plugin_broken[64];";
    let message = "it cannot be opened: undefined symbol: nobody_has_this";
    check(&with_source(source, &[]), "open", message);
}

#[test]
fn a_constructor_that_segfaults() {
    let message = "it ended the process that opened it: signal 11 (SIGSEGV)";
    check(&with_bytes(lying("constructor-segfault")), "crash", message);
}

#[test]
fn a_constructor_that_aborts() {
    let message = "it ended the process that opened it: signal 6 (SIGABRT)";
    check(&with_bytes(lying("constructor-abort")), "crash", message);
}

#[test]
fn a_constructor_that_exits_with_success() {
    let message = "it ended the process that opened it: exit code 0";
    check(&with_bytes(lying("constructor-exit")), "crash", message);
}

#[test]
fn a_constructor_that_hangs() {
    let place = with_bytes(lying("constructor-hang"));
    check(&place, "timeout", "it was not open after 2 s");
    // It costs the time once, and again when somebody says so.
    let list = || ablate(&place, &["plugins", "list", "--folder", "plugins"]).expect(0).took;
    assert!(list().as_secs_f64() < 2.0);
    fs::File::open(place.path(FILE))
        .unwrap()
        .file()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    assert!(list().as_secs_f64() >= 2.0);
}

#[test]
fn a_root_that_panics() {
    let message = "it failed while its root was made: it panicked";
    check(&with_bytes(lying("root-panics")), "root", message);
}

#[test]
fn a_root_that_fails() {
    let message = "it failed while its root was made: the liar has no license";
    check(&with_bytes(lying("root-fails")), "root", message);
}

#[test]
fn an_init_that_fails() {
    let message = "init failed: no mood: the liar will not start";
    check(&with_bytes(lying("init-fails")), "plugin", message);
}

#[test]
fn an_init_that_panics() {
    // Without a guard, a panic ends the process where it would cross the border.
    let message = "it ended the process that opened it: signal 6 (SIGABRT)";
    check(&with_bytes(lying("init-panics")), "crash", message);
}

#[test]
fn a_description_that_is_no_json() {
    let message = "its description cannot be read: expected value at line 1 column 1";
    check(&with_bytes(lying("list-is-no-json")), "description", message);
}

#[test]
fn a_description_that_lacks_fields() {
    let message = "its description cannot be read: invalid type: null, expected a string";
    check(&with_bytes(lying("list-has-no-name")), "description", message);
    let message = "its description cannot be read: ";
    check(&with_bytes(lying("list-has-no-kind")), "description", message);
}

#[test]
fn a_description_that_is_no_text() {
    let message = "its description cannot be read: trailing characters";
    check(&with_bytes(lying("list-is-no-text")), "description", message);
}

#[test]
fn a_description_without_end() {
    let message = "its description is longer than 16 MiB";
    check(&with_bytes(lying("list-is-huge")), "description", message);
}

#[test]
fn a_description_that_fails_or_panics() {
    let message = "describing itself failed: the liar does not know what it has";
    check(&with_bytes(lying("list-fails")), "plugin", message);
    let message = "it ended the process that opened it: signal 6 (SIGABRT)";
    check(&with_bytes(lying("list-panics")), "crash", message);
}

#[test]
fn a_component_that_is_exported_twice() {
    let message = "it exports the block `liar` twice";
    check(&with_bytes(lying("list-says-it-twice")), "description", message);
}

#[test]
fn what_is_printed_while_a_library_is_loaded_disturbs_nobody() {
    let place = with_bytes(lying("constructor-prints"));
    let list = ["plugins", "list", "--folder", "plugins", "--format", "json"];
    let json = place.ablate(&list).expect(0).json();
    assert_eq!(json["broken"].as_array().unwrap().len(), 0, "{json}");
    assert_eq!(json["plugins"][0]["name"], "liar");
}

#[test]
fn a_destructor_that_segfaults_comes_too_late() {
    let place = with_bytes(lying("destructor-segfault"));
    let list = ["plugins", "list", "--folder", "plugins", "--format", "json"];
    let json = place.ablate(&list).expect(0).json();
    assert_eq!(json["broken"].as_array().unwrap().len(), 0, "{json}");
    assert_eq!(json["plugins"][0]["name"], "liar");
}

#[test]
fn a_name_that_two_plugins_export_is_refused_where_it_is_used() {
    let place = Place::new();
    let file: PathBuf = place.add_plugin("duplicate");
    let duplicate = "the metric `mae` is exported by plugin `duplicate` \
                     (`[PLACE]/plugins/libablate_duplicate.so`) and by plugin `metrics` \
                     (`[PLACE]/plugins/libablate_metrics.so`)\n\
                     hint: rename the metric in one of the plugins, or leave out one of the \
                     libraries\n";
    assert!(file.exists());
    let listed = place.ablate(&["plugins", "list", "--folder", "plugins"]).expect(0);
    listed.says(&format!("warning: {duplicate}next: ablate plugins info NAME\n"));
    // Nobody uses it here.
    place.ablate(&["sweep", "pooling", "--dry-run"]).expect(0);
    place.edit(
        "[train]\n",
        "[metric.error]\nuse = \"mae\"\n\
         inputs = { prediction = \"reconstruction\", target = \"features\" }\n\n[train]\n",
    );
    let refused = place.ablate(&["sweep", "pooling"]).expect(1);
    refused.says(&format!("error: {duplicate}"));
    assert!(place.runs().is_empty());
}
