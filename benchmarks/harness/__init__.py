"""What every benchmark uses: timing in rounds, processes, images, networks, results, charts.

For the sides and the questions of this package. It knows neither.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "Contender": "timing",
        "rates": "timing",
        "rows": "timing",
        "Worker": "process",
        "start_all": "process",
        "Network": "networks",
        "Task": "networks",
        "publish": "results",
    },
)
