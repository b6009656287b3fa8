//! Renderer of synthetic thermal scenes with exact truth.
