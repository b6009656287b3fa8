//! Detect, follow, landmarks, pose, temperatures.
