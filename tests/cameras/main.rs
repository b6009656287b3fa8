//! Cameras: the table against its rules and recordings, nodes in a made-up sysfs, every fault a camera
//! shows against a scripted machine with a simulated clock, and a week of frames.

mod doctor;
mod nodes;
mod program;
mod recordings;
mod recovery;
mod rules;
mod soak;
mod world;

#[global_allocator]
static ALLOCATOR: heatmark::bench::alloc::Counting = heatmark::bench::alloc::Counting;
