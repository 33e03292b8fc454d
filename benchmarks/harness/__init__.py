"""What every benchmark uses: timing in rounds, processes, images, networks, results, charts."""
