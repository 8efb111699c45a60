"""Where no colour lasts, because light swings, water moves, or leaves or edges sway.

The darker frames of a still pixel spread no wider than the noise: rain only brightens. Where they
spread wider, and no one colour stands out among the frames as the colour of something at rest
does, the scene is the middle of what is seen:

1. What rain adds, and how often, is learnt where the picture is still (`swings`). A swing of a
   given width, with that rain on top, has its dry median at a known percentile of the frames.
2. Where one colour lasts all the same, it stays (`settle`). Where pixels around swing together, as
   in light, mist and waves, the scene is the mean: its distance from the median, in units of the
   swing's width, is that of all pixels around, so that it hardly depends on which frames rain hit
   this one. What is displaced has no such mean.
"""
