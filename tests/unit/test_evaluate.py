"""Records of real files, against what one computes by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from models import picture, tiny_model

from npuq.codec.files import compress, decompress
from npuq.errors import ModelError
from npuq.evaluation.metrics import ms_ssim, psnr
from npuq.evaluation.rate_distortion import (
    Evaluation,
    Job,
    all_qualities,
    evaluate_files,
    evaluate_image,
    jobs_for,
    jobs_for_model,
)
from npuq.evaluation.records import Failure, Record, as_json, mean_records
from npuq.io.image_writing import write_image
from npuq.trained.methods import METHODS
from npuq.trained.shipped import shipped_qualities
from npuq.training.dead_leaves import dead_leaves

KEYS = [
    "image", "model", "method", "quality", "bytes", "bpp", "bpp_estimated", "psnr", "mse",
    "ms_ssim",
]  # fmt: skip
CASES = (("un+q", 0.0), ("un+uq", 0.0), ("un+uq+sr", 16.0))


@pytest.mark.parametrize(("method", "alpha"), CASES)
def test_a_record_says_what_is_true_of_the_file(method: str, alpha: float) -> None:
    image, model = picture(176, 168), tiny_model(alpha)
    data = compress(image, method=method, model=model, seed=5)
    decoded = decompress(data, model=model)
    record = evaluate_image(image, model, method, name="a.png", quality=2, seed=5).record
    assert list(record._asdict()) == KEYS
    assert record[:5] == ("a.png", model.name, method, 2, len(data))
    assert record.bpp == pytest.approx(8 * len(data) / (176 * 168))
    assert record.psnr == psnr(image, decoded)
    assert record.psnr == pytest.approx(10 * math.log10(255**2 / record.mse))
    assert record.ms_ssim == ms_ssim(image, decoded)


def assert_bits_agree(result: Evaluation) -> None:
    """The promises of the format: 0.1 % + 16 bytes, and 0.1 %."""
    assert abs(result.payload_bits - result.promised_bits) < 0.001 * result.promised_bits + 128
    assert result.promised_bits == pytest.approx(result.estimated_bits, rel=0.001)
    assert 8 * result.record.bytes > result.payload_bits  # header and checksums


@pytest.mark.parametrize(("method", "alpha"), CASES)
def test_file_tables_and_float_model_agree(method: str, alpha: float) -> None:
    """Even for an untrained density, which describes no picture well."""
    result = evaluate_image(picture(200, 240), tiny_model(alpha), method)
    assert_bits_agree(result)
    assert result.record.bpp_estimated == pytest.approx(result.estimated_bits / (200 * 240))


@pytest.mark.skipif(not shipped_qualities(), reason="no models in this copy of the package")
@pytest.mark.parametrize("method", METHODS)
def test_shipped_models_keep_the_promises(method: str) -> None:
    for job in jobs_for([method], all_qualities()):
        assert_bits_agree(evaluate_image(dead_leaves(256, 256, seed=3), job.model, method))


def test_a_model_is_evaluated_by_the_methods_it_was_trained_for() -> None:
    plain, soft = tiny_model(0.0), tiny_model(16.0)
    assert [job.method for job in jobs_for_model(plain, None)] == ["un+q", "un+uq"]
    assert [job.method for job in jobs_for_model(soft, None)] == ["un+uq+sr"]
    assert jobs_for_model(soft, ["un+q"]) == [Job(soft, "un+q", None)]
    with pytest.raises(ModelError, match="without soft rounding"):
        jobs_for_model(plain, ["un+uq+sr"])
    assert {job.method for model in (plain, soft) for job in jobs_for_model(model, None)} == set(
        METHODS
    )


def test_files_are_evaluated_in_their_order_whatever_the_threads(tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.png" for seed in range(5)]
    for seed, path in enumerate(paths):
        write_image(path, picture(16 + 8 * seed, 24, seed))
    jobs = jobs_for_model(tiny_model(), None)
    one, three = (
        [r for group in evaluate_files(paths, jobs, threads=threads) for r in group]
        for threads in (1, 3)
    )
    assert [r.image for r in one] == [str(path) for path in paths for _ in jobs]
    assert as_json(one) == as_json(three)  # nan is not equal to itself, null is


def test_a_bad_image_takes_nothing_from_the_others(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for path in paths:
        write_image(path, picture(16, 16))
    paths[1].write_bytes(b"no image")
    paths[3].unlink()
    jobs = jobs_for_model(tiny_model(), None)
    results = list(evaluate_files(paths, jobs))
    assert [isinstance(result, Failure) for result in results] == [False, True, False, True]
    assert results[0] == list(next(iter(evaluate_files(paths[:1], jobs))))
    first, second = (result for result in results if isinstance(result, Failure))
    assert first.image == str(paths[1]) and "not an image" in first.error
    assert second.image == str(paths[3]) and "no such file" in second.error
    assert as_json([first]) == [{"image": str(paths[1]), "error": first.error}]


def test_what_only_the_model_refuses_is_a_failure_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise ModelError("a coefficient is beyond 32 bits")

    write_image(tmp_path / "a.png", picture(16, 16))
    monkeypatch.setattr("npuq.evaluation.rate_distortion.compress", refuse)
    (result,) = evaluate_files([tmp_path / "a.png"], jobs_for_model(tiny_model(), None))
    assert result == Failure(str(tmp_path / "a.png"), "a coefficient is beyond 32 bits")


def test_a_bug_is_no_failure_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> bytes:
        raise ValueError("a bug")

    write_image(tmp_path / "a.png", picture(16, 16))
    monkeypatch.setattr("npuq.evaluation.rate_distortion.compress", bug)
    with pytest.raises(ValueError, match="a bug"):
        list(evaluate_files([tmp_path / "a.png"], jobs_for_model(tiny_model(), None)))


def record(image: str, method: str, bpp: float, psnr: float, ms_ssim: float = 0.5) -> Record:
    return Record(image, "m", method, 1, 100, bpp, bpp, psnr, 1.0, ms_ssim)


def test_means_are_over_images_of_one_method_in_order() -> None:
    records = [
        record("a", "un+q", 1.0, 30.0),
        record("a", "un+uq", 2.0, 20.0),
        record("b", "un+q", 3.0, 40.0, math.nan),
        record("b", "un+uq", 5.0, 30.0),
    ]
    first, second = mean_records(records)
    assert (first.image, first.method, first.bpp, first.psnr) == ("mean of 2", "un+q", 2.0, 35.0)
    assert (second.method, second.bpp, second.psnr) == ("un+uq", 3.5, 25.0)
    assert math.isnan(first.ms_ssim)  # the mean of what is not there is not there


def test_json_has_null_for_what_is_not_a_number() -> None:
    exact = record("a", "un+q", 1.0, math.inf, math.nan)
    plain = json.loads(json.dumps(as_json([exact]), allow_nan=False))
    assert list(plain[0]) == KEYS
    assert plain[0]["psnr"] is None and plain[0]["ms_ssim"] is None and plain[0]["bpp"] == 1.0
