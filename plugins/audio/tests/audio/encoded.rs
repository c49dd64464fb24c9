//! flac, Vorbis, Opus and mp3 against what libsndfile decodes the stored fixtures to, and the
//! parts of RFC 7845 on files that the test writes.

use std::io::Cursor;
use std::path::PathBuf;

use ablate_audio::{Audio, Error, decode};
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opus_pure::{Application, OggOpusWriter, OpusEncoder, OpusHead};

use crate::support::{correlation, stored, stored_json, tone};

#[test]
fn agrees_with_libsndfile() {
    let reference = stored_json("decoded.json");
    for (name, expected) in reference.as_object().unwrap() {
        let audio = decode(stored(name)).unwrap();
        let number = |key: &str| expected[key].as_u64().unwrap() as usize;
        assert_eq!(audio.sample_rate as usize, number("sample_rate"), "{name}");
        assert_eq!(usize::from(audio.channels), number("channels"), "{name}");
        assert_eq!(audio.samples.len(), number("count"), "{name}");
        let samples = expected["samples"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap());
        let found = audio.samples.iter().step_by(number("step"));
        let errors = samples.zip(found).map(|(a, &b)| (a - f64::from(b)).abs());
        let worst = errors.fold(0.0, f64::max);
        // flac is exact, the other decoders are free in the last bits; values have seven digits.
        println!("{name}: differs by at most {worst:.1e}");
        let limit = if name.ends_with("flac") { 1e-7 } else { 2e-5 };
        assert!(worst < limit, "{name}: {worst}");
    }
}

#[test]
fn removes_delay_and_padding_of_the_encoder() {
    // The stored clips were written with these lengths; the lossy formats pad them.
    for (name, expected) in stored_json("decoded.json").as_object().unwrap() {
        let audio = decode(stored(name)).unwrap();
        assert_eq!(audio.samples.len() as u64, expected["written"].as_u64().unwrap(), "{name}");
    }
}

/// Encodes a tone and lets `change` edit the header; `count` samples at 48 kHz.
fn opus_file(channels: u8, count: usize, change: impl FnOnce(&mut OpusHead)) -> Vec<u8> {
    let pcm: Vec<f32> =
        tone(48000, u16::from(channels), count + 1920).iter().map(|&x| x as f32).collect();
    let mut encoder = OpusEncoder::new(48000, channels.into(), Application::Audio).unwrap();
    encoder.bitrate_bps = 128_000;
    let mut head = OpusHead::for_encoder(&encoder, 48000);
    let total = count + usize::from(head.pre_skip);
    change(&mut head);
    let mut writer = OggOpusWriter::new(Vec::new(), head).unwrap();
    let mut packet = vec![0; 4000];
    let block = 960 * usize::from(channels);
    let packets = total.div_ceil(960);
    for index in 0..packets {
        let frame = pcm.get(index * block..(index + 1) * block).unwrap();
        let length = encoder.encode(frame, 960, &mut packet).unwrap();
        let duration = (total - index * 960).min(960);
        writer.write_packet_with_duration(&packet[..length], duration as u32).unwrap();
    }
    writer.finish().unwrap()
}

fn decode_bytes(bytes: &[u8]) -> Result<Audio, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.opus");
    fs_err::write(&path, bytes).unwrap();
    decode(path)
}

/// The packets of an Ogg file again, each on its own page, with granules shifted by `offset`.
fn repaged(bytes: &[u8], offset: u64) -> Vec<u8> {
    let mut reader = ogg::PacketReader::new(Cursor::new(bytes));
    let mut packets = Vec::new();
    while let Some(packet) = reader.read_packet().unwrap() {
        packets.push(packet);
    }
    let mut writer = PacketWriter::new(Vec::new());
    let end = packets.last().unwrap().absgp_page();
    for (index, packet) in packets.iter().enumerate() {
        let is_last = index + 1 == packets.len();
        let info =
            if is_last { PacketWriteEndInfo::EndStream } else { PacketWriteEndInfo::EndPage };
        let granule = (index as u64).saturating_sub(1) * 960;
        let granule = if is_last { end } else { granule };
        let granule = if index < 2 { 0 } else { granule + offset };
        writer.write_packet(packet.data.clone(), 1, info, granule).unwrap();
    }
    writer.into_inner()
}

#[test]
fn opus_length_is_granule_minus_pre_skip() {
    for count in [100, 960, 9600, 30001] {
        let audio = decode_bytes(&opus_file(1, count, |_| ())).unwrap();
        assert_eq!((audio.samples.len(), audio.sample_rate), (count, 48000));
    }
    // A larger pre-skip leaves less, by exactly that much.
    let audio = decode_bytes(&opus_file(1, 9600, |head| head.pre_skip += 1000)).unwrap();
    assert_eq!(audio.samples.len(), 8600);
}

#[test]
fn opus_starts_where_the_original_does() {
    for channels in [1, 2] {
        let original: Vec<f32> = tone(48000, channels, 20000)
            .chunks(usize::from(channels))
            .map(|frame| (frame.iter().sum::<f64>() / f64::from(channels)) as f32)
            .collect();
        let audio = decode_bytes(&opus_file(channels as u8, 20000, |_| ())).unwrap();
        let aligned = correlation(&original, &audio.samples);
        assert!(aligned > 0.999, "{aligned}");
        assert!(aligned > correlation(&original[2..], &audio.samples));
        assert!(aligned > correlation(&original, &audio.samples[2..]));
    }
}

