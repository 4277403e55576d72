#!/usr/bin/env python3
"""The same training in JAX, timed in the same way: one JSON line.

  jax_scan.py --weights FILE [--mode scan] [--data DIR|synthetic] [--samples N] [--device cuda|cpu]
              [--batch-size N] [--layers N,N,...] [--epochs N] [--learning-rate X] [--warm-up X]
              [--seconds X]

An epoch is one call: jit of lax.scan over its batches, with the weights donated. All else is as
pytorch.py says. Exit status: 0 fine, 2 usage, 77 JAX is not here, or has no such device.
"""
import time

from common import CLASSES, absent, measure, parse, read_batches, read_weights


def main():
    args = parse(__doc__, ("scan",))
    wanted = 'python3 -m pip install "jax[cuda13]"' if args.device == "cuda" else (
        "python3 -m pip install jax")
    try:
        import jax
        import jax.numpy as jnp
        import numpy as np
    except ImportError as problem:
        absent(f"{problem}: {wanted}")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_platforms", args.device)
    start = time.perf_counter()
    try:
        (device, *_) = jax.devices()
    except (AssertionError, RuntimeError):  # as its plugins have it
        absent(f"JAX {jax.__version__} has no device {args.device}: {wanted}")
    begun = time.perf_counter()
    (pixels, labels), first = read_batches(args), read_weights(args)
    loaded = time.perf_counter()
    batches = jax.block_until_ready(jax.device_put((pixels, labels.astype(np.int32)), device))
    batched = time.perf_counter()

    def objective(weights, x, y):
        for weight, bias in weights[:-1]:
            x = jax.nn.sigmoid(x @ weight.T + bias)
        weight, bias = weights[-1]
        logits = x @ weight.T + bias
        likelihoods = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        loss = -likelihoods.sum()
        return loss / CLASSES, (loss, (logits.argmax(1) == y).sum())

    def step(weights, batch):
        gradients, scores = jax.grad(objective, has_aux=True)(weights, *batch)
        weights = jax.tree.map(lambda w, g: w - args.learning_rate * g, weights, gradients)
        return weights, scores

    def steps(weights, batches):
        return jax.lax.scan(step, weights, batches)

    weights = jax.device_put(first, device)
    submit = jax.jit(steps, donate_argnums=0).lower(weights, batches).compile()
    jax.block_until_ready(submit(weights, batches))  # a warm-up, which takes its weights with it
    weights = jax.block_until_ready(jax.device_put(first, device))
    opened = begun - start + time.perf_counter() - batched

    def epoch():
        nonlocal weights
        weights, scores = submit(weights, batches)
        losses, hits = jax.device_get(scores)
        jax.block_until_ready(weights)
        return losses.sum(dtype=np.float64), hits.sum()

    measure(args, {"kind": "jax", "name": device.device_kind, "library": f"JAX {jax.__version__}",
                   "submission": "scan"},
            {"load": loaded - begun, "open": opened, "batching": batched - loaded}, epoch)


if __name__ == "__main__":
    main()
