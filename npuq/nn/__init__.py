"""What the paper borrows from the field: transforms, CDF modules, initialisers, Adam."""
