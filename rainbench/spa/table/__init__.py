"""The table of videos, `videos.csv`: what is known of each, and how it is to be treated."""
