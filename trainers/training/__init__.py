"""One phase: the step, the loop, the optimizer, the callbacks."""
