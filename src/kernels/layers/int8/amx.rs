//! Integers with AMX: `tdpbusd` multiplies up to sixteen pixels' 64 bytes each by sixteen outputs' weights, and adds
//! the products to 256 sums.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use super::epilogue::{Store, scales};
use super::matrix::{OUTPUTS, Packed, Sweep, WEIGHTS};
use crate::kernels::isa::Isa;
use crate::kernels::isa::avx512::{self, Avx512};
use crate::kernels::isa::int8::Ints;

/// Shapes of the tile registers, as `ldtilecfg` reads them: palette 1; at byte 16 the bytes per row of each, at byte 48
/// the rows (Intel 64 manual, volume 1, chapter 18).
#[repr(C, align(64))]
struct Shapes([u8; 64]);

impl Shapes {
    /// Registers 0 to 3 hold sums and 4 and 5 pixels, `height` of them each; 6 and 7 hold weights.
    fn new(height: usize) -> Self {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        for tile in 0..8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = if tile < 6 { height as u8 } else { 16 };
        }
        Self(bytes)
    }
}

/// The sums of up to four tiles: one after the other, sixteen pixels of sixteen outputs each.
#[repr(C, align(64))]
struct Sums([i32; 4 * 16 * OUTPUTS]);

/// What the products of one or two blocks by one or two registers of outputs need.
struct Products<'a> {
    /// The first pixel of each block; the second may be the first.
    input: [*const u8; 2],
    /// From one pixel to the next.
    stride: usize,
    chunks: &'a [usize],
    weights: *const u8,
    bias: *const i32,
    sums: &'a mut Sums,
}

