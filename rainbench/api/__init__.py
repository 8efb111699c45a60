"""What ``import rainbench`` offers; each module holds some of its names."""
