//! Packing the weights of int8 convolutions.

use super::tile::Tiles;
use crate::kernels::Kernels;
use crate::kernels::layers::panels::{Outputs, Panels};
use crate::kernels::layers::quant::Storage;

/// The summands of one product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub storage: Storage,
    /// How many.
    pub items: usize,
}

/// Appends an item.
pub(crate) fn push(storage: Storage, to: &mut Vec<u8>, value: i16) {
    match storage {
        Storage::I16 => to.extend(value.to_ne_bytes()),
        Storage::I8 | Storage::U8 => to.push(value as u8),
    }
}

/// Packs `weight(k, output)` for these `tiles` and `depth` groups.
pub(crate) fn pack(
    kernels: &Kernels,
    tiles: Tiles,
    group: Group,
    depth: usize,
    outputs: Outputs,
    weight: impl Fn(usize, usize) -> i16,
) -> Panels<u8> {
    let widths: Vec<_> = tiles.iter().map(|t| t.0).collect();
    Panels::lay_to(kernels, &widths, depth, outputs, pusher(group, weight))
}

/// Appends a group of `weight(k, output)`.
pub(crate) fn pusher(
    Group { storage, items }: Group,
    weight: impl Fn(usize, usize) -> i16,
) -> impl FnMut(&mut Vec<u8>, usize, Option<usize>) {
    move |to, k, c| {
        for k in k * items..(k + 1) * items {
            push(storage, to, c.map_or(0, |c| weight(k, c)));
        }
    }
}
