"""Every equation of the paper and nothing else; the files follow the order of the paper."""
