"""What every room may use: errors, images, files, progress, random numbers, processes."""
