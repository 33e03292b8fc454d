"""`report.html`: the results of a run on one page, a function of the files in its folder."""

from ftdata.log import log
from trainers.report import (
    curves,
    judged,
    new_groups,
    next_steps,
    origin,
    probabilities,
    provenance,
    quality,
    session,
    state,
    summary,
    trials,
)
from trainers.report.blocks import Section
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir, write_atomically

_SECTIONS = (
    *(new_groups.groups, provenance.images, quality.mistakes, quality.confused, quality.classes),
    *(next_steps.use, next_steps.improve, origin.speed, origin.exports),
    *(probabilities.probabilities, probabilities.precision_recall, new_groups.none_of_these, trials.trials),
    *(origin.samples, origin.doctor, origin.settings, origin.versions, next_steps.missing),
)


def refresh(run_dir: RunDir) -> bool:
    """Writes the page; where that fails there is a warning, since nothing that was computed hangs on it.

    Returns:
      Whether it was written.
    """
    try:
        write(run_dir)
    except Exception as error:  # whatever it is, the results are worth more than the page
        log.info(f"warning: {run_dir.report} was not written: {_in_words(error)}")
        return False
    return True


def write(run_dir: RunDir) -> None:
    """Writes the page, atomically.

    Raises:
      UserError: a file of the run is damaged.
      WriteFailed: no space, no permission.
    """
    text = html(RunFiles.read(run_dir))
    write_atomically(run_dir.report, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def is_outdated(run_dir: RunDir) -> bool:
    """Whether the page is missing or older than a file that it is made of."""
    if not run_dir.report.is_file():
        return True
    written = run_dir.report.stat().st_mtime_ns
    kinds = ("*.json", "*.png", "*/*.json", "*/*.png", "*/*.csv")
    return any(path.stat().st_mtime_ns > written for kind in kinds for path in run_dir.root.glob(kind))


def html(run: RunFiles) -> str:
    """The page as text; the same files give the same text."""
    from trainers.report.rendering import render  # only here: jinja2 need not be loaded by who writes no page

    scores = [score for score in (summary.accuracy(run), summary.new_group(run)) if score]
    confusion = [matrix for found in judged.counts(run) for matrix in summary.confusion(found.values, of=found.what)]
    sections = [section for make in _SECTIONS if (section := make(run)) is not None]
    return render(
        "report.html",
        name=run.name,
        subject=summary.few(run.metrics.get("class_names") or [], limit=4),
        scores=scores,
        facts=[*provenance.facts(run), *summary.facts(run), *session.facts(run)],
        trust=[*state.unfinished(run), *summary.trust(run)],
        confusion=confusion,
        curves=curves.curves(run),
        sections=_side_by_side(_with_addresses(sections)),
    )


def _with_addresses(sections: list[Section]) -> list[Section]:
    assert len({section.key for section in sections}) == len(sections), "two sections have one address"
    return sections


def _side_by_side(sections: list[Section]) -> list[list[Section]]:
    """Narrow sections that follow each other in twos, the others alone."""
    rows = list[list[Section]]()
    for section in sections:
        if rows and len(rows[-1]) == 1 and rows[-1][0].is_narrow and section.is_narrow:
            rows[-1].append(section)
        else:
            rows.append([section])
    return rows


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
