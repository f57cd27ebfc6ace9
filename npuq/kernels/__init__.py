"""The few hot loops, each with a plain twin of the same name and signature."""
