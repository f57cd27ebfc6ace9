"""Small wrong implementations with names, by what they are about; never used for anything else."""
