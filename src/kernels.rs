//! The arithmetic of networks and of their input, compiled once per instruction set.
//!
//! A [`Kernels`] is a table of functions for one instruction set. Layers are packed for one table and keep it.
//! [`chosen`] picks the best table for this CPU once and logs its name; [`available`] lists all that the CPU can run.
//!
//! `isa` holds the instruction sets, `image` the kernels of pictures, `layers` those of networks, and `tables` compiles
//! all of them for each instruction set. `README.md` beside them says how to add a kernel.
//!
//! **Layout.** Maps are NHWC with a border of zeros, one pixel wide ([`Map`]). Windows need no bounds tests, and nothing
//! is gathered at run time. Bias, activation and residual are applied before a value is stored.
//!
//! **Accuracy.** `naive` defines the results, in double precision. Direct kernels stay within the error bound of
//! summation in single precision. Winograd's method stays within about 1e-6 of the layer's largest output.
//!
//! **int8.** Quantised networks give the same bits on every table.
//!
//! **NaN and infinity.** Networks expect finite input. No kernel replaces a NaN or an infinity by a finite number, and
//! activations pass NaN on. There are two exceptions: max pooling may ignore a NaN, and integers cannot hold one.
//! Winograd's method turns a NaN or an infinity into NaN in all outputs of its tile. Nothing carries over to the next
//! run.

// Kernels are indexed loops over arrays of registers. Iterator adaptors and closures are functions of their own: they
// are compiled without the caller's CPU features and, if not inlined, force the arrays into memory.
#![allow(clippy::needless_range_loop)]

mod image;
mod isa;
mod layers;
mod lines;
mod map;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod suite;
mod tables;

use std::sync::OnceLock;

pub use image::colour::{ColourLines, Colours, Grid};
pub use image::percentile::subsampled_len;
pub use image::sample::{Lattice, Picture, bilinear};
pub use image::soft_argmax::SOFT_ARGMAX_VALUES;
pub use layers::epilogue::{Activation, Epilogue, ResidualPosition};
pub use layers::f32::conv::Conv;
pub use layers::f32::depthwise::Depthwise;
pub use layers::f32::elementwise::Elementwise;
pub use layers::f32::pool::{Pool, Pooling};
pub use layers::f32::replicate::Replicate;
pub use layers::f32::resize::{Between, Resize};
pub use layers::f32::winograd::{Tile, Winograd};
pub use layers::int8::conv::Conv8;
pub use layers::int8::elementwise::{AddRequantise, Quantise};
pub use layers::int8::epilogue::Into8;
pub use layers::int8::weights::Sums;
pub use layers::int8::winograd::Winograd8;
pub use layers::quant::Quant;
pub use layers::window::Window;
pub use lines::Lines;
pub use map::Map;

use crate::error::{Error, Result};

/// The environment variable with the name of the highest table to use.
pub const CHOICE: &str = "HEATMARK_KERNELS";
/// The environment variable with the name of the table that must be used; anything else is an error.
pub const REQUIRED: &str = "HEATMARK_KERNELS_REQUIRED";

