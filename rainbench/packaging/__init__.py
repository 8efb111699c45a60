"""How a data set is handed on: files, tables, cards, Croissant, shards, contact sheets."""
