"""What a training learns from: pairs, windows of them, patches, and which are held out."""
