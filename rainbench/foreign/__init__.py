"""Networks without a card: a class, a function, an exported file, or any program as an entry."""