/// Every kernel of a table: `name: argument = generic function;`. A row makes the field `name` of [`Kernels`] (`f32`:
/// floats and pictures) or of [`Int8Kernels`] (`int8`), and the entry of every table. The macro `$then` gets all rows.
macro_rules! kernel_list {
    ($then:ident $arguments:tt) => {
        $then! {
            $arguments
            f32 {
                winograd_input_f2: &layers::f32::winograd::InputTransform
                    = layers::f32::winograd::input_transform::<_, layers::f32::winograd::Two, 4, 2>;
                winograd_input_f4: &layers::f32::winograd::InputTransform
                    = layers::f32::winograd::input_transform::<_, layers::f32::winograd::Four, 6, 4>;
                winograd_output_f2: &layers::f32::winograd::OutputTransform
                    = layers::f32::winograd::output_transform::<_, layers::f32::winograd::Two, 4, 2>;
                winograd_output_f4: &layers::f32::winograd::OutputTransform
                    = layers::f32::winograd::output_transform::<_, layers::f32::winograd::Four, 6, 4>;
                depthwise_stride1: &layers::f32::depthwise::Job = layers::f32::depthwise::depthwise::<_, 1>;
                depthwise_stride2: &layers::f32::depthwise::Job = layers::f32::depthwise::depthwise::<_, 2>;
                pool: &layers::f32::pool::Job = layers::f32::pool::pool;
                replicate: &layers::f32::replicate::Job = layers::f32::replicate::replicate;
                resize: &layers::f32::resize::Job = layers::f32::resize::resize;
                elementwise: &layers::f32::elementwise::Job = layers::f32::elementwise::elementwise;
                sample: image::sample::Job = image::sample::sample;
                resample_colours: image::colour::Job = image::colour::resample_colours;
                reduce: image::sample::Reduction = image::sample::reduce;
                subsample: image::percentile::Subsampling = image::percentile::subsample;
                min_max: image::percentile::Range = image::percentile::min_max;
                bin: image::percentile::Binning = image::percentile::bin;
                stretch: image::percentile::Stretching = image::percentile::stretch;
                scale: image::tone::Scaling<f32> = image::tone::scale;
                bin_counts: image::tone::Scaling<u32, f32> = image::tone::bin_counts;
                tone_curve: image::tone::Scaling<f32, image::tone::Curves> = image::tone::tone_curve;
                blend: image::tone::Blending<f32> = image::tone::blend;
                blend_u8: image::tone::Blending<u8> = image::tone::blend_u8;
                soft_argmax: image::soft_argmax::Job = image::soft_argmax::soft_argmax;
                nhwc_to_nchw: image::transpose::Job = image::transpose::nhwc_to_nchw;
            }
            int8 {
                quantise: &layers::int8::elementwise::Quantising = layers::int8::elementwise::quantise;
                add_requantise: &layers::int8::elementwise::AddRequantising = layers::int8::elementwise::add_requantise;
            }
        }
    };
}
pub(crate) use kernel_list;

macro_rules! structs {
    (
        {}
        f32 { $($name:ident: $job:ty = $kernel:path;)* }
        int8 { $($int8_name:ident: $int8_job:ty = $int8_kernel:path;)* }
    ) => {
        /// The kernels of one instruction set. Only tables that this CPU can run are handed out.
        pub struct Kernels {
            name: &'static str,
            /// Floats in a register.
            lanes: usize,
            tiles: layers::f32::tile::Tiles,
            /// Row microkernels, for layers of few summands; empty where tiles are as fast.
            rows: &'static [layers::f32::row::RowKernel],
            /// Registers of output channels that a tile of several pixels takes while this many remain.
            panel: fn(usize) -> usize,
            int8: Int8Kernels,
            $($name: unsafe fn($job),)*
        }

        /// The int8 kernels of one instruction set.
        pub(crate) struct Int8Kernels {
            storage: layers::quant::Storage,
            /// Summands of one product.
            group: usize,
            /// Those that store integers, and those that store floats.
            tiles: [layers::int8::tile::Tiles; 2],
            /// Float tiles that quantise their results.
            quantising_tiles: Option<layers::f32::tile::Tiles>,
            /// Row microkernels of floats that quantise their results.
            rows: &'static [layers::f32::row::RowKernel],
            /// int8 row microkernels.
            int8_rows: &'static [layers::int8::row::RowKernel],
            /// Whole convolutions, for CPUs with matrix products.
            matrix: Option<unsafe fn(&layers::int8::matrix::Sweep)>,
            /// Winograd's transforms for F(2x2) and F(4x4), where the method is faster.
            winograd: Option<layers::int8::winograd::Table>,
            /// Whether a network runs faster in int8 than in float on CPUs of this table.
            faster: bool,
            $($int8_name: unsafe fn($int8_job),)*
        }
    };
}
kernel_list! { structs {} }

impl Kernels {
    /// The name of the instruction set: `scalar`, `avx2`, `avxvnni` (AVX2 with dot products for int8), `avx512`,
    /// `avx512vnni`, `amx` (products of matrices for int8), `neon` or `dotprod` (NEON with dot products of bytes).
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Floats in a register. A map's pitch is a multiple of it, except where only dense layers read the map.
    pub fn lanes(&self) -> usize {
        self.lanes
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Kernels({})", self.name)
    }
}

/// A table, whether it was compiled in and whether this CPU can run it; lesser tables first.
struct Row {
    name: &'static str,
    table: Option<&'static Kernels>,
}