/// Defines a function for the products. All start with those of the first block by the first register of outputs. The
/// arguments add the others: how their sums begin, what a chunk adds, how far its weights reach, how the sums end.
macro_rules! products {
    ($name:ident: $($begin:literal)*; $($step:literal)*; $weights:literal; $($end:literal)*) => {
        /// # Safety
        /// The CPU has AMX, and the tile registers their [`Shapes`]; so many pixels of each chunk are readable from the
        /// inputs on, the weights of all chunks, and a bias for every output. There is a chunk.
        unsafe fn $name(p: Products) {
            // SAFETY: the caller guarantees AMX, shaped registers, pixels, weights and biases; the sums hold four
            // tiles. No other code uses tile registers.
            unsafe {
                asm!(
                    // Every row of a tile of sums starts with the biases: the stride is 0.
                    "xor {at:e}, {at:e}",
                    "tileloadd tmm0, [{bias} + {at}*1]",
                    $($begin,)*
                    "2:",
                    "mov {at}, [{chunks}]",
                    "add {at}, {first}",
                    "tileloadd tmm4, [{at} + {stride}*1]",
                    "tileloadd tmm6, [{weights} + {line}*1]",
                    "tdpbusd tmm0, tmm4, tmm6",
                    $($step,)*
                    concat!("add {weights}, ", $weights),
                    "add {chunks}, 8",
                    "dec {left}",
                    "jnz 2b",
                    "tilestored [{sums} + {line}*1], tmm0",
                    $($end,)*
                    "/* {second} */",
                    at = out(reg) _,
                    first = in(reg) p.input[0],
                    second = in(reg) p.input[1],
                    stride = in(reg) p.stride,
                    line = in(reg) 64usize,
                    chunks = inout(reg) p.chunks.as_ptr() => _,
                    left = inout(reg) p.chunks.len() => _,
                    weights = inout(reg) p.weights => _,
                    bias = in(reg) p.bias,
                    sums = in(reg) p.sums.0.as_mut_ptr(),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    };
}

products!(one_by_one: ;; "1024";);

products!(one_by_two:
    "tileloadd tmm1, [{bias} + {at}*1 + 64]";
    "tileloadd tmm7, [{weights} + {line}*1 + 1024]"
    "tdpbusd tmm1, tmm4, tmm7";
    "2048";
    "tilestored [{sums} + {line}*1 + 1024], tmm1"
);

products!(two_by_one:
    "tileloadd tmm2, [{bias} + {at}*1]";
    "mov {at}, [{chunks}]"
    "add {at}, {second}"
    "tileloadd tmm5, [{at} + {stride}*1]"
    "tdpbusd tmm2, tmm5, tmm6";
    "1024";
    "tilestored [{sums} + {line}*1 + 2048], tmm2"
);

products!(two_by_two:
    "tileloadd tmm1, [{bias} + {at}*1 + 64]"
    "tileloadd tmm2, [{bias} + {at}*1]"
    "tileloadd tmm3, [{bias} + {at}*1 + 64]";
    "tileloadd tmm7, [{weights} + {line}*1 + 1024]"
    "tdpbusd tmm1, tmm4, tmm7"
    "mov {at}, [{chunks}]"
    "add {at}, {second}"
    "tileloadd tmm5, [{at} + {stride}*1]"
    "tdpbusd tmm2, tmm5, tmm6"
    "tdpbusd tmm3, tmm5, tmm7";
    "2048";
    "tilestored [{sums} + {line}*1 + 1024], tmm1"
    "tilestored [{sums} + {line}*1 + 2048], tmm2"
    "tilestored [{sums} + {line}*1 + 3072], tmm3"
);

/// The sums of `height` pixels to the output from `to` on.
///
/// # Safety
/// The pixels are writable for the register of outputs from `c` on, which `epilogue` has.
#[inline(always)]
unsafe fn store_block(job: &Sweep, c: usize, sums: &[i32], to: usize) {
    let isa = Avx512::<1>(());
    let limits = job.epilogue.limits;
    // They are read before anything is written.
    let [scale] = match job.epilogue.store {
        Store::Sums => [isa.zero()],
        // SAFETY: the caller guarantees that the epilogue has the register of channels from `c` on.
        _ => unsafe { scales::<_, 1>(isa, job.epilogue, c) },
    };
    for (i, sum) in sums.as_chunks::<OUTPUTS>().0.iter().take(job.packed.height).enumerate() {
        let at = to + i * job.grids.to.pixel + c;
        // SAFETY: the caller guarantees that each pixel takes a register of outputs from `c` on.
        unsafe {
            let sum = isa.i32_load(sum.as_ptr());
            match job.epilogue.store {
                Store::Items => isa.store_items(&limits, &[isa.mul(isa.to_f32(sum), scale)], job.output.add(at)),
                Store::Floats => {
                    let v = limits.limit(isa, isa.mul(isa.to_f32(sum), scale));
                    isa.store(job.output.cast::<f32>().add(at), v);
                }
                Store::Sums => isa.i32_store(job.output.cast::<i32>().add(at), sum),
            }
        }
    }
}

/// A whole layer.
///
/// # Safety
/// The CPU has AMX and VNNI, and the process may use them ([`available`]). Every block's offsets are such that
/// [`super::matrix::DEPTH`] bytes of each of its pixels' chunks are readable, and whole registers of outputs writable;
/// `epilogue` has as many channels.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn sweep(job: &Sweep) {
    let Packed { weights, chunks, height, .. } = job.packed;
    if chunks.is_empty() {
        return;
    }
    let mut sums = Sums([0; 4 * 16 * OUTPUTS]);
    // SAFETY: the shapes are valid: sixteen rows of 64 bytes at most.
    unsafe { asm!("ldtilecfg [{}]", in(reg) Shapes::new(*height).0.as_ptr(), options(nostack, readonly)) };
    for (pair, outputs) in job.packed.pairs().enumerate() {
        let (c, wide) = (outputs.start, outputs.len() / OUTPUTS);
        let mut blocks = job.blocks();
        while let Some(block) = blocks.next() {
            let other = blocks.next();
            let ([from, to], beside) = (job.offsets(block), other.map(|o| job.offsets(o)));
            // SAFETY: the blocks and chunks are those of the layer, whose pixels, weights and biases the caller
            // guarantees.
            unsafe {
                let products = Products {
                    input: [job.input.add(from), job.input.add(beside.map_or(from, |b| b[0]))],
                    stride: job.grids.from.pixel,
                    chunks,
                    weights: weights.as_ptr().add(2 * pair * chunks.len() * WEIGHTS),
                    bias: job.epilogue.bias.as_ptr().add(c),
                    sums: &mut sums,
                };
                match (beside.is_some(), wide) {
                    (false, 1) => one_by_one(products),
                    (false, _) => one_by_two(products),
                    (true, 1) => two_by_one(products),
                    (true, _) => two_by_two(products),
                }
                for (b, to) in [Some(to), beside.map(|b| b[1])].into_iter().flatten().enumerate() {
                    for r in 0..wide {
                        let tile = &sums.0[(2 * b + r) * 16 * OUTPUTS..][..16 * OUTPUTS];
                        store_block(job, c + r * OUTPUTS, tile, to);
                    }
                }
            }
        }
    }
    // SAFETY: nothing is left in the tile registers.
    unsafe { asm!("tilerelease", options(nomem, nostack)) };
}

/// Whether this CPU has AMX for bytes and the system lets this process use it; the system is asked once.
pub(crate) fn available() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    // Leaf 7: AMX for bytes, and AMX.
    avx512::dot_products() && __cpuid_count(7, 0).edx >> 24 & 0b11 == 0b11 && *ALLOWED.get_or_init(allowed)
}

#[cfg(target_os = "linux")]
fn allowed() -> bool {
    /// Asks for a state component, by number; that of the tile registers (Linux, Documentation/arch/x86/xstate.rst).
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: the call has no pointers, and changes nothing but what this process may do.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> bool {
    false
}
