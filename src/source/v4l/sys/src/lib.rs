//! The kernel's V4L2 interface (`linux/videodev2.h`) for 64-bit little-endian Linux.
//!
//! The crate `v4l` takes it from `v4l2-sys-mit`, which generates it at build time and so needs libclang
//! on every machine that builds. The interface is the same on every LP64 little-endian Linux, so it is
//! generated once and put in that crate's place by `[patch.crates-io]`. Cargo heeds a patch only in the
//! package that is being built: a program that depends on Heatmark as a library gets the original back,
//! and needs libclang, unless it patches too.
//!
//! `bindings.rs` was made with bindgen 0.60 and the headers of Linux 6.1:
//!
//! ```text
//! echo '#include <linux/videodev2.h>' > v4l2.h
//! bindgen v4l2.h --no-layout-tests --with-derive-default \
//!     --allowlist-type 'v4l2_.*|time_t' --allowlist-var '(V4L2|VIDEO)_.*' -o src/bindings.rs
//! ```

#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, missing_docs)]
#![allow(clippy::all, rustdoc::all)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("bindings.rs holds for 64-bit little-endian Linux; generate one for this target as described above");

include!("bindings.rs");

// The sizes that the kernel's own request numbers carry.
const _: () = {
    assert!(core::mem::size_of::<v4l2_capability>() == 104);
    assert!(core::mem::size_of::<v4l2_format>() == 208);
    assert!(core::mem::size_of::<v4l2_requestbuffers>() == 20);
    assert!(core::mem::size_of::<v4l2_buffer>() == 88);
    assert!(core::mem::size_of::<v4l2_fmtdesc>() == 64);
    assert!(core::mem::size_of::<v4l2_frmsizeenum>() == 44);
    assert!(core::mem::size_of::<v4l2_frmivalenum>() == 52);
};