fn rows() -> [Row; 8] {
    #[cfg(target_arch = "x86_64")]
    let [avx2, avxvnni, avx512, avx512vnni, amx] = [
        isa::avx2::available().then_some(&tables::x86::AVX2),
        isa::avx2::dot_products().then_some(&tables::x86::AVXVNNI),
        isa::avx512::available().then_some(&tables::x86::AVX512),
        isa::avx512::dot_products().then(|| match isa::avx512::slow_gathers() {
            true => &tables::x86::AVX512VNNI_LOADS,
            false => &tables::x86::AVX512VNNI,
        }),
        layers::int8::amx::available().then_some(&tables::x86::AMX),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let [avx2, avxvnni, avx512, avx512vnni, amx] = [None; 5];
    // Every CPU of this architecture has NEON.
    #[cfg(target_arch = "aarch64")]
    let neon = Some(&tables::neon::NEON);
    #[cfg(target_arch = "aarch64")]
    let dotprod = isa::neon::dot_products().then_some(&tables::neon::DOTPROD);
    #[cfg(not(target_arch = "aarch64"))]
    let (neon, dotprod) = (None, None);
    [
        Row { name: "scalar", table: Some(&tables::scalar::SCALAR) },
        Row { name: "avx2", table: avx2 },
        Row { name: "avxvnni", table: avxvnni },
        Row { name: "avx512", table: avx512 },
        Row { name: "avx512vnni", table: avx512vnni },
        Row { name: "amx", table: amx },
        Row { name: "neon", table: neon },
        Row { name: "dotprod", table: dotprod },
    ]
}

/// The plain Rust kernels, which every CPU runs.
pub fn scalar() -> &'static Kernels {
    &tables::scalar::SCALAR
}

/// The tables that this CPU can run, the best last.
pub fn available() -> Vec<&'static Kernels> {
    rows().iter().filter_map(|r| r.table).collect()
}

/// The best table of this CPU, not above the one named by `choice`; an error if `required` is another.
///
/// # Errors
/// If a name is unknown, or `required` is not what would be used.
pub fn detect(choice: Option<&str>, required: Option<&str>) -> Result<&'static Kernels> {
    let rows = rows();
    let names = || rows.iter().map(|r| r.name).collect::<Vec<_>>().join(", ");
    let place = |variable: &str, name: &str| {
        rows.iter()
            .position(|r| r.name == name)
            .ok_or_else(|| Error::fix(variable, format!("no kernels are named {name:?}; there are {}", names())))
    };
    let limit = match choice {
        Some(name) => place(CHOICE, name)?,
        None => rows.len() - 1,
    };
    let best = rows[..=limit].iter().rev().find_map(|r| r.table).unwrap_or(&tables::scalar::SCALAR);
    if let Some(required) = required {
        place(REQUIRED, required)?;
        if required != best.name {
            return Err(Error::fix(REQUIRED, format!("{required} is required, but {} would be used", best.name)));
        }
    }
    Ok(best)
}

/// The values of [`CHOICE`] and [`REQUIRED`], if they are set and not empty.
fn environment() -> [Option<String>; 2] {
    [CHOICE, REQUIRED].map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
}

/// The table that this process uses, chosen at the first call from the CPU and the environment variables
/// [`CHOICE`] and [`REQUIRED`], and logged by name.
///
/// # Errors
/// As [`detect`], at every call.
pub fn chosen() -> Result<&'static Kernels> {
    static CHOSEN: OnceLock<std::result::Result<&'static Kernels, String>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let [choice, required] = environment();
        let table = detect(choice.as_deref(), required.as_deref());
        if let Ok(table) = &table {
            log::info!("kernels: {}", table.name);
        }
        table.map_err(|e| e.to_string())
    });
    chosen.as_ref().copied().map_err(|e| Error::fix("kernels", e))
}

/// The table that this process uses, or the scalar one if [`chosen`] fails. For code that draws or prepares pictures:
/// the networks report the error.
pub fn current() -> &'static Kernels {
    chosen().unwrap_or(&tables::scalar::SCALAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_goes_down_only_and_unknown_names_are_errors() {
        assert_eq!(detect(Some("scalar"), None).unwrap().name(), "scalar");
        let best = available().last().unwrap().name();
        assert_eq!(detect(None, None).unwrap().name(), best);
        assert_eq!(detect(Some(best), None).unwrap().name(), best);
        assert!(
            detect(Some("mmx"), None)
                .unwrap_err()
                .to_string()
                .contains("scalar, avx2, avxvnni, avx512, avx512vnni, amx, neon, dotprod")
        );
        assert!(detect(None, Some("mmx")).is_err());
        assert!(detect(Some("scalar"), Some("avx2")).is_err());
        assert!(detect(Some("scalar"), Some("scalar")).is_ok());
    }
}
