//! The sizes that were published, and those that a `config.json` describes.

use crate::config::{Size, SpeechEncoderConfig};
use ablate_sdk::{Error, serde_json};
use serde::Deserialize;
use std::path::Path;

/// The two families of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Hsu et al., 2021.
    Hubert,
    /// Chen et al., 2022: HuBERT with gated relative position bias.
    Wavlm,
}

impl Family {
    /// Name of the block, which is also the prefix and the `model_type` of checkpoints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hubert => "hubert",
            Self::Wavlm => "wavlm",
        }
    }

    fn sizes(self) -> &'static [Size] {
        match self {
            Self::Hubert => &[Size::Base, Size::Large, Size::Custom],
            Self::Wavlm => &[Size::Base, Size::BasePlus, Size::Large, Size::Custom],
        }
    }

    /// The model card that the weights of a size are from.
    pub fn card(self, size: Size) -> &'static str {
        match (self, size) {
            (Self::Hubert, Size::Large) => "facebook/hubert-large-ll60k",
            (Self::Hubert, _) => "facebook/hubert-base-ls960",
            (Self::Wavlm, Size::Large) => "microsoft/wavlm-large",
            (Self::Wavlm, Size::BasePlus) => "microsoft/wavlm-base-plus",
            (Self::Wavlm, _) => "microsoft/wavlm-base",
        }
    }
}

/// One convolution over the waveform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Channels that it gives.
    pub width: usize,
    /// Taps.
    pub kernel: usize,
    /// Steps from one output to the next.
    pub stride: usize,
}

/// How the convolutions are normalized.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum FeatureNorm {
    /// The first one per channel over time.
    Group,
    /// Each one per frame over channels.
    Layer,
}

/// The table of relative positions of WavLM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Entries of the table, half of them for each direction.
    pub count: usize,
    /// Distances from here on share the last bucket.
    pub max_distance: usize,
}

/// Everything that fixes the shapes and the order of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// The convolutions over the waveform.
    pub convolutions: Vec<Convolution>,
    /// Whether they have a bias.
    pub convolution_bias: bool,
    /// How they are normalized.
    pub feature_norm: FeatureNorm,
    /// Whether frames are normalized before they are projected.
    pub projection_norm: bool,
    /// Width of the layers.
    pub width: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub inner: usize,
    /// Taps of the positional convolution.
    pub position_kernel: usize,
    /// Its groups.
    pub position_groups: usize,
    /// Normalization before each part and once at the end, instead of after each part.
    pub pre_norm: bool,
    /// Added to variances of the layers' normalizations.
    pub epsilon: f64,
    /// WavLM's relative positions.
    pub buckets: Option<Buckets>,
}

/// The keys of a `config.json` that matter here, with the defaults of the published code.
#[derive(Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the keys are those of the published files")]
struct Published {
    model_type: Option<String>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    feat_extract_activation: String,
    feat_extract_norm: FeatureNorm,
    feat_proj_layer_norm: bool,
    conv_dim: Vec<usize>,
    conv_stride: Vec<usize>,
    conv_kernel: Vec<usize>,
    conv_bias: bool,
    num_conv_pos_embeddings: usize,
    num_conv_pos_embedding_groups: usize,
    conv_pos_batch_norm: bool,
    do_stable_layer_norm: bool,
    layer_norm_eps: f64,
    num_buckets: usize,
    max_bucket_distance: usize,
    add_adapter: bool,
    adapter_attn_dim: Option<usize>,
}

impl Default for Published {
    fn default() -> Self {
        Self {
            model_type: None,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".to_owned(),
            feat_extract_activation: "gelu".to_owned(),
            feat_extract_norm: FeatureNorm::Group,
            feat_proj_layer_norm: true,
            conv_dim: vec![512; 7],
            conv_stride: vec![5, 2, 2, 2, 2, 2, 2],
            conv_kernel: vec![10, 3, 3, 3, 3, 2, 2],
            conv_bias: false,
            num_conv_pos_embeddings: 128,
            num_conv_pos_embedding_groups: 16,
            conv_pos_batch_norm: false,
            do_stable_layer_norm: false,
            layer_norm_eps: 1e-5,
            num_buckets: 320,
            max_bucket_distance: 800,
            add_adapter: false,
            adapter_attn_dim: None,
        }
    }
}

