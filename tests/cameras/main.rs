//! Cameras: the table against its rules and recordings, nodes in a made-up sysfs, every fault of a camera
//! on a scripted machine behind the shipped pipeline on a simulated clock, and a week of frames.

mod doctor;
mod nodes;
mod program;
mod recordings;
mod recovery;
mod rules;
mod running;
mod soak;
mod world;

#[global_allocator]
static ALLOCATOR: heatmark::bench::alloc::Counting = heatmark::bench::alloc::Counting;
