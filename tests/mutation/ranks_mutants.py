"""Faults in work that several processes share; those seen by `test_mpi.py` need an MPI."""

from __future__ import annotations

from mutant import Mutant

UNIT, GPU, MPI = (
    "tests/unit/test_ranks.py",
    "tests/gpu/test_ranks.py",
    "tests/integration/test_mpi.py",
)
SUMS = (f"{UNIT}::test_sums_are_added_by_rank_and_rounded_once",)
NOISE = (f"{UNIT}::test_the_noise_of_a_part_is_the_part_of_the_noise",)
ORDER = (f"{UNIT}::test_results_come_in_order_from_all_ranks",)
NOTED = (f"{UNIT}::test_the_course_of_ranks_is_noted",)
SAVED = (f"{UNIT}::test_what_is_done_is_saved_where_another_rank_fails",)
DEVICES = (f"{GPU}::test_ranks_take_devices_in_turns",)
LOSSES = (f"{MPI}::test_losses_are_those_of_one_process",)
HANGS = (f"{MPI}::test_a_rank_that_hangs_is_named_and_the_run_is_saved",)
OTHER_PHOTOGRAPHS = (f"{MPI}::test_other_photographs_are_named",)
OTHER_NPUQ = (f"{MPI}::test_another_npuq_is_named",)
NOWHERE = (f"{MPI}::test_photographs_that_one_rank_does_not_see_are_named",)
OPTIONS = (f"{MPI}::test_other_options_are_named",)
LAUNCHER = (f"{MPI}::test_ranks_end_where_their_launcher_has_died",)
EVAL = (f"{MPI}::test_eval_on_ranks_writes_what_one_process_writes",)

RANKS_MUTANTS: list[Mutant] = [
    Mutant(
        "ranks: shares count alike, however large",
        "npuq/ranks/alone.py",
        "return (self.stop - self.first) / self.of",
        "return 1 / (self.of // (self.stop - self.first))",
        LOSSES,
    ),
    Mutant(
        "ranks: sums in float32, from the last rank on",
        "npuq/ranks/sums.py",
        "theirs.sum(axis=0, dtype=np.float64)",
        "theirs[::-1].astype(np.float32).sum(axis=0, dtype=np.float32)",
        SUMS,
    ),
    Mutant(
        "ranks: the noise of the first images for all",
        "npuq/ranks/noise.py",
        "start = (number * share.of + share.first) * one_image",
        "start = number * share.of * one_image",
        NOISE,
    ),
    Mutant(
        "ranks: noise from the middle of a word is taken from its beginning",
        "npuq/ranks/noise.py",
        "row[:] = numbers[start % 2 :]",
        "row[:] = numbers[: row.size]",
        NOISE,
    ),
    Mutant(
        "ranks: the noise of the whole batch's first images in the loop",
        "npuq/training/steps.py",
        "noise_of_step(options.seed, step, share, generator=options.noise)",
        "noise_of_step(options.seed, step, generator=options.noise)",
        LOSSES,
    ),
    Mutant(
        "ranks: clipping by the length of a rank's own gradient",
        "npuq/training/step.py",
        "length = gradient_length(named)",
        "length = gradient_length(named_arrays(gradients))",
        LOSSES,
    ),
    Mutant(
        "ranks: the loss of rank 0 for that of all",
        "npuq/training/step.py",
        "loss = Loss(*figures)",
        "loss = Loss(*loss)",
        LOSSES,
    ),
    Mutant(
        "ranks: the held-out images of rank 0 alone",
        "npuq/training/loop.py",
        "[every[number] for number in range(len(images))]",
        "list(losses.values())",
        LOSSES,
    ),
    Mutant(
        "ranks: where their number changed is forgotten",
        "npuq/training/records.py",
        "return state._replace(ranks=(*before, (state.step, ranks)))",
        "return state._replace(ranks=((0, ranks),))",
        NOTED,
    ),
    Mutant(
        "ranks: what is done is lost where another one fails",
        "npuq/training/loop.py",
        "except (KeyboardInterrupt, RankError):",
        "except KeyboardInterrupt:",
        SAVED,
    ),
    Mutant(
        "ranks: all take the first device",
        "npuq/ranks/devices.py",
        "cupy.cuda.Device(on_machine % devices)",
        "cupy.cuda.Device(0)",
        DEVICES,
    ),
    Mutant(
        "ranks: results in the order of arrival",
        "npuq/ranks/queue.py",
        "while given in done:\n                yield done.pop(given)",
        "while done:\n                yield done.pop(next(iter(done)))",
        ORDER,
    ),
    Mutant(
        "ranks: one rank does all",
        "npuq/ranks/queue.py",
        "while waiting and len(mine) < threads:",
        "while waiting:",
        ORDER,
    ),
    Mutant(
        "ranks: waiting for ever",
        "npuq/ranks/post.py",
        "                self.look()\n                self.check_time(since)",
        "                self.look()",
        HANGS,
    ),
    Mutant(
        "ranks: a failure is not told to others",
        "npuq/ranks/post.py",
        "                self.send(rank, text, FAILED)",
        "                pass",
        NOWHERE,
    ),
    Mutant(
        "ranks: pixels are not compared",
        "npuq/training/train.py",
        "    if ranks.size > 1:  # what",
        "    if ranks.size < 1:  # what",
        OTHER_PHOTOGRAPHS,
    ),
    Mutant(
        "ranks: only the number of npuq's version is compared",
        "npuq/ranks/sources.py",
        "checksum = zlib.crc32(path.read_bytes(), checksum)",
        "pass",
        OTHER_NPUQ,
    ),
    Mutant(
        "ranks: eval by the images of one rank",
        "npuq/evaluation/rate_distortion.py",
        "path = paths[number]",
        "path = paths[number // ranks.size * ranks.size]",
        EVAL,
    ),
    Mutant(
        "ranks: options are not compared",
        "npuq/cli/__init__.py",
        "for name, v in given if name not in OF_ONE_RANK",
        "for name, v in given if name == 'command'",
        OPTIONS,
    ),
    Mutant(
        "ranks: a dead launcher is not seen",
        "npuq/ranks/post.py",
        "if os.getppid() != self.launcher:",
        "if os.getppid() == 0:",
        LAUNCHER,
    ),
    Mutant(
        "ranks: the end after a failure may take for ever",
        "npuq/ranks/post.py",
        "os._exit(2)  # it has found no launcher",
        "pass",
        LAUNCHER,
    ),
]
