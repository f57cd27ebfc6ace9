"""`npuq import-compressai`: a state dict of CompressAI becomes a model file."""

from __future__ import annotations

import argparse

from npuq.cli.common import JSON_HELP, check_not_same, naming, number, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq import-compressai`."""
    parser.description = (
        "Turn a state dict of CompressAI (mbt2018-mean, bmshj2018-hyperprior or "
        "bmshj2018-factorized) into a model file for npuq compress --model, with the methods un+q "
        "and un+uq."
    )
    parser.add_argument(
        "state",
        metavar="STATE",
        help=".npz of arrays by state-dict name; or .pth, .pt or .pth.tar, which needs PyTorch",
    )
    parser.add_argument("out", metavar="OUT", help="the model file to write")
    parser.add_argument("--name", help="of the model, for reports (default: that of STATE)")
    parser.add_argument(
        "--lmbda",
        type=number,
        default=0.0,
        metavar="X",
        help="the lambda that it was trained with, for reports (default: 0, not known)",
    )
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> None:
    """Import, and say what it is."""
    from npuq.exchange.compressai import check_state, import_state
    from npuq.exchange.compressai_names import architecture
    from npuq.exchange.state_dict import read_state_dict, stem
    from npuq.io.atomic import check_can_write
    from npuq.trained.kinds import kind_of
    from npuq.trained.model_file import save_model

    check_can_write(args.out)
    check_not_same(args.out, args.state)
    state = read_state_dict(args.state, check_state)
    with naming(args.state):
        model = import_state(state, name=args.name or stem(args.state), lmbda=args.lmbda)
    save_model(args.out, model)
    name, size = architecture(model.params), kind_of(model.params).size(model.params)
    facts = {"name": model.name, "architecture": name, "size": size, "hash": model.hash.hex()}
    text = f"model {model.name}, {name}, N = {size[0]}, M = {size[1]}, hash {model.hash.hex()}"
    say(args.out, facts, text, as_json=args.json)
