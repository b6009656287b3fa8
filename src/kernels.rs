//! The arithmetic of networks and of their input, once per instruction set.
//!
//! A [`Kernels`] is a table of functions for one instruction set; layers are packed for one table and keep it.
//! [`chosen`] picks the best table of this CPU once and logs its name; [`available`] lists all that it can run.
//!
//! **Layout.** Maps are NHWC with one pixel of zeros around them ([`Map`]), so that windows need no tests and
//! nothing is gathered at run time. A bias, an activation and a residual are applied before a value is stored.
//!
//! **Accuracy.** The definitions are in `naive` (double precision). Direct kernels stay within the error bound
//! of summing in single precision; Winograd's within about 1e-6 of the layer's largest output.
//!
//! **Whole numbers.** Quantised networks run in `int8`, with the same bits on every table.
//!
//! **Not-a-number and infinity.** Networks expect finite input. A NaN or an infinity is never replaced by a
//! harmless number on its way (activations pass NaN on), with two exceptions: maximum pooling may pass over a
//! NaN, and whole numbers cannot hold one. Winograd spreads a NaN or an infinity, as NaN, over the outputs of its tile. Nothing survives
//! into the next run.

// Kernels are written with indexed loops over arrays of registers: iterator adaptors and closures are functions of
// their own, which are compiled without the caller's instruction set and, when not inlined, force the arrays
// into memory.
#![allow(clippy::needless_range_loop)]

mod act;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod conv;
mod depthwise;
mod int8;
mod isa;
mod level;
mod lines;
mod map;
#[cfg(test)]
mod naive;
#[cfg(target_arch = "aarch64")]
mod neon;
mod part;
mod planes;
mod point;
mod pool;
mod resize;
mod rim;
mod sample;
mod scalar;
mod spots;
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "others gain nothing by it"))]
mod strip;
#[cfg(test)]
mod suite;
mod tile;
mod tone;
mod votes;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

pub use act::{Act, Join};
pub use conv::{After, Conv, Window};
pub use depthwise::Depthwise;
pub use int8::{Conv8, Into8, Mix, Quant, Round, Sums, Winograd8};
pub use level::thinned;
pub use lines::Lines;
pub use map::Map;
pub use point::Point;
pub use pool::{Pool, Pooling, Replicate};
pub use resize::{Between, Resize};
pub use sample::{Lattice, Picture, mix};
pub use votes::VALUES;
pub use winograd::{Tile, Winograd};

use crate::error::{Error, Result};

/// The environment variable that asks for a lesser table than the best, by name.
pub const CHOICE: &str = "HEATMARK_KERNELS";
/// The environment variable that names a table which must be in use, or nothing runs.
pub const REQUIRED: &str = "HEATMARK_KERNELS_REQUIRED";

/// The kernels of one instruction set. Only tables that this CPU can run are handed out.
pub struct Kernels {
    name: &'static str,
    /// Floats in a register.
    lanes: usize,
    tiles: tile::Tiles,
    /// For layers of few summands, where it pays.
    strips: &'static [strip::Kernel],
    /// Registers of output channels that a tile of several pixels takes while this many remain.
    panel: fn(usize) -> usize,
    int8: int8::Table,
    /// Winograd's transforms, in the order of [`Tile`].
    spread: [unsafe fn(&winograd::Spread); 2],
    gather: [unsafe fn(&winograd::Gather); 2],
    depthwise: unsafe fn(&depthwise::Job),
    depthwise_half: unsafe fn(&depthwise::Job),
    pool: unsafe fn(&pool::Job),
    replicate: unsafe fn(&pool::ReplicateJob),
    resize: unsafe fn(&resize::Job),
    point: unsafe fn(&point::Job),
    sample: unsafe fn(&sample::Job),
    reduce: unsafe fn(&sample::Reduction),
    thin: unsafe fn(&level::Thinning),
    bounds: unsafe fn(&level::Bounding),
    classes: unsafe fn(&level::Classing),
    stretch: unsafe fn(&level::Stretching),
    scale: unsafe fn(&tone::Counted<f32>),
    bins: unsafe fn(&tone::Counted<u32>),
    tones: unsafe fn(&tone::Counted<f32>),
    blend: unsafe fn(&tone::Mixing<f32>),
    levels: unsafe fn(&tone::Mixing<u8>),
    votes: unsafe fn(&votes::Job),
    /// Where registers have so many lanes.
    planes: Option<unsafe fn(&planes::Job)>,
}

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
        avx2::available().then_some(&avx2::KERNELS),
        avx2::dot_products().then_some(&avx2::AVXVNNI),
        avx512::available().then_some(&avx512::KERNELS),
        avx512::dot_products().then(|| if avx512::slow_gathers() { &avx512::LOADING } else { &avx512::AVX512VNNI }),
        avx512::amx().then_some(&avx512::AMX),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let [avx2, avxvnni, avx512, avx512vnni, amx] = [None; 5];
    // Every CPU of this architecture has NEON.
    #[cfg(target_arch = "aarch64")]
    let neon = Some(&neon::KERNELS);
    #[cfg(target_arch = "aarch64")]
    let dotprod = neon::dot_products().then_some(&neon::DOTPROD);
    #[cfg(not(target_arch = "aarch64"))]
    let (neon, dotprod) = (None, None);
    [
        Row { name: "scalar", table: Some(&scalar::KERNELS) },
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
    &scalar::KERNELS
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
    let best = rows[..=limit].iter().rev().find_map(|r| r.table).unwrap_or(&scalar::KERNELS);
    if let Some(required) = required {
        place(REQUIRED, required)?;
        if required != best.name {
            return Err(Error::fix(REQUIRED, format!("{required} is required, but {} would be used", best.name)));
        }
    }
    Ok(best)
}

/// The table that this process uses, chosen at the first call from the CPU and the environment variables
/// [`CHOICE`] and [`REQUIRED`], and logged by name.
///
/// # Errors
/// As [`detect`], at every call.
pub fn chosen() -> Result<&'static Kernels> {
    static CHOSEN: OnceLock<std::result::Result<&'static Kernels, String>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let read = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
        let table = detect(read(CHOICE).as_deref(), read(REQUIRED).as_deref());
        if let Ok(table) = &table {
            log::info!("kernels: {}", table.name);
        }
        table.map_err(|e| e.to_string())
    });
    chosen.as_ref().copied().map_err(|e| Error::fix("kernels", e))
}

/// The table that this process uses, for what is drawn or prepared beside the networks: nothing can fail here, as
/// whoever asks for impossible kernels hears of it from the networks.
pub fn current() -> &'static Kernels {
    chosen().unwrap_or(&scalar::KERNELS)
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
