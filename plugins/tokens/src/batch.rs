//! The tokens of one batch, checked.

use ablate_sdk::{Arrays, Contract, Error};

/// The valid tokens of a batch, item by item.
pub(crate) struct TokenBatch {
    /// In the order of the frames.
    pub(crate) items: Vec<Vec<u32>>,
}

impl TokenBatch {
    /// The inputs that [`TokenBatch::read`] reads.
    pub(crate) fn contract() -> Contract {
        Contract::new().input("tokens: int[B, T]").input("token_mask?: bool[B, T]")
    }

    /// Reads `tokens: int[B, T]` and `token_mask?: bool[B, T]`; every valid token must be at least
    /// 0 and below `units`.
    pub(crate) fn read(inputs: &Arrays, units: usize) -> Result<Self, Error> {
        let shape = inputs.shape("tokens")?;
        let &[batch, frames] = shape.as_slice() else {
            let text = format!("`tokens` is int{shape:?}, expected 2 dimensions");
            return Err(Error::contract(text));
        };
        if inputs.contains("token_mask") && inputs.shape("token_mask")? != shape {
            let found = inputs.shape("token_mask")?;
            let text = format!("`token_mask` is bool{found:?}, but `tokens` is int{shape:?}");
            return Err(Error::contract(text));
        }
        let tokens = inputs.integers("tokens")?;
        let mask = inputs.mask_or_all("token_mask", batch * frames)?;
        let mut items = Vec::with_capacity(batch);
        for item in 0..batch {
            let mut list = Vec::new();
            for frame in (0..frames).filter(|frame| mask[item * frames + frame]) {
                let token = tokens[item * frames + frame];
                if !(0..units as i64).contains(&token) {
                    let frame = frame + 1;
                    let text = format!(
                        "token `{token}` is not in [0, {units}): item {item} of the batch, frame {frame}"
                    );
                    return Err(Error::data(text));
                }
                list.push(token as u32);
            }
            items.push(list);
        }
        Ok(Self { items })
    }
}

/// K of `codebook: f32[K, F]`.
pub(crate) fn units_of(inputs: &Arrays) -> Result<usize, Error> {
    let shape = inputs.shape("codebook")?;
    match shape.as_slice() {
        &[units, _] if units > 0 => Ok(units),
        _ => Err(Error::contract(format!("`codebook` is f32{shape:?}, expected f32[K, F]"))),
    }
}