#[test]
fn opus_output_gain_is_applied() {
    let plain = decode_bytes(&opus_file(1, 9600, |_| ())).unwrap();
    // Gain is in 1/256 dB; 6.0206 dB down is a factor of one half.
    let quiet = decode_bytes(&opus_file(1, 9600, |head| head.output_gain_q8 = -1541)).unwrap();
    for (plain, quiet) in plain.samples.iter().zip(&quiet.samples) {
        assert!((plain * 0.5 - quiet).abs() < 1e-4);
    }
}

#[test]
fn opus_cut_from_a_longer_stream_keeps_its_length() {
    let bytes = opus_file(1, 9600, |_| ());
    let whole = decode_bytes(&repaged(&bytes, 0)).unwrap();
    assert_eq!(whole.samples.len(), 9600);
    assert_eq!(decode_bytes(&repaged(&bytes, 480_000)).unwrap(), whole);
}

#[test]
fn ogg_without_its_last_page_is_truncated() {
    for bytes in [opus_file(1, 96000, |_| ()), fs_err::read(stored("vorbis.ogg")).unwrap()] {
        let last = bytes.windows(4).rposition(|bytes| bytes == b"OggS").unwrap();
        let error = decode_bytes(&bytes[..last]).unwrap_err().to_string();
        assert!(error.ends_with("is truncated: the last Ogg page is missing"), "{error}");
        let error = decode_bytes(&bytes[..bytes.len() - 1]).unwrap_err().to_string();
        assert!(error.ends_with("is truncated: it ends within an Ogg page"), "{error}");
    }
}

#[test]
fn opus_that_lost_a_page_is_truncated_with_both_counts() {
    let bytes = repaged(&opus_file(1, 9600, |_| ()), 0);
    let pages: Vec<usize> =
        (0..bytes.len() - 4).filter(|&at| bytes[at..].starts_with(b"OggS")).collect();
    let without = [&bytes[..pages[5]], &bytes[pages[6]..]].concat();
    // Eleven packets of 960 samples less one, less the pre-skip of 312.
    let error = decode_bytes(&without).unwrap_err().to_string();
    assert!(error.ends_with("is truncated: decoded 9288 of 9600 samples"), "{error}");
}

#[test]
fn surround_opus_is_unsupported_by_name() {
    let mut writer = PacketWriter::new(Vec::new());
    let mut head = b"OpusHead\x01\x06\0\0\x80\xbb\0\0\0\0\x01".to_vec();
    head.extend([4, 2, 0, 4, 1, 2, 3, 5]);
    writer.write_packet(head, 1, PacketWriteEndInfo::EndPage, 0).unwrap();
    writer.write_packet(b"OpusTags".to_vec(), 1, PacketWriteEndInfo::EndStream, 0).unwrap();
    let error = decode_bytes(&writer.into_inner()).unwrap_err().to_string();
    assert!(
        error.ends_with("is not supported: Opus with 6 channels of mapping family 1"),
        "{error}"
    );
}

#[test]
fn truncated_flac_names_both_counts() {
    let bytes = fs_err::read(stored("flac16.flac")).unwrap();
    let error = decode_bytes(&bytes[..bytes.len() * 9 / 10]).unwrap_err();
    let Error::Truncated { expected, decoded, .. } = error else { panic!("{error}") };
    assert_eq!(expected, 5000);
    assert!(decoded < 5000);
}

#[test]
fn flac_that_does_not_match_its_checksum_is_corrupt() {
    let mut bytes = fs_err::read(stored("flac16.flac")).unwrap();
    // The checksum of the samples is at the end of the first block.
    bytes[26] ^= 1;
    let error = decode_bytes(&bytes).unwrap_err().to_string();
    assert!(error.ends_with("is corrupt: the samples do not match their checksum"), "{error}");
}

#[test]
fn tags_around_mp3_and_flac_are_skipped() {
    let tag = [b"ID3\x04\0\0\0\0\x02\x00".as_slice(), &[0; 256]].concat();
    let names: [PathBuf; 2] = [stored("mp3.mp3"), stored("flac16.flac")];
    for path in names {
        let bytes = fs_err::read(&path).unwrap();
        let plain = decode(&path).unwrap();
        assert_eq!(decode_bytes(&[&tag, bytes.as_slice()].concat()).unwrap(), plain);
    }
    let bytes = fs_err::read(stored("mp3.mp3")).unwrap();
    let end = [b"TAG".as_slice(), &[0xff; 125]].concat();
    assert_eq!(decode_bytes(&[bytes, end].concat()).unwrap(), decode(stored("mp3.mp3")).unwrap());
}

#[test]
fn mp3_without_a_length_is_decoded_to_its_end() {
    // Without the first frame, which holds the Xing tag, nothing says where the stream ends.
    let bytes = fs_err::read(stored("mp3-stereo.mp3")).unwrap();
    let second = (4..bytes.len()).find(|&at| bytes[at..at + 2] == bytes[..2]).unwrap();
    let audio = decode_bytes(&bytes[second..]).unwrap();
    let whole = decode(stored("mp3-stereo.mp3")).unwrap();
    assert!(audio.samples.len() > whole.samples.len());
    assert_eq!(audio.samples.len() % 1152, 0);
}

#[test]
fn mp3_with_far_less_than_its_tag_says_is_truncated() {
    let bytes = fs_err::read(stored("mp3-stereo.mp3")).unwrap();
    let error = decode_bytes(&bytes[..bytes.len() / 2]).unwrap_err();
    let Error::Truncated { expected, decoded, .. } = error else { panic!("{error}") };
    assert_eq!(expected, 22222);
    assert!(decoded < 12000);
}
