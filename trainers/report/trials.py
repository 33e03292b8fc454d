"""The section on a search for the best model."""

from trainers.report.blocks import Section, Table, Text, between, percent
from trainers.report.run_files import RunFiles
from trainers.search import table
from trainers.search.state import State
from trainers.search.trials import minutes


def trials(run: RunFiles) -> Section | None:
    """What was tried before the model was trained, and how optimistic the choice is."""
    if not run.run_dir.search.is_file():
        return None
    state = State(run.run_dir.search)
    if not state.get("chosen"):
        return None
    rows = []
    for row in table.rows(state):
        found, bounds = row.result, row.metrics.get("expected_new_group_interval")
        spans = (percent(found.accuracy), between(bounds) if bounds else "-") if found else ("-", "-")
        rows.append((row.name, str(found.folds) if found else "-", *spans, minutes(row.seconds), row.remark))
    columns = ("tried", "folds", "accuracy left out", "95% of the mean", "time", "")
    caption = "Heads on frozen features and fine-tuning recipes, each judged by models that have not seen the images"
    return Section(
        "search",
        "Search",
        [Table(caption, columns, rows), *(Text(line) for line in table.caution(state.get("chosen")))],
    )
