"""What a run does, a module for each --phase: `train`, `check`, `find_learning_rate` and so on, each with `run`.

The only wing that sees the whole TrainConfig; it resolves it (`resolution`) and hands each wing its section.
`trainers.experiment` alone imports it.
"""