impl Architecture {
    /// A published size, or what the file of a custom one says.
    ///
    /// # Errors
    /// If the family has no such size, or `architecture` is missing, superfluous or not one that
    /// can be computed.
    pub fn of(family: Family, config: &SpeechEncoderConfig) -> Result<Self, Error> {
        let name = family.name();
        let size = config.size;
        if !family.sizes().contains(&size) {
            let sizes: Vec<String> =
                family.sizes().iter().map(|size| format!("`{}`", size.name())).collect();
            let text =
                format!("`{name}` has no size `{}`; it has {}", size.name(), sizes.join(", "));
            return Err(Error::config(text));
        }
        match (size, &config.architecture) {
            (Size::Custom, Some(path)) => Self::read(family, path),
            (Size::Custom, None) => Err(Error::config(format!(
                "`size = \"custom\"` of `{name}` needs `architecture`, the path of the `config.json` \
                 of its model card"
            ))),
            (_, Some(_)) => Err(Error::config(format!(
                "`architecture` goes with `size = \"custom\"`, here `size` is `{}`",
                size.name()
            ))),
            (Size::Large, None) => Ok(Self::large(family)),
            (Size::Base | Size::BasePlus, None) => Ok(Self::base(family)),
        }
    }

    fn base(family: Family) -> Self {
        Self::checked(family, Published::default()).expect("the published sizes are consistent")
    }

    fn large(family: Family) -> Self {
        let published = Published {
            hidden_size: 1024,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            intermediate_size: 4096,
            feat_extract_norm: FeatureNorm::Layer,
            // The convolutions of HuBERT have biases, those of WavLM have none.
            conv_bias: family == Family::Hubert,
            do_stable_layer_norm: true,
            ..Published::default()
        };
        Self::checked(family, published).expect("the published sizes are consistent")
    }

    /// What a `config.json` describes.
    ///
    /// # Errors
    /// If it cannot be read, is of another family, or says what cannot be computed.
    pub fn read(family: Family, path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let text = fs_err::read_to_string(path).map_err(|error| Error::data(error.to_string()))?;
        let published: Published = serde_json::from_str(&text)
            .map_err(|error| Error::config(format!("`{shown}` is no `config.json`: {error}")))?;
        Self::checked(family, published)
            .map_err(|reason| Error::config(format!("`{shown}`: {reason}")))
    }

    fn checked(family: Family, published: Published) -> Result<Self, String> {
        let Published { hidden_size: width, num_attention_heads: heads, .. } = published;
        let name = family.name();
        if let Some(other) = published.model_type.filter(|other| other != name) {
            return Err(format!("`model_type` is `{other}`, expected `{name}`"));
        }
        for (key, value) in [
            ("hidden_act", &published.hidden_act),
            ("feat_extract_activation", &published.feat_extract_activation),
        ] {
            if value != "gelu" {
                return Err(format!("`{key}` is `{value}`, only `gelu` is known"));
            }
        }
        for (key, set) in [
            ("conv_pos_batch_norm", published.conv_pos_batch_norm),
            ("add_adapter", published.add_adapter),
            ("adapter_attn_dim", published.adapter_attn_dim.is_some()),
        ] {
            if set {
                return Err(format!("`{key}` is set, which `{name}` does not compute"));
            }
        }
        let convolutions = published.conv_dim.len();
        let rest = [published.conv_kernel.len(), published.conv_stride.len()];
        if convolutions == 0 || rest != [convolutions; 2] {
            let text = "`conv_dim`, `conv_kernel` and `conv_stride` are not equally long lists";
            return Err(text.to_owned());
        }
        let groups = published.num_conv_pos_embedding_groups;
        for (key, parts) in
            [("num_attention_heads", heads), ("num_conv_pos_embedding_groups", groups)]
        {
            if parts == 0 || !width.is_multiple_of(parts) {
                return Err(format!("`hidden_size` {width} is no multiple of `{key}` {parts}"));
            }
        }
        let counts = [published.num_conv_pos_embeddings, published.intermediate_size, width];
        let numbers = [&published.conv_dim, &published.conv_kernel, &published.conv_stride];
        if numbers.into_iter().flatten().chain(&counts).any(|&number| number == 0) {
            return Err("a width, kernel or stride is 0".to_owned());
        }
        let buckets = (family == Family::Wavlm).then_some(Buckets {
            count: published.num_buckets,
            max_distance: published.max_bucket_distance,
        });
        if let Some(buckets) = buckets
            && (buckets.count < 4 || buckets.max_distance <= buckets.count / 4)
        {
            let text =
                "`num_buckets` is below 4 or `max_bucket_distance` not above a quarter of it";
            return Err(text.to_owned());
        }
        let sizes = published.conv_kernel.iter().zip(&published.conv_stride);
        let convolutions = published.conv_dim.iter().zip(sizes);
        let convolutions = convolutions
            .map(|(&width, (&kernel, &stride))| Convolution { width, kernel, stride })
            .collect();
        Ok(Self {
            convolutions,
            convolution_bias: published.conv_bias,
            feature_norm: published.feat_extract_norm,
            projection_norm: family == Family::Wavlm || published.feat_proj_layer_norm,
            width,
            layers: published.num_hidden_layers,
            heads,
            inner: published.intermediate_size,
            position_kernel: published.num_conv_pos_embeddings,
            position_groups: groups,
            pre_norm: published.do_stable_layer_norm,
            epsilon: published.layer_norm_eps,
            buckets,
        })
    }

