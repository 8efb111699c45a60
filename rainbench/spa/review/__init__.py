"""The local page on which a person accepts or rejects clean frames, or asks for more frames."""
