//! The file as a reader of safetensors sees it.

use ablate_codes::CodeFile;
use ablate_sdk::{Arrays, Metric};
use safetensors::{Dtype, SafeTensors};

const BOOKS: [f32; 6] = [0.5, -1.0, 0.25, f32::MIN_POSITIVE, 3.0, 1e-3];

/// Two levels of three codes of one number.
fn batch(codes: &[i64], shape: [usize; 3], mask: &[bool]) -> Arrays {
    Arrays::new()
        .with("codes", codes.to_vec(), &shape)
        .with("code_mask", mask.to_vec(), &shape[..2])
        .with("codebooks", BOOKS.to_vec(), &[2, 3, 1])
}

fn add(metric: &mut CodeFile, ids: &[&str], batch: &Arrays) {
    let ids: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
    metric.items("train", &ids).expect("new ids");
    metric.update(batch, &[]).expect("fits");
}

fn bytes(metric: &CodeFile) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("codes.safetensors");
    metric.publish(&path).expect("written");
    std::fs::read(path).expect("read")
}

/// Three items of two, one and no windows, padded to three.
fn three() -> CodeFile {
    let mut metric = CodeFile::default();
    let codes = [0, 1, 2, 2, 99, -1, 1, 0, -5, 5, 7, 7, 8, 8, 8, 8, 8, 8];
    let mask = [true, true, false, true, false, false, false, false, false];
    add(&mut metric, &["b", "a", "empty"], &batch(&codes, [3, 3, 2], &mask));
    metric
}

#[test]
fn holds_the_windows_of_every_item_one_after_another() {
    let bytes = bytes(&three());
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let read = |name: &str| file.tensor(name).expect("a tensor");
    let integers = |name: &str| -> Vec<i32> {
        let (values, _) = read(name).data().as_chunks::<4>();
        values.iter().map(|value| i32::from_le_bytes(*value)).collect()
    };
    assert_eq!((read("codes").dtype(), read("codes").shape()), (Dtype::I32, &[3, 2][..]));
    assert_eq!(integers("codes"), [0, 1, 2, 2, 1, 0]);
    assert_eq!((read("mask").dtype(), read("mask").data()), (Dtype::BOOL, &[1, 1, 1][..]));
    let (offsets, _) = read("offsets").data().as_chunks::<8>();
    let offsets: Vec<i64> = offsets.iter().map(|value| i64::from_le_bytes(*value)).collect();
    assert_eq!(offsets, [0, 2, 3, 3]);
    assert_eq!(read("codebooks").shape(), [2, 3, 1]);
    let (numbers, _) = read("codebooks").data().as_chunks::<4>();
    assert_eq!(numbers.iter().map(|value| f32::from_le_bytes(*value)).collect::<Vec<_>>(), BOOKS);
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let metadata = header.metadata().as_ref().expect("metadata");
    assert_eq!(metadata["ids"], r#"["b","a","empty"]"#);
}

#[test]
fn how_items_were_batched_does_not_show() {
    let mut single = CodeFile::default();
    add(&mut single, &["b"], &batch(&[0, 1, 2, 2], [1, 2, 2], &[true, true]));
    let mut rest = CodeFile::default();
    add(&mut rest, &["a"], &batch(&[1, 0], [1, 1, 2], &[true]));
    add(&mut rest, &["empty"], &batch(&[], [1, 0, 2], &[]));
    single.merge(&rest.state().expect("written")).expect("its own state");
    assert_eq!(bytes(&single), bytes(&three()));
    assert_eq!(single.compute().expect("measured"), three().compute().expect("measured"));
}

#[test]
fn keeps_a_window_in_between_that_is_not_valid() {
    let mut metric = CodeFile::default();
    add(&mut metric, &["a"], &batch(&[1, 1, 9, 9, 2, 2], [1, 3, 2], &[true, false, true]));
    let bytes = bytes(&metric);
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    assert_eq!(file.tensor("mask").expect("a tensor").data(), [1, 0, 1]);
    let codes = file.tensor("codes").expect("a tensor").data().to_vec();
    assert_eq!(codes.iter().step_by(4).copied().collect::<Vec<u8>>(), [1, 1, 0, 0, 2, 2]);
}

#[test]
fn counts_windows_and_items() {
    let values = three().compute().expect("measured");
    let values: Vec<(&str, f64)> = values.iter().map(|v| (v.name.as_str(), v.value)).collect();
    assert_eq!(values, [("", 3.0), ("items", 3.0)]);
    let nothing = CodeFile::default().compute().expect_err("must fail").to_string();
    assert_eq!(nothing, "nothing was measured: no batch held an item");
}

#[test]
fn refuses_other_codebooks_ids_twice_and_items_without_ids() {
    let mut metric = three();
    let other = Arrays::new().with("codes", vec![0_i64, 1], &[1, 1, 2]).with(
        "codebooks",
        vec![0.0_f32; 6],
        &[2, 3, 1],
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("codes");
    let wanted = "`codebooks` differs between batches, so that codes mean different things";
    metric.items("train", &["other".to_owned()]).expect("a new id");
    metric.update(&other, &[]).expect("it can be counted");
    assert_eq!(metric.publish(&path).expect_err("must fail").to_string(), wanted);
    let mut merged = three();
    let mut second = CodeFile::default();
    second.update(&other, &[]).expect("it can be counted");
    merged.merge(&second.state().expect("written")).expect("its own state");
    assert_eq!(merged.publish(&path).expect_err("must fail").to_string(), wanted);
    let mut metric = three();
    let error = metric.items("test", &["a".to_owned()]).expect_err("must fail").to_string();
    assert_eq!(error, "item `a` of split `test` has an id that was there before");
    metric.update(&batch(&[0, 1], [1, 1, 2], &[true]), &[]).expect("fits");
    let error = metric.publish(&path).expect_err("must fail").to_string();
    assert_eq!(error, "items came without their ids, and cannot be published");
    let broken =
        b"{\"codebooks\":[[0,0],[2,1,1]],\"changed\":false,\"items\":[{\"id\":null,\"mask\":[true],\"codes\":[1]}]}";
    let error = CodeFile::default().merge(broken).expect_err("must fail").to_string();
    assert_eq!(error, "a state with broken tuples of 2 levels");
}
