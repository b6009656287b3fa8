//! Layers to packed kernels: which kernel computes a layer, and its name in listings.

use super::graph::Layer;
use super::layer_op::LayerOp;
use crate::error::{Error, Result};
use crate::kernels::{
    AddRequantise, Conv, Conv8, Depthwise, Elementwise, Epilogue, Into8, Kernels, Map, Pool, Quant, Quantise,
    Replicate, Resize, Sums, Window, Winograd, Winograd8,
};

/// A packed layer, and its name without channels and epilogue: `conv 3x3/2`.
pub(super) struct Packed {
    pub op: Box<dyn LayerOp>,
    pub name: String,
}

fn packed(op: impl LayerOp + 'static, name: impl Into<String>) -> Packed {
    Packed { op: Box::new(op), name: name.into() }
}

/// `3x3/2`: the window's rows and columns, and its stride.
fn size(window: &Window) -> String {
    format!("{}x{}/{}", window.size[0], window.size[1], window.stride[0])
}

/// Packs a layer that reads `from` and stores `to`. `quant` is given if the result is stored as int8.
///
/// # Errors
/// Fatal: the kernels reject the layer, or no unit can have such a layer. Both are bugs of ours.
pub(super) fn pack(
    kernels: &'static Kernels,
    layer: &Layer,
    (from, to): (Map, Map),
    mut after: Epilogue,
    quant: Option<&Quant>,
) -> Result<Packed> {
    Ok(match layer {
        Layer::Conv { window, depthwise, weights, bias } => {
            after.bias = bias.clone();
            if let Some(quant) = quant {
                let conv = Conv::quantising(kernels, (from, to), *window, weights, after, quant)?;
                packed(conv, format!("quantising conv {}", size(window)))
            } else if *depthwise {
                let conv = Depthwise::pack(kernels, from, to, *window, weights, after)?;
                packed(conv, format!("depthwise {}", size(window)))
            } else {
                conv(kernels, window, weights, (from, to), after)?
            }
        }
        Layer::Connected { weights, bias } => {
            after.bias = bias.clone();
            let conv = Conv::fully_connected(kernels, from, to, weights, after)?;
            packed(conv, format!("fully connected {}x{}x", from.h, from.w))
        }
        Layer::Affine { scale, shift } => {
            let each = |v: &[f32]| if v.len() == 1 { vec![v[0]; to.c] } else { v.to_vec() };
            after.bias = each(shift);
            packed(Elementwise::pack(kernels, from, to, &each(scale), after)?, "affine")
        }
        Layer::Add => packed(Elementwise::pack(kernels, from, to, &[], after)?, "add"),
        Layer::Upsample([rows, columns]) => {
            let replicate = Replicate::pack(kernels, from, to, [*rows, *columns], after)?;
            packed(replicate, format!("upsample {rows}x{columns}"))
        }
        Layer::Resize { rows, columns } => {
            let resize = Resize::pack(kernels, from, to, rows.clone(), columns.clone())?;
            packed(resize, format!("resize to {}x{}", to.h, to.w))
        }
        Layer::Pool { window, pooling } => {
            packed(Pool::pack(kernels, from, to, *window, *pooling)?, format!("pool {}", size(window)))
        }
        Layer::Quantise(quant) => packed(Quantise::pack(kernels, from, to, quant)?, "quantise"),
        Layer::Conv8 { .. } => conv8(kernels, layer, (from, to), &after)?,
        Layer::AddRequantise { repeat, from: quant, other, into } => {
            let second = after.residual.map(|o| o.0).zip(*other);
            let add = AddRequantise::pack(kernels, (from, *quant), second, *repeat, to, &after.activation, into)?;
            packed(add, if into == &Into8::Floats { "dequantise" } else { "int8 add" })
        }
        Layer::Dequantise(_) | Layer::Source | Layer::View | Layer::Activation(_) | Layer::Concat => {
            return Err(Error::fatal("region", "a layer that is no unit"));
        }
    })
}

/// A dense convolution of floats: by Winograd's method if it has a tile for these maps, else directly.
fn conv(
    kernels: &'static Kernels,
    window: &Window,
    weights: &[f32],
    (from, to): (Map, Map),
    after: Epilogue,
) -> Result<Packed> {
    let suits = *window == Winograd::WINDOW;
    Ok(match suits.then(|| Winograd::tile(kernels.lanes(), &from, &to)).flatten() {
        Some(tile) => {
            let outputs = tile.outputs();
            let name = format!("winograd {outputs}x{outputs} {}", size(window));
            packed(Winograd::pack(kernels, tile, from, to, weights, after)?, name)
        }
        None => packed(Conv::pack(kernels, from, to, *window, weights, after)?, format!("conv {}", size(window))),
    })
}

/// Like [`conv`], in int8.
fn conv8(kernels: &'static Kernels, layer: &Layer, (from, to): (Map, Map), after: &Epilogue) -> Result<Packed> {
    let Layer::Conv8 { window, weights, from: quant, into } = layer else {
        return Err(Error::fatal("region", "a layer that is not in int8"));
    };
    let (values, scale, bias) = (&weights.values[..], &weights.scale[..], &weights.bias[..]);
    let sums = Sums { from: *quant, weights: values, scale, bias };
    Ok(match Winograd8::tile(kernels, *window, (&from, &to), values) {
        Some(tile) => {
            let outputs = tile.outputs();
            let conv = Winograd8::pack(kernels, tile, (from, to), &sums, &after.activation, into)?;
            packed(conv, format!("int8 winograd {outputs}x{outputs} {}", size(window)))
        }
        None => {
            let conv = Conv8::pack(kernels, (from, to), *window, &sums, &after.activation, into)?;
            packed(conv, format!("int8 conv {}", size(window)))
        }
    })
}
