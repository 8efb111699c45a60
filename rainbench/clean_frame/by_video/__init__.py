"""Clean frames and video methods: the backgrounds of the one, and the one as the other."""
