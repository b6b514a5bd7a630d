"""Run a Wengert list with numba: lowered once, then interpreted over blocks of rows.

    lowered  = lower(wengert)                          # plain arrays, picklable, any size, linear time
    executor = Executor(lowered)                       # workspaces; numba is imported here
    outputs  = executor.forward(params, batch)         # (N, O)
    value, gradient = executor.value_and_grad(params, batch)   # mean over rows of the sum of the roots, (P,)

    training = Training(lower(loss), lower(update))    # both programs in one native loop
    done = training.run(params, state, data, order, batch_size, hyper, losses)

`params` is (P,), `batch` is (N, I), N >= 1, both C-contiguous float64: whoever holds the program checks
shapes and types, the executor does not.

The update rule is a Wengert list like any other whose *rows are parameters*: its inputs are the columns
`(p, g, *state)`, its parameters the hyperparameters of one step, its outputs `(p', *state')`; `gradients`
is empty. `Training.run` makes `len(hyper)` steps and writes `losses`:

    params  (P,)        changed in place, as is state
    state   (S, P)      one row per state column of the rule, S may be 0
    data    (N, I)      rows the loss reads
    order   (M,) int64  rows of `data`, batch after batch; the last batch may be short
    batch_size          rows per step
    hyper   (steps, H)  hyperparameters of each step (learning rate, bias corrections, ...)
    losses  (steps,)    mean loss of each batch, before its update

It returns how many steps were made. Fewer than `steps` means that `losses[done]` is not finite; the
parameters and the state are those after the last good step.
"""
