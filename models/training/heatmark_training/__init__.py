"""Training of Heatmark's networks on rendered thermal faces, and their export to ONNX. See ../README.md.

Commands: `python -m heatmark_training.train`, `.average`, `.export`, `.quantise`, `.preview`, `.paired`.
"""
