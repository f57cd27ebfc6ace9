"""`npuq export-compressai`: a model file becomes a state dict of CompressAI."""

from __future__ import annotations

import argparse
import warnings

from npuq.cli.common import JSON_HELP, check_not_same, naming, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq export-compressai`."""
    parser.description = (
        "Turn a model file of the hyperprior or factorized kind into a state dict of CompressAI. "
        "There, with the architecture NET that is printed: net = NET.from_state_dict(state); "
        "net.update(), which makes the tables of its coder. state is what torch.load returns of a "
        ".pth, or {k: torch.from_numpy(a) for k, a in numpy.load(OUT).items()} of a .npz."
    )
    parser.add_argument("model", metavar="MODEL", help="a model file of npuq")
    parser.add_argument(
        "out", metavar="OUT", help=".npz; or .pth, .pt or .pth.tar, which needs PyTorch"
    )
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> None:
    """Export, and say of which architecture it is."""
    from npuq.exchange.compressai import export_state
    from npuq.exchange.compressai_names import CLASSES, architecture
    from npuq.exchange.state_dict import write_state_dict
    from npuq.io.atomic import check_can_write
    from npuq.trained.model_file import load_model

    check_can_write(args.out)
    check_not_same(args.out, args.model)
    model = load_model(args.model)
    with naming(args.model):
        state = export_state(model)
    write_state_dict(args.out, state)
    if model.alpha > 0:
        warnings.warn(
            f"model {model.name} was trained with soft rounding, which CompressAI does not know",
            stacklevel=1,
        )
    name = architecture(model.params)
    net = f"compressai.models.{CLASSES[name]}"
    facts = {"architecture": name, "net": net, "arrays": len(state)}
    say(args.out, facts, f"{name}, NET = {net}, {len(state)} arrays", as_json=args.json)