    /// Frames of `samples` samples: every convolution gives ⌊(n − kernel) / stride⌋ + 1.
    pub fn frames(&self, samples: usize) -> usize {
        self.convolutions.iter().fold(samples, |count, convolution| {
            if count < convolution.kernel {
                0
            } else {
                (count - convolution.kernel) / convolution.stride + 1
            }
        })
    }

    /// Samples that one frame is made of: 400 in all published models.
    pub fn field(&self) -> usize {
        let list = self.convolutions.iter().rev();
        list.fold(1, |count, convolution| (count - 1) * convolution.stride + convolution.kernel)
    }

    /// What differs in `other`, by the names of a `config.json`: for a message.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let pairs = [
            ("hidden_size", self.width != other.width),
            ("num_hidden_layers", self.layers != other.layers),
            ("num_attention_heads", self.heads != other.heads),
            ("intermediate_size", self.inner != other.inner),
            ("feat_extract_norm", self.feature_norm != other.feature_norm),
            ("feat_proj_layer_norm", self.projection_norm != other.projection_norm),
            ("do_stable_layer_norm", self.pre_norm != other.pre_norm),
            ("conv_bias", self.convolution_bias != other.convolution_bias),
            ("conv_dim, conv_kernel or conv_stride", self.convolutions != other.convolutions),
            ("num_conv_pos_embeddings", self.position_kernel != other.position_kernel),
            ("num_conv_pos_embedding_groups", self.position_groups != other.position_groups),
            ("layer_norm_eps", self.epsilon != other.epsilon),
            ("num_buckets or max_bucket_distance", self.buckets != other.buckets),
        ];
        pairs.into_iter().find(|(_, differs)| *differs).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_the_arithmetic_of_the_convolutions() {
        let base = Architecture::base(Family::Hubert);
        // Worked out layer by layer; 160,000 samples are 10 s.
        let table = [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (16_000, 49), (64_000, 199)];
        let more = [(160_000, 499), (163_920, 512), (164_239, 512), (164_240, 513)];
        for (samples, frames) in table.into_iter().chain(more) {
            assert_eq!(base.frames(samples), frames, "{samples}");
        }
        assert_eq!(base.field(), 400);
    }

    #[test]
    fn says_which_sizes_there_are_and_what_a_custom_one_needs() {
        let of = |family, size, architecture: Option<&str>| {
            let architecture = architecture.map(Into::into);
            let config = SpeechEncoderConfig { size, architecture, ..Default::default() };
            Architecture::of(family, &config).expect_err("must fail").to_string()
        };
        assert_eq!(
            of(Family::Hubert, Size::BasePlus, None),
            "`hubert` has no size `base-plus`; it has `base`, `large`, `custom`"
        );
        assert_eq!(
            of(Family::Wavlm, Size::Custom, None),
            "`size = \"custom\"` of `wavlm` needs `architecture`, the path of the `config.json` of \
             its model card"
        );
        assert_eq!(
            of(Family::Wavlm, Size::Base, Some("config.json")),
            "`architecture` goes with `size = \"custom\"`, here `size` is `base`"
        );
    }

    #[test]
    fn refuses_what_it_does_not_compute() {
        let check = |json: &str| {
            let published = serde_json::from_str(json).expect("JSON");
            Architecture::checked(Family::Wavlm, published).expect_err("must be refused")
        };
        assert_eq!(
            check(r#"{"model_type": "hubert"}"#),
            "`model_type` is `hubert`, expected `wavlm`"
        );
        assert_eq!(
            check(r#"{"hidden_act": "relu"}"#),
            "`hidden_act` is `relu`, only `gelu` is known"
        );
        assert_eq!(
            check(r#"{"hidden_size": 100}"#),
            "`hidden_size` 100 is no multiple of `num_attention_heads` 12"
        );
        assert_eq!(
            check(r#"{"add_adapter": true}"#),
            "`add_adapter` is set, which `wavlm` does not compute"
        );
        assert_eq!(
            check(r#"{"conv_dim": [512]}"#),
            "`conv_dim`, `conv_kernel` and `conv_stride` are not equally long lists"
        );
    }
}
