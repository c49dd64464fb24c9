//! Files as they are found, and files that are wrong.

use ablate_diarization::{Error, Rttm, Skipped, Turn, Uem};
use proptest::prelude::*;
use std::path::Path;

fn rttm(text: &str) -> Result<Rttm, Error> {
    Rttm::parse(text, Path::new("talk.rttm"))
}

#[test]
fn reads_what_real_files_hold() {
    let text = "\u{feff};; a comment\r\n\
                SPKR-INFO talk 1 <NA> <NA> <NA> unknown ann <NA> <NA>\r\n\
                SPEAKER talk 1   2.500   1.500 <NA> <NA> bob <NA> <NA>\r\n\
                SPEAKER talk 1 0 3 <NA> <NA> ann <NA>\r\n\
                \r\n\
                SPEAKER talk 1 4.0 0.0 <NA> <NA> ann <NA> <NA>\r\n\
                SPEAKER\tother\t1\t1.0\t0.0\t<NA>\t<NA>\tann\t<NA>\t<NA>\r\n";
    let found = rttm(text).unwrap();
    assert_eq!(found.turns("talk"), [Turn::new(0.0, 3.0, "ann"), Turn::new(2.5, 4.0, "bob")]);
    assert_eq!(found.recordings().collect::<Vec<_>>(), ["other", "talk"]);
    assert!(found.turns("other").is_empty());
    assert_eq!(found.skipped, Skipped { without_length: 2, other_types: 1 });
}

#[test]
fn says_what_is_wrong_and_where() {
    let wrong = |line: &str| rttm(&format!("\n{line}")).unwrap_err().to_string();
    let start = "`talk.rttm`, line 2: ";
    let cases = [
        ("SPEAKER talk 1 0 1", "5 fields, expected at least 9"),
        ("SPEKAER talk 1 0 1 a b c d", "the type is `SPEKAER`, expected `SPEAKER`"),
        ("SPEAKER talk 1 -1 1 a b c d", "the onset is `-1`, must not be below 0"),
        ("SPEAKER talk 1 0 -1 a b c d", "the duration is `-1`, must not be below 0"),
        ("SPEAKER talk 1 NaN 1 a b c d", "the onset is `NaN`, expected a number of seconds"),
        ("SPEAKER talk 1 0 1,5 a b c d", "the duration is `1,5`, expected a number of seconds"),
        ("SPEAKER talk 1 0 inf a b c d", "the duration is `inf`, expected a number of seconds"),
        ("SPEAKER talk 1 0 1 a b <NA> d", "the speaker is `<NA>`, expected a name"),
    ];
    for (line, reason) in cases {
        assert_eq!(wrong(line), format!("{start}{reason}"));
    }
    let error = rttm("SPEAKER").unwrap_err();
    assert!(error.hints()[0].starts_with("a line of an RTTM file is `SPEAKER <recording>"));
}

#[test]
fn reads_regions_and_refuses_those_that_end_too_soon() {
    let parse = |text: &str| Uem::parse(text, Path::new("talk.uem"));
    let uem = parse("talk 1 0.000 1113.845375\r\ntalk 1 1200 1300\nother NA 5 6\n").unwrap();
    assert_eq!(uem.region("talk").unwrap().duration(), 1_213.845_375);
    assert!(uem.region("nobody").is_none());
    let error = parse("talk 1 5 4").unwrap_err();
    let text = "`talk.uem`, line 1: the region from 5 to 4 s does not end after its start";
    assert_eq!(error.to_string(), text);
    assert!(error.hints()[0].starts_with("a line of a UEM file is"));
    assert!(parse("talk 1 5").unwrap_err().to_string().contains("3 fields, expected at least 4"));
}

#[test]
fn files_that_are_no_text_or_not_there_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audio.rttm");
    fs_err::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    let text = Rttm::read(&path).unwrap_err().to_string();
    assert_eq!(text, format!("`{}` is not UTF-8 text", path.display()));
    let text = Rttm::read(&folder.path().join("none.rttm")).unwrap_err().to_string();
    assert!(text.contains("none.rttm"), "{text}");
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same_to_the_microsecond(
        list in proptest::collection::vec((0_u32..100_000_000, 1_u32..10_000_000, 0_u8..4), 0..20),
    ) {
        let second = |micro: u32| f64::from(micro) / 1e6;
        let turns = list.iter().map(|(start, length, speaker)| {
            Turn::new(second(*start), second(*start) + second(*length), format!("s{speaker}"))
        });
        let mut written = Rttm::default();
        written.insert("talk", turns.collect());
        let read = rttm(&written.to_text()).unwrap();
        let (written, read) = (written.turns("talk"), read.turns("talk"));
        prop_assert_eq!(written.len(), read.len());
        for (one, two) in written.iter().zip(read) {
            prop_assert_eq!(&one.speaker, &two.speaker);
            prop_assert!((one.interval.start - two.interval.start).abs() < 1e-6);
            prop_assert!((one.interval.end - two.interval.end).abs() < 1e-6);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[SPEAKR a0-9.<>NA;\t\r\n-]{0,200}") {
        let _ = rttm(&text);
        let _ = Uem::parse(&text, Path::new("x.uem"));
    }
}
