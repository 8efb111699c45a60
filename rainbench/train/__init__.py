"""Training: recipes, patches, losses and the loop."""
