"""How good a clean frame is, told without the truth: a judge, and what it looks at."""
