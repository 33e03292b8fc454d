"""This project's own data sets, as builders of TensorFlow Datasets: three that are rendered, one of photos.

For `sources`, which opens them by name; imports nothing of ftdata but `errors`.
"""

# By the name of `--dataset`. They need no registration and, knifey_spoony excepted, no network.
BUILDERS = {
    "cutlery": "ftdata.datasets.cutlery.cutlery_dataset_builder",
    "objects": "ftdata.datasets.objects.objects_dataset_builder",
    "scenes": "ftdata.datasets.scenes.scenes_dataset_builder",
    "knifey_spoony": "ftdata.datasets.knifey_spoony.knifey_spoony_dataset_builder",
}
