//! Packing the weights of int8 convolutions.

use super::tile::Tiles;
use crate::kernels::Kernels;
use crate::kernels::layers::panels::Panels;
use crate::kernels::layers::quant::Storage;

/// Appends an item.
pub(crate) fn push(item: Storage, to: &mut Vec<u8>, value: i16) {
    match item {
        Storage::I16 => to.extend(value.to_ne_bytes()),
        Storage::I8 | Storage::U8 => to.push(value as u8),
    }
}

/// Packs `weight(k, output)` for these `tiles` and `depth` groups of so many items each.
pub(crate) fn pack(
    kernels: &Kernels,
    tiles: Tiles,
    (item, group): (Storage, usize),
    depth: usize,
    outputs: (usize, bool),
    weight: impl Fn(usize, usize) -> i16,
) -> Panels<u8> {
    let widths: Vec<_> = tiles.iter().map(|t| t.0).collect();
    Panels::lay_to(kernels, &widths, depth, outputs, pusher((item, group), weight))
}

/// Appends a group of `weight(k, output)`.
pub(crate) fn pusher(
    (item, group): (Storage, usize),
    weight: impl Fn(usize, usize) -> i16,
) -> impl FnMut(&mut Vec<u8>, usize, Option<usize>) {
    move |to, k, c| {
        for k in k * group..(k + 1) * group {
            push(item, to, c.map_or(0, |c| weight(k, c)));
        }
    }
}
