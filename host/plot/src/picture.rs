//! A finished picture: SVG text, and the same in pixels.

use std::sync::{Arc, OnceLock};

use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use crate::{Error, text};

/// Pixels of a PNG per pixel of the SVG, which counts 96 to the inch: 300 to the inch.
const SHARPNESS: f32 = 300.0 / 96.0;

/// Larger PNGs are less sharp instead: few programs open them, and they would fill the memory.
const LONGEST: f32 = 20_000.0;

/// Pixels of the SVG per meter.
const PER_METER: f32 = 96.0 / 0.0254;

/// A finished picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    svg: String,
}

impl Picture {
    pub(crate) const fn new(svg: String) -> Self {
        Self { svg }
    }

    /// The picture as SVG, with text as text.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The picture as PNG with 300 dots per inch, fewer if it is very large, drawn from the SVG with an embedded font.
    ///
    /// # Errors
    /// [`Error::Pixels`] if there is no memory for it.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let fail = |reason: String| Error::Pixels { reason };
        let options = Options { fontdb: fonts(), ..Options::default() };
        let tree = Tree::from_str(&self.svg, &options).map_err(|error| fail(error.to_string()))?;
        let longest = tree.size().width().max(tree.size().height());
        let sharpness = SHARPNESS.min(LONGEST / longest);
        let size = tree.size().to_int_size().scale_by(sharpness);
        let size = size.ok_or_else(|| fail("the picture has no size".into()))?;
        let mut pixels = Pixmap::new(size.width(), size.height())
            .ok_or_else(|| fail("the picture is too large".into()))?;
        // The last row and column may be covered in part only.
        pixels.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(sharpness, sharpness), &mut pixels.as_mut());
        encode(&pixels, sharpness).map_err(|error| fail(error.to_string()))
    }
}

/// Only the embedded fonts: a picture must not depend on the machine.
fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = Database::new();
        for bytes in text::fonts() {
            fonts.load_font_data(bytes.to_vec());
        }
        Arc::new(fonts)
    });
    Arc::clone(fonts)
}

fn encode(pixels: &Pixmap, sharpness: f32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let density = (PER_METER * sharpness).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: density,
        yppu: density,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header()?;
    // The ground is opaque, so that nothing is lost without transparency.
    let colors: Vec<u8> = pixels
        .pixels()
        .iter()
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    writer.write_image_data(&colors)?;
    writer.finish()?;
    Ok(bytes)
}
