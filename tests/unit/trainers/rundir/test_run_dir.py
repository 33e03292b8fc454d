"""The folder of a run."""

from trainers.rundir.run_dir import RunDir, remove_leftovers


def test_what_a_killed_run_left_under_temporary_names_is_removed_wherever_it_is(tmp_path):
    left = [".tmp-1-config.json", "finetune/.tmp-2-best.keras", "finetune/checkpoints/.tmp-3-step-7"]
    left += ["finetune/left_out/.tmp-4-00001.npy", "finetune/weights/.tmp-5-00001.npz"]
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "finetune/left_out/00001.npy").write_bytes(b"whole")
    remove_leftovers(RunDir(tmp_path))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["00001.npy"]
