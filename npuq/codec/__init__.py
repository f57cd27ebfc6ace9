"""From pictures to compressed files and back: Sec. 3.2 at test time.

`files` is the door, `container` the format; `quantizer` is universal quantization; each kind of
model has a module, with a record of functions (codec.py) that `files` finds in its table. Never
holds the making of tables, or training. Decides bytes: what is coded, in which order, in which
streams.

An image is divided in four ways, which have one name each:

    block    8x8 pixels: a place of the linear model's grid of coefficients. The other models have a
             latent for 16x16 pixels, and a hyper-latent for 4x4 of these.
    band     32 rows of that grid over the whole width: one stream. The only one of the four that is
             part of the file format (`bands`).
    strip    neighbouring bands that are in work at a time, on all cores; bounds the memory.
    tile     a rectangle that a transform computes at once: of blocks, which fit the cache of a core
             (`blocks`), or of latents, with as much around them as the convolutions see (`tiles`).

The walk of an image through the rooms of npuq. Compressing:

    io        the picture, from its file
    trained   the model: shipped, or of a file; the softness of the method
    codec     files -> the kind's codec -> tiles: what follows, for strip after strip
      models    y = f(x), for each tile; for the hyperprior model, sigma and mu
      coding    the dither of each band
      codec     quantizer: k = round(s(y) - u), by a look-up of the phases
      coding    the band's symbols, tables and phases, as the bytes of a stream
    codec     container: header, streams, checksums
    io        the file, whole or not at all

Decompressing is the same backwards: container, then for strip after strip the dither and the
symbols (coding), r(k + u) (codec), x_hat = g(...) (models), and the picture (io). Between the
door and the file each room is entered once for each strip, or each tile of it, and `kernels` only
from inside of the room that owns the plain function.

The walk of a model:

    training   options, photographs, loop: parameters of `models`, moved by `nn`
    trained    make: phases, medians, tables and integer scales, by `paper`, `nn` and `coding`;
               fingerprint: the hash; model_file: the arrays and the manifest
    io         archive: the `.npz`
"""
