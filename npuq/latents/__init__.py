"""Arrays of one's own to bytes and back: Sec. 3.2 as a library call, without a model or a picture.

    tables        a density becomes integers, once, for both sides
    tables_file   these as a file, or as bytes inside of a stream, with their hash
    layout        channels, rows and columns of an array of any shape, and its blocks
    quantization  the sender's and the receiver's half
    scales        a scale for each coefficient becomes the number of a table (Eq. 23)
    container     the format: header, blocks, checksums
    arrays        the door: `encode_array`, `decode_array`
    lattice_...   the same with a lattice in place of the integers (Eq. 28): `lattice_points` in
                  integers, `lattice_tables` and their file, `lattice_arrays` for the door
    densities     a density that fits an array, for the command line

A room of its own, since its format knows nothing of pictures or models, while `codec` is pictures
to files by a model. What both share, quantizer and phases, comes from there and from `trained`.
Never holds training. Decides bytes: its format is not that of images.
"""
