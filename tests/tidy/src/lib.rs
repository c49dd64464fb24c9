//! Rules of the repository; the rules are the tests of this crate.
