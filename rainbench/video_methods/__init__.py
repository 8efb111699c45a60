"""Video restorers: methods that look at all frames of a clip, without weights."""
